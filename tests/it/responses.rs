//! What a guest answers reaches the client as valid HTTP or not at all.

use crate::harness::{Connection, Server, check_neighbour};

#[test]
fn huge_headers_are_refused_past_64_lines_and_32_kib() {
    let server = Server::start(&["huge-headers", "hello"]);
    let answer = server.get("/huge-headers/lines/64");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers.iter().filter(|(name, _)| name.starts_with("x-line-")).count(), 64);
    assert_eq!(server.get("/huge-headers/bytes/30000").status, 204);
    for path in ["/lines/65", "/lines/1000", "/bytes/33000", "/bytes/1000000"] {
        server.get(&format!("/huge-headers{path}")).check_problem(500, "plugin_invalid_response");
    }
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn invalid_headers_are_refused() {
    let server = Server::start(&["invalid-headers", "hello"]);
    for path in ["/name", "/no-name", "/split", "/nul"] {
        server.get(&format!("/invalid-headers{path}")).check_problem(500, "plugin_invalid_response");
    }
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn invalid_headers_that_split_a_response_reach_nobody() {
    let server = Server::start(&["invalid-headers"]);
    let mut connection = Connection::open(&server);
    connection.send(format!(
        "GET /invalid-headers/split HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address()
    ));
    let received = String::from_utf8(connection.read_to_end()).expect("text");
    assert!(received.starts_with("HTTP/1.1 500 ") && !received.contains("forged"), "{received}");
}

#[test]
fn invalid_headers_of_the_connection_are_the_hosts_alone() {
    let server = Server::start(&["invalid-headers"]);
    let answer = Connection::get(&server, "/invalid-headers/framing");
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert_eq!(answer.header("content-length"), Some("4"));
    assert_eq!(answer.header("x-name"), Some("value"));
    for name in ["transfer-encoding", "connection", "keep-alive"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
}

#[test]
fn a_status_outside_of_200_to_599_is_refused() {
    let server = Server::start(&["invalid-headers"]);
    for status in [0, 42, 100, 101, 199, 600, 700, 65535] {
        let answer = server.get(&format!("/invalid-headers/status/{status}"));
        answer.check_problem(500, "plugin_invalid_response");
    }
    for status in [200, 299, 404, 418, 503, 599] {
        assert_eq!(server.get(&format!("/invalid-headers/status/{status}")).status, status);
    }
}

#[test]
fn a_status_without_a_body_has_none() {
    let server = Server::start(&["invalid-headers", "hello"]);
    for status in [204, 304] {
        let mut connection = Connection::open(&server);
        let host = server.address();
        connection.send(format!("GET /invalid-headers/status/{status} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        connection.send(format!("GET /hello/Ada HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
        let received = String::from_utf8(connection.read_to_end()).expect("text");
        let (_, rest) = received.split_once("\r\n\r\n").expect("a head");
        assert!(rest.starts_with("HTTP/1.1 200"), "{received}");
    }
}

#[test]
fn big_response_passes_up_to_8_mib_and_is_refused_beyond() {
    let server = Server::start(&["big-response", "hello"]);
    let answer = server.get(&format!("/big-response/{}", 8 << 20));
    assert_eq!((answer.status, answer.body.len()), (200, 8 << 20));
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
    server.get(&format!("/big-response/{}", (8 << 20) + 1)).check_problem(500, "plugin_invalid_response");
    // Far more than a response may be is more than the host takes from a guest at all.
    server.get(&format!("/big-response/{}", 64 << 20)).check_problem(500, "plugin_failed");
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn problems_of_a_guest_reach_the_caller() {
    let server = Server::start(&["problems"]);
    server.get("/problems/404/no_such_order").check_problem(404, "no_such_order");
    server.get("/problems/503/later").check_problem(503, "later");
    let answer = server.get("/problems/409/taken");
    assert_eq!(answer.json()["detail"], "as you wish");
}

#[test]
fn problems_out_of_bounds_are_put_right() {
    let server = Server::start(&["problems"]);
    for status in [0, 200, 302, 399, 600] {
        server.get(&format!("/problems/{status}/odd")).check_problem(500, "odd");
    }
    for code in ["Not-A-Code", "%20", &"a".repeat(65)] {
        server.get(&format!("/problems/400/{code}")).check_problem(400, "plugin_error");
    }
    let answer = server.get("/problems/long");
    answer.check_problem(400, "long");
    let detail = answer.json()["detail"].as_str().expect("text").to_owned();
    assert!((1000..=1024).contains(&detail.len()) && detail.chars().all(|c| c == 'é'), "{}", detail.len());
}

#[test]
fn problems_keep_their_source_for_the_log() {
    let server = Server::start(&["problems"]);
    let answer = server.get("/problems/source");
    answer.check_problem(500, "internal");
    assert!(!answer.text().contains("invalid digit"), "{}", answer.text());
    let line = server.wait_for_log("invalid digit");
    assert!(line.contains(answer.header("x-request-id").expect("an id")), "{line}");
}
