//! A plugin that answers gRPC: what reaches it, who may call, what its answers come to.

use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::harness::{Grpc, Server, Setup, check_status, check_status_of, probe};

const NAME: &str = "grpc-probe";
const DOMAIN: &str = "plugins/grpc-probe";

/// Starts a server whose configuration says this.
fn start(lines: &str) -> Server {
    Setup::new().plugins(&[NAME]).config(&format!("[folder]\nremoval_grace = \"300ms\"\n{lines}")).start()
}

#[track_caller]
fn count(grpc: &Grpc, key: &str) -> i64 {
    let look = probe::CountRequest { key: key.to_owned(), only_look: true };
    grpc.wait(grpc.probe().count(look)).expect("an answer").into_inner().count
}

#[test]
fn grpc_probe_answers_what_it_was_sent_and_gets_the_metadata_that_it_asks_for() {
    let server = Server::start(&[NAME]);
    let grpc = Grpc::connect_with(&server, None);
    let echo = probe::EchoRequest { payload: vec![0, 255, 7], text: "grüß".to_owned() };
    let mut request = Request::new(echo.clone());
    for (key, value) in [("x-tenant", "acme"), ("x-tenant", "second"), ("x-other", "hidden")] {
        request.metadata_mut().append(key, value.parse().expect("ASCII"));
    }
    let answer = grpc.wait(grpc.probe().echo(request)).expect("an answer").into_inner();
    assert_eq!((answer.payload, answer.text), (echo.payload, echo.text));
    let metadata: Vec<_> = answer.metadata.iter().map(|line| (line.key.as_str(), line.value.as_str())).collect();
    assert_eq!(metadata, [("x-tenant", "acme"), ("x-tenant", "second")]);
    // Nothing at all is a message, too.
    let answer = grpc.wait(grpc.probe().echo(probe::EchoRequest::default())).expect("an answer").into_inner();
    assert_eq!(answer, probe::EchoResponse::default());
}

#[test]
fn a_method_asks_for_what_its_plugin_asks_for() {
    let server = Server::start(&[NAME]);
    let secret = |grpc: &Grpc| grpc.wait(grpc.probe().secret(probe::SecretRequest {}));
    let who = |grpc: &Grpc| grpc.wait(grpc.probe().who(probe::WhoRequest {}));
    let stranger = Grpc::connect_with(&server, None);
    check_status(secret(&stranger), Code::Unauthenticated, "unauthenticated");
    assert_eq!(who(&stranger).expect("anybody may").into_inner().subject, "");
    let liar = Grpc::connect_with(&server, Some("bp_none"));
    check_status(secret(&liar), Code::Unauthenticated, "invalid_token");
    check_status(who(&liar), Code::Unauthenticated, "invalid_token");
    let clerk = server.sign_up("clerk", "clerk", "");
    let clerk = Grpc::connect_with(&server, Some(&clerk.access));
    check_status(secret(&clerk), Code::PermissionDenied, "forbidden");
    let known = who(&clerk).expect("an answer").into_inner();
    assert!(!known.subject.is_empty() && known.roles == ["clerk"], "{known:?}");
    assert!(secret(&Grpc::connect(&server)).is_ok());
}

#[test]
fn an_operator_asks_for_more_at_a_method() {
    let server = start("[plugin.grpc-probe.access]\n\"/probe.v1.Probe/Echo\" = { roles = [\"clerk\"] }\n");
    let stranger = Grpc::connect_with(&server, None);
    let echo = |grpc: &Grpc| grpc.wait(grpc.probe().echo(probe::EchoRequest::default()));
    check_status(echo(&stranger), Code::Unauthenticated, "unauthenticated");
    assert!(stranger.wait(stranger.probe().who(probe::WhoRequest {})).is_ok());
    let clerk = server.sign_up("clerk", "clerk", "");
    assert!(echo(&Grpc::connect_with(&server, Some(&clerk.access))).is_ok());
    check_status(echo(&Grpc::connect(&server)), Code::PermissionDenied, "forbidden");
    let methods = &server.get("/api/plugins/grpc-probe").json()["grpc"][0]["methods"];
    assert_eq!((&methods[0]["name"], &methods[0]["access"]["roles"][0]), (&"Echo".into(), &"clerk".into()));
}

#[test]
fn a_line_that_would_open_a_method_refuses_the_plugin() {
    let server = start("[plugin.grpc-probe.access]\n\"/probe.v1.Probe/Secret\" = \"public\"\n");
    let reason = server.wait_for_refusal("grpc-probe.wasm");
    assert!(reason.contains("/probe.v1.Probe/Secret asks for a signed-in caller"), "{reason}");
    let grpc = Grpc::connect(&server);
    let echo = grpc.wait(grpc.probe().echo(probe::EchoRequest::default()));
    check_status(echo, Code::Unimplemented, "unknown_method");
}

#[test]
fn callers_of_a_method_are_held_off() {
    let lines = "[plugin.grpc-probe.rate_limit.routes]\n\"/probe.v1.Probe/Echo\" = { per_address = \"1/h burst 2\" }\n";
    let server = start(lines);
    let grpc = Grpc::connect_with(&server, None);
    let echo = || grpc.wait(grpc.probe().echo(probe::EchoRequest::default()));
    assert!(echo().is_ok() && echo().is_ok());
    let status = echo().expect_err("too often");
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay).expect("when to come again");
    assert!(delay.as_secs() > 0, "{delay:?}");
    check_status(echo(), Code::ResourceExhausted, "too_many_requests");
    assert!(grpc.wait(grpc.probe().who(probe::WhoRequest {})).is_ok());
    // A bucket is shared by all ways to the method.
    let json = server.strangers_request("POST", "/grpc-probe/probe.v1.Probe/Echo");
    server.receive(json.header("content-type", "application/json").body("{}")).check_problem(429, "too_many_requests");
}

#[test]
fn what_a_call_wrote_is_there_and_what_a_failed_one_wrote_is_not() {
    let server = Server::start(&[NAME]);
    let grpc = Grpc::connect_with(&server, None);
    let bump = || {
        let request = probe::CountRequest { key: "a".to_owned(), only_look: false };
        grpc.wait(grpc.probe().count(request)).expect("an answer").into_inner().count
    };
    assert_eq!((bump(), bump(), count(&grpc, "a")), (1, 2, 2));
    let fail = probe::FailRequest {
        code: 9,
        reason: "sold_out".to_owned(),
        message: "none are left".to_owned(),
        key: "a".to_owned(),
    };
    let message = check_status_of(grpc.wait(grpc.probe().fail(fail)), Code::FailedPrecondition, DOMAIN, "sold_out");
    assert_eq!(message, "none are left");
    let trap = probe::TrapRequest { key: "a".to_owned() };
    check_status(grpc.wait(grpc.probe().trap(trap)), Code::Internal, "plugin_failed");
    assert_eq!(count(&grpc, "a"), 2);
}

#[test]
fn calls_at_once_lose_nothing() {
    let server = Server::start(&[NAME]);
    let grpc = Grpc::connect_with(&server, None);
    let bump = || {
        let mut client = grpc.probe();
        let request = probe::CountRequest { key: "hot".to_owned(), only_look: false };
        grpc.spawn(async move { client.count(request).await })
    };
    let calls: Vec<_> = (0..40).map(|_| bump()).collect();
    let mut counts: Vec<_> = calls
        .into_iter()
        .map(|call| grpc.wait(call).expect("it ends").expect("an answer").into_inner().count)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<_>>());
}

#[test]
fn every_status_of_a_plugin_reaches_the_caller_and_none_is_a_success() {
    let server = Server::start(&[NAME]);
    let grpc = Grpc::connect_with(&server, None);
    let fail = |code: u32, reason: &str, message: &str| {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        grpc.wait(grpc.probe().fail(probe::FailRequest { code, reason, message, key: "k".to_owned() }))
    };
    for code in 1..=16 {
        let expected = Code::from_i32(i32::try_from(code).expect("a small number"));
        check_status_of(fail(code, "own_code", "why"), expected, DOMAIN, "own_code");
    }
    for code in [0, 17, u32::MAX] {
        check_status_of(fail(code, "own_code", "why"), Code::Unknown, DOMAIN, "own_code");
    }
    check_status_of(fail(5, "Not A Code", "why"), Code::NotFound, DOMAIN, "plugin_error");
    let message = check_status_of(fail(5, "own_code", "línea\r\n\0x: y"), Code::NotFound, DOMAIN, "own_code");
    assert_eq!(message, "línea\r\n\0x: y");
    let message = check_status_of(fail(5, "own_code", &"é".repeat(2000)), Code::NotFound, DOMAIN, "own_code");
    assert_eq!(message, "é".repeat(512));
}

#[test]
fn a_trap_says_nothing_of_the_guest_and_its_neighbours_go_on() {
    let server = start("[log]\nformat = \"json\"\naccess = \"failed\"\n");
    let grpc = Grpc::connect_with(&server, None);
    let mut request = Request::new(probe::TrapRequest { key: "k".to_owned() });
    request.metadata_mut().insert("x-request-id", "trap-1".parse().expect("ASCII"));
    let message = check_status(grpc.wait(grpc.probe().trap(request)), Code::Internal, "plugin_failed");
    assert_eq!(message, "the plugin failed; the server's log has the reason under this request id");
    let lines = || server.log().into_iter().filter(|line| line.contains("trap-1")).collect::<Vec<_>>();
    server.wait_for_log("\"grpc_status\":13");
    assert!(lines().iter().any(|line| line.contains("plugin grpc-probe") && line.contains("handler")), "{:?}", lines());
    assert!(grpc.wait(grpc.probe().echo(probe::EchoRequest::default())).is_ok());
    server.check_health();
}

#[test]
fn a_call_has_a_request_id_and_a_line_in_the_log() {
    let server = start("[log]\naccess = \"all\"\nformat = \"json\"\n");
    let clerk = server.sign_up("clerk", "clerk", "");
    let grpc = Grpc::connect_with(&server, Some(&clerk.access));
    let mut request = Request::new(probe::EchoRequest::default());
    request.metadata_mut().insert("x-request-id", "mine-1".parse().expect("ASCII"));
    let answer = grpc.wait(grpc.probe().echo(request)).expect("an answer");
    assert_eq!(answer.metadata().get("x-request-id").map(|id| id.as_bytes()), Some(b"mine-1".as_slice()));
    let line = server.wait_for_log("mine-1");
    assert!(line.contains("\"grpc_status\":0") && line.contains("/probe.v1.Probe/Echo"), "{line}");
    assert!(line.contains("\"subject\""), "{line}");
}

#[test]
fn an_operator_sees_the_services() {
    let server = Server::start(&[NAME, "echo"]);
    let services = server.get("/api/plugins/grpc-probe").json()["grpc"].clone();
    assert_eq!(services[0]["service"], "probe.v1.Probe");
    let methods = services[0]["methods"].as_array().expect("a list");
    let secret = methods.iter().find(|method| method["name"] == "Secret").expect("it is listed");
    assert_eq!(secret["access"]["roles"][0], "admin");
    assert_eq!(secret["json"], "/grpc-probe/probe.v1.Probe/Secret");
    assert_eq!(server.get("/api/plugins/echo").json()["grpc"], serde_json::json!([]));
    let grpc = Grpc::connect(&server);
    let request = crate::harness::pb::GetPluginRequest { name: NAME.to_owned() };
    let plugin = grpc.wait(grpc.plugins().get(request)).expect("an answer").into_inner().plugin.expect("a plugin");
    assert_eq!(plugin.services, ["probe.v1.Probe"]);
}
