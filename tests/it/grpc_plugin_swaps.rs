//! Services of plugins that come, go and are replaced: who answers, and what reflection and health say meanwhile.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::harness::{
    Grpc, Server, StopOnDrop, check_status, component, probe, rebuilt, sha256, wait_until, with_text,
};

const SERVICE: &str = "probe.v1.Probe";
const FILE: &str = "grpc-probe.wasm";

#[track_caller]
fn echo(grpc: &Grpc) -> Result<(), tonic::Status> {
    let request = probe::EchoRequest { payload: vec![1; 2000], text: String::new() };
    grpc.wait(grpc.probe().echo(request)).map(|answer| assert_eq!(answer.into_inner().payload.len(), 2000))
}

#[track_caller]
fn ask(grpc: &Grpc, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = tokio_stream::iter([request]);
    let mut client = ServerReflectionClient::new(grpc.channel());
    grpc.wait(async {
        let mut stream = client.server_reflection_info(questions).await.expect("a stream").into_inner();
        let answer = stream.message().await.expect("no error").expect("an answer");
        answer.message_response.expect("an answer says something")
    })
}

#[track_caller]
fn listed(grpc: &Grpc) -> bool {
    let answer = ask(grpc, MessageRequest::ListServices(String::new()));
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    list.service.iter().any(|service| service.name == SERVICE)
}

fn health(grpc: &Grpc, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    grpc.wait(grpc.health().check(request)).map(|answer| answer.into_inner().status())
}

#[test]
fn a_service_comes_and_goes_with_its_plugin() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect_with(&server, None);
    check_status(echo(&grpc), Code::Unimplemented, "unknown_method");
    assert!(!listed(&grpc));
    check_status(health(&grpc, SERVICE), Code::NotFound, "unknown_plugin");
    server.put(FILE, &component("grpc-probe"));
    wait_until("the service to answer", || echo(&grpc).is_ok());
    assert!(listed(&grpc));
    for name in [SERVICE, "grpc-probe"] {
        assert_eq!(health(&grpc, name).expect("an answer"), ServingStatus::Serving);
    }
    for symbol in [SERVICE, "probe.v1.Probe.Echo", "probe.v1.EchoRequest"] {
        let answer = ask(&grpc, MessageRequest::FileContainingSymbol(symbol.to_owned()));
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{symbol}: {answer:?}") };
        assert!(!files.file_descriptor_proto.is_empty(), "{symbol}");
    }
    server.remove(FILE);
    wait_until("the service to be gone", || echo(&grpc).is_err());
    check_status(echo(&grpc), Code::Unimplemented, "unknown_method");
    assert!(!listed(&grpc));
    check_status(health(&grpc, SERVICE), Code::NotFound, "unknown_plugin");
    let answer = ask(&grpc, MessageRequest::FileContainingSymbol(SERVICE.to_owned()));
    assert!(matches!(answer, MessageResponse::ErrorResponse(_)), "{answer:?}");
}

#[test]
fn replacing_a_plugin_under_load_fails_no_call() {
    let server = Server::start(&["grpc-probe"]);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let grpc = Grpc::connect_with(&server, None);
                while !over.load(Ordering::Relaxed) {
                    echo(&grpc).expect("every call is answered");
                    assert!(listed(&grpc), "reflection knows the service at every moment");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let done = StopOnDrop(&over);
        for number in 1..=6 {
            let bytes = rebuilt("grpc-probe", number);
            server.put(FILE, &bytes);
            let hash = sha256(&bytes);
            wait_until("the next version to be live", || {
                server.get("/api/plugins/grpc-probe").json()["hash"] == hash.as_str()
            });
        }
        drop(done);
    });
    assert!(answered.load(Ordering::Relaxed) > 50, "{answered:?} calls are no load");
}

#[test]
fn two_plugins_cannot_serve_one_service() {
    let server = Server::start(&["grpc-probe"]);
    let grpc = Grpc::connect_with(&server, None);
    server.put("grpc-twin0.wasm", &with_text("grpc-probe", "grpc-probe", "grpc-twin0"));
    let reason = server.wait_for_refusal("grpc-twin0.wasm");
    assert_eq!(
        reason,
        "plugin `grpc-twin0` serves `probe.v1.Probe`, which `grpc-probe` already serves: remove one of the two plugins"
    );
    echo(&grpc).expect("the first one goes on");
    assert_eq!(health(&grpc, "grpc-twin0").expect("it is known"), ServingStatus::NotServing);
    assert_eq!(health(&grpc, SERVICE).expect("it is known"), ServingStatus::Serving);
    // When the first one goes, the other takes over.
    server.remove(FILE);
    wait_until("the other to be live", || {
        server.list().iter().any(|view| view["name"] == "grpc-twin0" && view["state"] == "live")
    });
    echo(&grpc).expect("an answer");
}

#[test]
fn a_version_without_its_descriptors_does_not_replace_one_that_serves() {
    let server = Server::start(&["grpc-probe"]);
    let grpc = Grpc::connect_with(&server, None);
    // The section is there, and says that the service is another one.
    server.put(FILE, &with_text("grpc-probe", "backplane:descriptors", "backplane:nothing-xyz"));
    let reason = server.wait_for_refusal(FILE);
    assert!(reason.contains("descri"), "{reason}");
    echo(&grpc).expect("what was live goes on");
    assert!(listed(&grpc));
}
