//! gRPC calls, answered as a host has them answered.

use backplane_sdk::grpc::Code;
use backplane_sdk::{Plugin as _, kv, testing};
use prost::Message;
use serde_json::{Value, json};

/// What a build script makes of a file, in short.
mod proto {
    use backplane_sdk::grpc;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Name {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Count {
        #[prost(int64, tag = "1")]
        pub(crate) count: i64,
    }

    pub(crate) trait Visits {
        const SERVICE: &'static str = "visits.v1.Visits";
        const METHODS: &'static [(&'static str, &'static str)] =
            &[("visit", "Visit"), ("get_url", "getURL"), ("look", "Look")];
        fn visit(request: grpc::Request<Name>) -> grpc::Result<Count>;
        fn get_url(request: grpc::Request<Name>) -> grpc::Result<Name>;
        fn look(request: grpc::Request<Name>) -> grpc::Result<Count>;
    }
}

use proto::{Count, Name};

#[backplane_sdk::plugin]
mod visits {
    use backplane_sdk::prelude::*;

    use super::proto::{Count, Name, Visits};

    const VISITS: kv::Bucket = kv::bucket("visits");

    struct Service;

    #[grpc("visits.v1.Visits", roles("clerk"), metadata("x-tenant"), message_max = "64B", timeout = "2s")]
    impl Visits for Service {
        fn visit(request: grpc::Request<Name>) -> grpc::Result<Count> {
            let name = request.into_inner().name;
            VISITS.increment(&name, 1)?;
            if name == "nobody" {
                return Err(grpc::Status::invalid_argument("nobody visits").with_reason("nobody"));
            }
            let text = VISITS.get_text(&name)?.or_not_found("nobody visited")?;
            Ok(Count { count: text.parse()? })
        }

        /// Answers without asking who calls.
        #[method(name = "getURL", public, transaction = "none", metadata("x-host", "x-tenant"))]
        fn get_url(request: grpc::Request<Name>) -> grpc::Result<Name> {
            let host = request.metadata().get("x-host").or_not_found("no host")?;
            let tenants: Vec<_> = request.metadata().get_all("x-tenant").collect();
            Ok(Name { name: format!("{host}/{}?{}", request.get_ref().name, tenants.join("+")) })
        }

        #[method(transaction = "read", signed_in)]
        fn look(request: grpc::Request<Name>) -> grpc::Result<Count> {
            let name = request.into_inner().name;
            VISITS.increment(&name, 1)?;
            Ok(Count { count: 0 })
        }
    }
}

fn name(name: &str) -> Name {
    Name { name: name.to_owned() }
}

fn visit(who: &str) -> testing::TestCall {
    testing::call("visits.v1.Visits/Visit", &name(who)).signed_in("ada", ["clerk"])
}

#[test]
fn the_manifest_says_what_the_attributes_say() {
    let manifest: Value = serde_json::from_str(visits::Plugin::MANIFEST).expect("JSON");
    let methods = json!([
        { "name": "Visit", "handler": "visit", "access": { "roles": ["clerk"] }, "metadata": ["x-tenant"],
          "message_bytes_max": 64, "timeout_ms": 2000 },
        { "name": "getURL", "handler": "get_url", "access": "public", "transaction": "none",
          "metadata": ["x-host", "x-tenant"], "message_bytes_max": 64, "timeout_ms": 2000 },
        { "name": "Look", "handler": "look", "access": "signed-in", "transaction": "read", "metadata": ["x-tenant"],
          "message_bytes_max": 64, "timeout_ms": 2000 },
    ]);
    assert_eq!(manifest["grpc"], json!([{ "service": "visits.v1.Visits", "methods": methods }]));
    assert_eq!(manifest["routes"], json!([]));
}

#[test]
fn ok_commits_and_err_does_not() {
    for count in [1, 2] {
        assert_eq!(visit("ada").send::<visits::Plugin, Count>().expect("it counts"), Count { count });
    }
    let status = visit("nobody").send::<visits::Plugin, Count>().expect_err("nobody visits");
    assert_eq!((status.code(), status.reason(), status.message()), (Code::InvalidArgument, "nobody", "nobody visits"));
    assert_eq!(kv::bucket("visits").get("nobody"), Ok(None));
}

#[test]
fn a_call_that_was_overtaken_runs_again() {
    let slower = visit("ada").send_overtaken::<visits::Plugin, Count>(|| {
        assert_eq!(visit("ada").send::<visits::Plugin, Count>().expect("it counts"), Count { count: 1 });
    });
    assert_eq!(slower.expect("it counts again"), Count { count: 2 });
}

#[test]
fn who_may_not_call_is_refused() {
    let call = || testing::call("visits.v1.Visits/Visit", &name("ada"));
    let code = |call: testing::TestCall| call.send::<visits::Plugin, Count>().expect_err("it is refused").code();
    assert_eq!(code(call()), Code::Unauthenticated);
    assert_eq!(code(call().signed_in("bob", ["guest"])), Code::PermissionDenied);
    assert_eq!(code(testing::call("visits.v1.Visits/Vanish", &name("ada"))), Code::Unimplemented);
    assert_eq!(code(visit(&"x".repeat(65))), Code::ResourceExhausted);
    let no_message = testing::call_bytes("visits.v1.Visits/Visit", [0x0a]).signed_in("ada", ["clerk"]);
    assert_eq!(code(no_message), Code::InvalidArgument);
}

#[test]
fn metadata_comes_as_the_method_asks_for_it() {
    let call = testing::call("visits.v1.Visits/getURL", &name("x"))
        .metadata("x-tenant", "a")
        .metadata("x-other", "secret")
        .metadata("X-Host", "h")
        .metadata("x-tenant", "b");
    assert_eq!(call.send::<visits::Plugin, Name>().expect("an answer"), name("h/x?a+b"));
}

#[test]
fn who_reads_cannot_write() {
    let status =
        testing::call("visits.v1.Visits/Look", &name("ada")).signed_in("bob", []).send::<visits::Plugin, Count>();
    assert_eq!(status.expect_err("it only reads").code(), Code::Internal);
}

#[test]
fn without_a_store_there_is_no_answer() {
    testing::set_state_available(false);
    let status = visit("ada").send::<visits::Plugin, Count>().expect_err("there is no store");
    assert_eq!((status.code(), status.reason()), (Code::Unavailable, "state_unavailable"));
}

#[test]
fn a_method_is_a_function_too() {
    use proto::Visits as _;

    struct Double;

    impl proto::Visits for Double {
        fn visit(request: backplane_sdk::grpc::Request<Name>) -> backplane_sdk::grpc::Result<Count> {
            Ok(Count { count: request.get_ref().encoded_len().try_into()? })
        }

        fn get_url(request: backplane_sdk::grpc::Request<Name>) -> backplane_sdk::grpc::Result<Name> {
            Ok(request.into_inner())
        }

        fn look(_: backplane_sdk::grpc::Request<Name>) -> backplane_sdk::grpc::Result<Count> {
            Ok(Count::default())
        }
    }

    let request = backplane_sdk::grpc::Request::new(name("a"));
    assert_eq!(Double::visit(request).expect("an answer"), Count { count: 3 });
}
