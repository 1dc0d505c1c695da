//! Compiles clients of the host's gRPC services, from the files that everybody else's are compiled from.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../proto";
    println!("cargo::rerun-if-changed={folder}");
    let descriptors = protox::compile(["backplane/v1/events.proto", "backplane/v1/plugins.proto"], [folder])?;
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
