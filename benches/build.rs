//! Compiles the messages that gRPC is measured with, from the file that the measured plugin is compiled from.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../tests/guests/proto";
    println!("cargo::rerun-if-changed={folder}");
    let mut descriptors = protox::compile(["probe/v1/probe.proto"], [folder])?;
    // The rest of the service does things to a host that only a plugin can do.
    for service in descriptors.file.iter_mut().flat_map(|file| &mut file.service) {
        service.method.retain(|method| method.name() == "Echo");
    }
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
