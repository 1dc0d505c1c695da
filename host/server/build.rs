//! Compiles the host's gRPC services in Rust alone: nobody needs `protoc`.

#![expect(clippy::disallowed_methods, reason = "cargo says in the environment where to write")]

use std::{env, error::Error, fs, path::PathBuf};

const FOLDER: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut compiler = protox::Compiler::new([FOLDER])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(["backplane/v1/events.proto", "backplane/v1/plugins.proto"])?;
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("backplane.v1.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
