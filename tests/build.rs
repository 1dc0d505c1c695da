//! Compiles clients of the host's gRPC services and of the fixture's, from the files that everybody else's are compiled
//! from.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folders = ["../proto", "guests/proto"];
    folders.iter().for_each(|folder| println!("cargo::rerun-if-changed={folder}"));
    let files = ["backplane/v1/events.proto", "backplane/v1/plugins.proto", "probe/v1/probe.proto"];
    let descriptors = protox::compile(files, folders)?;
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
