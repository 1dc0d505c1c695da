//! Calls of a plugin as no honest client sends them, and what the wire allows.

use tonic::codec::CompressionEncoding::Gzip;

use crate::harness::{Answer, Grpc, Server, administrators_token, call_raw, check_status, frame, probe};

const ECHO: &str = "/probe.v1.Probe/Echo";

#[track_caller]
fn check(server: &Server, path: &str, body: &[u8], lines: &[(&str, &str)], status: &str) -> Answer {
    let answer = call_raw(server, path, body, lines);
    let start = &body[..body.len().min(20)];
    assert_eq!(answer.header("grpc-status"), Some(status), "{path} {start:?} {lines:?} {answer:?}");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")));
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    answer
}

#[test]
fn what_no_plugin_has_is_not_implemented() {
    let server = Server::start(&["grpc-probe"]);
    for path in [
        "/probe.v1.Probe/None",
        "/probe.v1.Probe",
        "/probe.v1.Probe/",
        "/probe.v1.Probe/Echo/",
        "/probe.v1.probe/Echo",
        "/probe.v1.Probe/echo",
        "/grpc-probe/probe.v1.Probe/Echo",
        "/probe.v1.Probe%2FEcho",
        "/none.v1.None/Echo",
        "/",
    ] {
        check(&server, path, &frame(b""), &[], "12");
    }
}

#[test]
fn a_message_that_is_none_is_the_callers_fault() {
    let server = Server::start(&["grpc-probe"]);
    let check = |body: &[u8], lines: &[(&str, &str)], status: &str| check(&server, ECHO, body, lines, status);
    // No frame, half of one, one and a half, two, and one that is longer than it says.
    for body in [b"".as_slice(), b"\0\0", b"\0\0\0\0\x09ab", b"\0\0\0\0\0\0", &[frame(b""), frame(b"")].concat()] {
        check(body, &[], "3");
    }
    check(b"\0\xff\xff\xff\xff", &[], "8");
    check(b"\x02\0\0\0\0", &[], "3");
    // Flagged as compressed: not at all, not as it says, and not said how.
    check(b"\x01\0\0\0\x02ab", &[("grpc-encoding", "gzip")], "3");
    check(b"\x01\0\0\0\0", &[("grpc-encoding", "gzip")], "3");
    check(b"\x01\0\0\0\x02ab", &[], "3");
    check(b"\x01\0\0\0\x02ab", &[("grpc-encoding", "identity")], "3");
    let answer = check(&frame(b""), &[("grpc-encoding", "snappy")], "12");
    assert_eq!(answer.header("grpc-accept-encoding"), Some("gzip"));
    for time in ["soon", "", "1", "-1S", "123456789S"] {
        check(&frame(b""), &[("grpc-timeout", time)], "3");
    }
    check(&frame(b""), &[("grpc-timeout", "0m")], "4");
    for token in ["Basic YTpi", "Bearer", "Bearer a b"] {
        check(&frame(b""), &[("authorization", token)], "3");
    }
    let token = format!("Bearer {}", administrators_token());
    check(&frame(b""), &[("authorization", &token), ("authorization", &token)], "3");
    // The guest itself says so of what it cannot read: a field that is too long, text that is not UTF-8, a wire type
    // that there is not.
    for message in [b"\x0a\x05abc".as_slice(), b"\x12\x01\xff", b"\x0f"] {
        check(&frame(message), &[], "3");
    }
    server.check_health();
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_not_longer_compressed_or_not() {
    const LIMIT: usize = 1 << 20;
    let server = Server::start(&["grpc-probe"]);
    let grpc = Grpc::connect_with(&server, None);
    // A field of that length has a head of four bytes.
    let echo = |length: usize, gzip: bool| {
        let client = grpc.probe();
        let mut client = if gzip { client.send_compressed(Gzip).accept_compressed(Gzip) } else { client };
        let request = probe::EchoRequest { payload: vec![7; length - 4], text: String::new() };
        grpc.wait(client.echo(request)).map(|answer| answer.into_inner().payload.len())
    };
    for gzip in [false, true] {
        assert_eq!(echo(LIMIT, gzip).expect("an answer"), LIMIT - 4);
        let message = check_status(echo(LIMIT + 1, gzip), tonic::Code::ResourceExhausted, "payload_too_large");
        assert!(message.contains("1048576"), "{message}");
    }
    // One that is refused long before it is sent, too.
    check_status(echo(16 << 20, false), tonic::Code::ResourceExhausted, "payload_too_large");
    // A megabyte of zeros is a kilobyte; forty of them are no way around the limit.
    check_status(echo(40 << 20, true), tonic::Code::ResourceExhausted, "payload_too_large");
    server.check_health();
}

#[test]
fn takes_and_gives_gzip_where_it_is_worth_it() {
    let server = Server::start(&["grpc-probe"]);
    let grpc = Grpc::connect_with(&server, None);
    let encoding_of = |text: &str| {
        let mut client = grpc.probe().send_compressed(Gzip).accept_compressed(Gzip);
        let request = probe::EchoRequest { payload: Vec::new(), text: text.to_owned() };
        let answer = grpc.wait(client.echo(request)).expect("an answer");
        let encoding = answer.metadata().get("grpc-encoding").map(|encoding| encoding.as_bytes().to_vec());
        assert_eq!(answer.into_inner().text, text);
        encoding
    };
    assert_eq!(encoding_of("short"), None);
    assert_eq!(encoding_of(&"long ".repeat(1000)).as_deref(), Some(b"gzip".as_slice()));
    assert_eq!(encoding_of(&"longer ".repeat(100_000)).as_deref(), Some(b"gzip".as_slice()));
    // Who does not say that it takes it gets none.
    let request = probe::EchoRequest { payload: Vec::new(), text: "long ".repeat(1000) };
    let answer = grpc.wait(grpc.probe().echo(request)).expect("an answer");
    assert!(answer.metadata().get("grpc-encoding").is_none());
}
