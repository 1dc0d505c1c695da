//! Compiles the services that guests answer.

fn main() -> Result<(), backplane_sdk_build::Error> {
    backplane_sdk_build::compile_protos(&["proto/probe/v1/probe.proto"], &["proto"])
}
