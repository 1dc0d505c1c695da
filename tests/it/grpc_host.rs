//! gRPC on the port of HTTP: who may call, what fails how, deadlines, health, and what is no gRPC.

use std::{fmt::Debug, time::Duration};

use prost::Message;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::{StreamExt as _, iter, pending, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming, codec::CompressionEncoding, codegen::http::uri::PathAndQuery};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::harness::{
    Connection, Grpc, PATIENCE, Server, Setup, administrators_token, call_raw, check_status, frame, pb, wait_for,
    wait_until,
};

fn list() -> pb::ListPluginsRequest {
    pb::ListPluginsRequest {}
}

#[test]
fn answers_beside_http_on_one_port() {
    let server = Server::start(&["echo"]);
    let grpc = Grpc::connect(&server);
    let plugins = grpc.wait(grpc.plugins().list(list())).expect("an answer").into_inner().plugins;
    let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(names, ["echo"]);
    assert_eq!(plugins[0].state(), pb::PluginState::Live);
    assert_eq!(server.list()[0]["hash"], plugins[0].hash.as_str());
    server.check_health();
}

#[test]
fn only_administrators_may_look_at_plugins() {
    let server = Server::start(&[]);
    let stranger = Grpc::connect_with(&server, None);
    check_status(stranger.wait(stranger.plugins().list(list())), Code::Unauthenticated, "unauthenticated");
    let liar = Grpc::connect_with(&server, Some("bp_none"));
    check_status(liar.wait(liar.plugins().list(list())), Code::Unauthenticated, "invalid_token");
    // A credential that is not believed is refused where none is needed, too.
    check_status(liar.wait(liar.health().check(HealthCheckRequest::default())), Code::Unauthenticated, "invalid_token");
    let clerk = server.sign_up("clerk", "clerk", "");
    let clerk = Grpc::connect_with(&server, Some(&clerk.access));
    check_status(clerk.wait(clerk.plugins().list(list())), Code::PermissionDenied, "forbidden");
}

#[test]
fn a_call_has_a_request_id_and_a_line_in_the_log() {
    let server = Setup::new().config("[log]\naccess = \"all\"\nformat = \"json\"\n").start();
    let grpc = Grpc::connect(&server);
    let mut request = Request::new(list());
    request.metadata_mut().insert("x-request-id", "mine-1".parse().expect("ASCII"));
    let answer = grpc.wait(grpc.plugins().list(request)).expect("an answer");
    assert_eq!(answer.metadata().get("x-request-id").map(|id| id.as_bytes()), Some(b"mine-1".as_slice()));
    let line = server.wait_for_log("mine-1");
    assert!(line.contains("\"grpc_status\":0") && line.contains("/backplane.v1.Plugins/List"), "{line}");
    let mut request = Request::new(pb::GetPluginRequest { name: "none".to_owned() });
    request.metadata_mut().insert("x-request-id", "mine-2".parse().expect("ASCII"));
    check_status(grpc.wait(grpc.plugins().get(request)), Code::NotFound, "unknown_plugin");
    assert!(server.wait_for_log("mine-2").contains("\"grpc_status\":5"));
}

#[test]
fn what_no_service_has_is_not_implemented() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    for path in ["/backplane.v1.Plugins/None", "/none.v1.None/List", "/none"] {
        let answer = call_raw(&server, path, &frame(b""), &[]);
        assert_eq!(answer.header("grpc-status"), Some("12"), "{path} {answer:?}");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")));
    }
    assert!(grpc.wait(grpc.plugins().list(list())).is_ok());
}

#[test]
fn takes_and_gives_gzip() {
    let server = Server::start(&["echo"]);
    let grpc = Grpc::connect(&server);
    let mut client =
        grpc.plugins().send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let answer = grpc.wait(client.list(list())).expect("an answer");
    assert_eq!(answer.metadata().get("grpc-encoding").map(|encoding| encoding.as_bytes()), Some(b"gzip".as_slice()));
    assert_eq!(answer.into_inner().plugins.len(), 1);
    // Every service does: a client may compress whatever it sends.
    let mut client = grpc.health().send_compressed(CompressionEncoding::Gzip);
    assert!(grpc.wait(client.check(HealthCheckRequest::default())).is_ok());
}

#[test]
fn a_message_that_is_none_is_the_callers_fault() {
    let server = Server::start(&[]);
    let token = format!("Bearer {}", administrators_token());
    let token = [("authorization", token.as_str())];
    let get = "/backplane.v1.Plugins/Get";
    let check = |body: &[u8], more: &[(&str, &str)], status: &str| {
        let answer = call_raw(&server, get, body, &[&token, more].concat());
        assert_eq!(answer.header("grpc-status"), Some(status), "{body:?} {answer:?}");
    };
    // A field that is longer than the message, text that is not UTF-8, and a wire type that there is not.
    for message in [b"\x0a\x05abc".as_slice(), b"\x0a\x01\xff", b"\x0f"] {
        check(&frame(message), &[], "3");
    }
    check(b"\x00\x00\x00\x00\x09ab", &[], "3");
    check(b"\x00\xff\xff\xff\xff", &[], "8");
    check(b"\x01\x00\x00\x00\x02ab", &[("grpc-encoding", "gzip")], "3");
    check(b"\x01\x00\x00\x00\x02ab", &[], "3");
    check(b"\x02\x00\x00\x00\x00", &[], "3");
    check(&frame(b""), &[("grpc-encoding", "snappy")], "12");
    check(&frame(b""), &[("grpc-timeout", "soon")], "3");
    check(&frame(b""), &[("grpc-timeout", "0m")], "4");
    check(&frame(b"\x0a\x04none"), &[], "5");
}

#[test]
fn a_stream_ends_when_the_callers_time_is_over() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let mut request = Request::new(pb::WatchPluginsRequest::default());
    request.set_timeout(Duration::from_millis(300));
    let status = grpc.wait(async {
        let mut stream = grpc.plugins().watch(request).await.expect("a stream").into_inner();
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without a status"),
                Err(status) => return status,
            }
        }
    });
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    // The server ends it itself for a client that does not.
    let token = format!("Bearer {}", administrators_token());
    let lines = [("authorization", token.as_str()), ("grpc-timeout", "300m")];
    let answer = call_raw(&server, "/backplane.v1.Plugins/Watch", &frame(b""), &lines);
    assert_eq!(answer.status, 200);
}

/// Calls a method as the administrator, with messages behind which the request does not end.
fn call_without_end<M, R>(grpc: &Grpc, path: &'static str, messages: Vec<M>) -> Result<Response<Streaming<R>>, Status>
where
    M: Message + 'static,
    R: Message + Default + 'static,
{
    let mut request = Request::new(iter(messages).chain(pending()));
    let token = format!("Bearer {}", administrators_token()).parse().expect("a token is ASCII");
    request.metadata_mut().insert("authorization", token);
    let mut client = tonic::client::Grpc::new(grpc.channel());
    grpc.wait(async {
        client.ready().await.expect("a connection");
        let call = client.streaming(request, PathAndQuery::from_static(path), ProstCodec::<M, R>::default());
        timeout(PATIENCE, call).await.expect("an answer in time")
    })
}

/// Waits for the next message of a stream.
#[track_caller]
fn next<T: Debug>(grpc: &Grpc, stream: &mut Streaming<T>) -> Option<T> {
    let message = grpc.wait(async { timeout(PATIENCE, stream.message()).await });
    message.expect("a message in time").expect("the stream goes on")
}

/// Checks that a message which does not come to its end is waited for as long as a body is, and no longer.
#[track_caller]
fn check_is_not_waited_for<M, R>(grpc: &Grpc, path: &'static str)
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    // None of it, and all but the end.
    for messages in [Vec::new(), vec![M::default()]] {
        let answer = call_without_end::<M, R>(grpc, path, messages);
        check_status(answer, Code::DeadlineExceeded, "request_timeout");
    }
}

#[test]
fn a_stream_begins_when_its_message_is_there_in_time_and_then_goes_on() {
    let config = "[folder]\nremoval_grace = \"300ms\"\n[http]\nbody_timeout = \"500ms\"\n";
    let server = Setup::new().plugins(&["echo"]).config(config).start();
    let grpc = Grpc::connect(&server);
    let request = HealthCheckRequest { service: "echo".to_owned() };
    let mut health = grpc.wait(HealthClient::new(grpc.channel()).watch(request)).expect("a stream").into_inner();
    let (ask, questions) = mpsc::channel(1);
    let mut reflection = ServerReflectionClient::new(grpc.channel());
    let answers = grpc.wait(reflection.server_reflection_info(ReceiverStream::new(questions)));
    let mut answers = answers.expect("a stream").into_inner();
    check_is_not_waited_for::<HealthCheckRequest, HealthCheckResponse>(&grpc, "/grpc.health.v1.Health/Watch");
    check_is_not_waited_for::<pb::WatchPluginsRequest, pb::WatchPluginsResponse>(&grpc, "/backplane.v1.Plugins/Watch");
    check_is_not_waited_for::<pb::SubscribeEventsRequest, pb::SubscribeEventsResponse>(
        &grpc,
        "/backplane.v1.Events/Subscribe",
    );
    // By now those that had begun are older than any message may be.
    let serves = |message: Option<HealthCheckResponse>| message.map(|message| message.status());
    assert_eq!(serves(next(&grpc, &mut health)), Some(ServingStatus::Serving));
    server.remove("echo.wasm");
    assert_eq!(serves(next(&grpc, &mut health)), Some(ServingStatus::ServiceUnknown));
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let question = ServerReflectionRequest { host: String::new(), message_request };
    grpc.wait(ask.send(question)).expect("the call goes on");
    assert!(next(&grpc, &mut answers).is_some_and(|answer| answer.message_response.is_some()));
}

#[test]
fn what_is_no_grpc_is_refused_with_a_document() {
    let server = Server::start(&[]);
    let send = |content_type: &str| {
        let request = server.strangers_request("POST", "/backplane.v1.Plugins/List");
        server.receive(request.header("content-type", content_type).body(frame(b"")))
    };
    send("application/grpc-web+proto").check_problem(415, "unsupported_media_type");
    send("application/grpc-web-text").check_problem(415, "unsupported_media_type");
    let answer = Connection::open(&server)
        .call("POST", "/backplane.v1.Plugins/List", "content-type: application/grpc\r\n", &frame(b""))
        .expect("an answer");
    answer.check_problem(505, "http_version_unsupported");
    call_raw(&server, "/backplane.v1.Plugins/List", &frame(b""), &[("content-type", "application/grpc+json")])
        .check_problem(415, "unsupported_media_type");
}

#[test]
fn health_follows_the_server_and_each_plugin() {
    let server = Server::start(&["echo"]);
    let grpc = Grpc::connect_with(&server, None);
    let check = |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        grpc.wait(HealthClient::new(grpc.channel()).check(request)).map(|answer| answer.into_inner().status())
    };
    for service in ["", "backplane.v1.Plugins", "grpc.health.v1.Health", "echo"] {
        assert_eq!(check(service).expect("an answer"), ServingStatus::Serving, "{service}");
    }
    check_status(check("none"), Code::NotFound, "unknown_plugin");
    server.put("broken.wasm", b"broken");
    server.wait_for_refusal("broken.wasm");
    assert_eq!(check("broken").expect("an answer"), ServingStatus::NotServing);
    server.remove("echo.wasm");
    wait_until("the plugin to be gone", || check("echo").is_err());
}

#[test]
fn health_is_watched_until_the_server_stops() {
    let mut server = Server::start(&["echo"]);
    let grpc = Grpc::connect_with(&server, None);
    let watch = |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        grpc.wait(HealthClient::new(grpc.channel()).watch(request)).expect("a stream").into_inner()
    };
    let (mut whole, mut plugin) = (watch(""), watch("echo"));
    let next = |stream: &mut Streaming<HealthCheckResponse>| {
        let message = grpc.wait(async { timeout(PATIENCE, stream.message()).await });
        message.expect("in time").map(|message| message.map(|message| message.status()))
    };
    assert_eq!(next(&mut whole).expect("a message"), Some(ServingStatus::Serving));
    assert_eq!(next(&mut plugin).expect("a message"), Some(ServingStatus::Serving));
    server.remove("echo.wasm");
    assert_eq!(next(&mut plugin).expect("a message"), Some(ServingStatus::ServiceUnknown));
    server.terminate();
    assert_eq!(next(&mut whole).expect("a message"), Some(ServingStatus::NotServing));
    check_status(next(&mut whole), Code::Unavailable, "shutting_down");
    drop((whole, plugin, grpc));
    let status = wait_for("the server to stop", || server.try_wait());
    assert!(status.success(), "{status}");
}
