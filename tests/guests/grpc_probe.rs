//! Answers gRPC calls: one method for each thing that a call can do to its host. The file of the service says which.

/// The messages and the trait of the service.
mod proto {
    #![allow(missing_docs, unreachable_pub, reason = "it is generated, and the file is its documentation")]

    backplane_sdk::include_proto!("probe.v1");
}

#[backplane_sdk::plugin(instance = "reused")]
mod grpc_probe {
    use std::time::{Duration, Instant};

    use backplane_sdk::prelude::*;

    use crate::proto::{
        CountRequest, CountResponse, EchoRequest, EchoResponse, FailRequest, FailResponse, Metadata, Probe,
        SecretRequest, SecretResponse, SpinRequest, SpinResponse, TrapRequest, TrapResponse, WhoRequest, WhoResponse,
    };

    const COUNTS: kv::Bucket = kv::bucket("counts");

    /// Who answers.
    struct Service;

    #[grpc("probe.v1.Probe", public, metadata("x-tenant"))]
    impl Probe for Service {
        #[method(transaction = "none")]
        fn echo(request: grpc::Request<EchoRequest>) -> grpc::Result<EchoResponse> {
            let pair = |(key, value): (&str, &str)| Metadata { key: key.to_owned(), value: value.to_owned() };
            let metadata = request.metadata().iter().map(pair).collect();
            let EchoRequest { payload, text } = request.into_inner();
            Ok(EchoResponse { payload, text, metadata })
        }

        fn fail(request: grpc::Request<FailRequest>) -> grpc::Result<FailResponse> {
            let FailRequest { code, reason, message, key } = request.into_inner();
            count(&key)?;
            Err(grpc::Status::new(grpc::Code::from_i32(code.cast_signed()), message).with_reason(reason))
        }

        #[expect(clippy::panic, reason = "the guest misbehaves")]
        fn trap(request: grpc::Request<TrapRequest>) -> grpc::Result<TrapResponse> {
            let key = request.into_inner().key;
            count(&key)?;
            panic!("what {key} counted is a secret")
        }

        #[method(transaction = "none")]
        #[expect(clippy::disallowed_methods, reason = "how long it computes is what a caller asks for")]
        fn spin(request: grpc::Request<SpinRequest>) -> grpc::Result<SpinResponse> {
            let time = Duration::from_millis(request.into_inner().ms.into());
            let began = Instant::now();
            while time.is_zero() || began.elapsed() < time {
                std::hint::spin_loop();
            }
            Ok(SpinResponse {})
        }

        fn count(request: grpc::Request<CountRequest>) -> grpc::Result<CountResponse> {
            let CountRequest { key, only_look } = request.into_inner();
            let count = if only_look { look(&key)? } else { count(&key)? };
            Ok(CountResponse { count })
        }

        #[method(roles("admin"), transaction = "none")]
        fn secret(_: grpc::Request<SecretRequest>) -> grpc::Result<SecretResponse> {
            Ok(SecretResponse { text: "for administrators".to_owned() })
        }

        #[method(transaction = "none")]
        fn who(_: grpc::Request<WhoRequest>) -> grpc::Result<WhoResponse> {
            let Some(caller) = Context.caller() else { return Ok(WhoResponse::default()) };
            Ok(WhoResponse { subject: caller.subject, roles: caller.roles })
        }
    }

    /// Adds one to what is kept under a key.
    fn count(key: &str) -> Result<i64> {
        COUNTS.increment(key, 1)?;
        look(key)
    }

    fn look(key: &str) -> Result<i64> {
        Ok(COUNTS.get_text(key)?.map_or(Ok(0), |text| text.parse())?)
    }
}
