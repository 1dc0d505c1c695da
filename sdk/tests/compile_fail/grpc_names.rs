//! Names that are not those of the `.proto` file.

/// What a build script makes of a file.
mod proto {
    use backplane_sdk::grpc;

    pub trait Greeter {
        const SERVICE: &'static str = "greetings.v1.Greeter";
        const METHODS: &'static [(&'static str, &'static str)] = &[("greet", "Greet"), ("get_url", "getURL")];
        fn greet(request: grpc::Request<()>) -> grpc::Result<()>;
        fn get_url(request: grpc::Request<()>) -> grpc::Result<()>;
    }
}

#[backplane_sdk::plugin]
mod names {
    use backplane_sdk::prelude::*;

    use crate::proto::Greeter;

    struct Service;

    #[grpc("greetings.v2.Greeter", public)]
    impl Greeter for Service {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }

        #[method(name = "getURL")]
        fn get_url(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }
}

#[backplane_sdk::plugin]
mod method_names {
    use backplane_sdk::prelude::*;

    use crate::proto::Greeter;

    struct Service;

    #[grpc("greetings.v1.Greeter", public)]
    impl Greeter for Service {
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }

        fn get_url(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }
}

#[backplane_sdk::plugin]
mod method_names_in_each_others_place {
    use backplane_sdk::prelude::*;

    use crate::proto::Greeter;

    struct Service;

    #[grpc("greetings.v1.Greeter", public)]
    impl Greeter for Service {
        #[method(name = "getURL")]
        fn greet(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }

        #[method(name = "Greet")]
        fn get_url(_: grpc::Request<()>) -> grpc::Result<()> {
            Ok(())
        }
    }
}

fn main() {}
