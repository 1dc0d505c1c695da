//! Services that nobody can call, and calls that no service has.

/// What a build script makes of a file.
mod proto {
    use backplane_sdk::grpc;

    pub trait Greeter {
        const SERVICE: &'static str = "greetings.v1.Greeter";
        const METHODS: &'static [(&'static str, &'static str)] = &[("greet", "Greet")];
        fn greet(request: grpc::Request<()>) -> grpc::Result<()>;
    }
}

#[backplane_sdk::plugin]
mod attributes {
    use backplane_sdk::prelude::*;

    use crate::proto::Greeter;

    struct Service;
    struct S1;
    struct S2;
    struct S3;
    struct S4;
    struct S5;
    struct S6;
    struct S7;

    #[grpc]
    impl Greeter for S1 {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings v1")]
    impl Greeter for S2 {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Greeter")]
    impl Service {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Greeter")]
    fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
        Ok(())
    }

    #[grpc("greetings.v1.Other", body_max = "1KiB")]
    impl Greeter for S3 {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Third", public)]
    impl Greeter for S4 {
        #[method]
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Fourth", metadata("authorization"))]
    impl Greeter for S5 {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Fifth", metadata("trace-bin"))]
    impl Greeter for S6 {
        fn greet(&self, _: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Sixth")]
    impl Greeter for S7 {
        fn greet(&self, _: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }
}

#[backplane_sdk::plugin]
mod twice {
    use backplane_sdk::prelude::*;

    use crate::proto::Greeter;

    struct Service;
    struct Other;

    #[grpc("greetings.v1.Greeter", public)]
    impl Greeter for Service {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }

    #[grpc("greetings.v1.Greeter", public)]
    impl Greeter for Other {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }
}

fn main() {}
