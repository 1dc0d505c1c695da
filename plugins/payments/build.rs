//! Compiles the service that the plugin answers over gRPC.

fn main() -> Result<(), backplane_sdk_build::Error> {
    backplane_sdk_build::compile_protos(&["proto/payments/v1/payments.proto"], &["proto"])
}
