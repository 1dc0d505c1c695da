//! Paths that two readers could understand differently are refused, not guessed at.

use crate::harness::{Connection, Server, check_neighbour};

#[test]
fn a_path_with_a_dot_segment_is_refused_in_every_spelling() {
    let server = Server::start(&["echo", "hello"]);
    for path in [
        "/echo/../api/plugins",
        "/echo/all/..",
        "/echo/all/../../api/status",
        "/echo/./all/x",
        "/echo/%2e%2e/api/plugins",
        "/echo/all/%2E%2e/x",
        "/echo/all/.%2e",
        "/hello/..%5c..",
    ] {
        Connection::get(&server, path).check_problem(400, "invalid_path");
    }
    check_neighbour(&server);
}

#[test]
fn a_path_with_a_broken_escape_or_a_control_character_is_refused() {
    let server = Server::start(&["echo", "hello"]);
    for path in ["/hello/%", "/hello/%4", "/hello/%zz", "/hello/%ff", "/hello/%00", "/hello/a%0d%0ab", "/hello/%5c"] {
        Connection::get(&server, path).check_problem(400, "invalid_path");
    }
    check_neighbour(&server);
}

#[test]
fn an_encoded_slash_is_part_of_a_segment() {
    let server = Server::start(&["hello"]);
    Connection::get(&server, "/hello/a%2Fb").check_text(r#"{"hello":"a/b"}"#);
    Connection::get(&server, "/hello%2FAda").check_problem(404, "not_found");
}

#[test]
fn a_parameter_is_decoded_once() {
    let server = Server::start(&["hello"]);
    Connection::get(&server, "/hello/%252e%252e").check_text(r#"{"hello":"%2e%2e"}"#);
    Connection::get(&server, "/hello/a+b").check_text(r#"{"hello":"a+b"}"#);
}

#[test]
fn an_encoded_name_of_the_host_is_not_the_host() {
    let server = Server::start(&["hello"]);
    for path in ["/%61pi/plugins", "/api%2Fplugins", "//api/plugins", "/API/plugins", "/healthz%00"] {
        let answer = Connection::get(&server, path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
}

#[test]
fn an_absolute_target_is_answered_like_its_path() {
    let server = Server::start(&["hello"]);
    let target = format!("http://{}/hello/Ada", server.address());
    Connection::get(&server, &target).check_text(r#"{"hello":"Ada"}"#);
}

#[test]
fn a_target_that_is_no_path_is_refused() {
    let server = Server::start(&["hello"]);
    for request in ["OPTIONS * HTTP/1.1", "CONNECT 127.0.0.1:80 HTTP/1.1", "GET hello/Ada HTTP/1.1", "GET  HTTP/1.1"] {
        let mut connection = Connection::open(&server);
        connection.send(format!("{request}\r\nhost: {}\r\n\r\n", server.address()));
        let answer = connection.try_read_answer();
        assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{request}: {answer:?}");
    }
    check_neighbour(&server);
}

#[test]
fn a_very_long_path_is_refused() {
    let server = Server::start(&["hello"]);
    for bytes in [9 << 10, 100 << 10] {
        let answer = Connection::open(&server);
        let mut connection = answer;
        let path = "x".repeat(bytes);
        connection.send(format!("GET /hello/{path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address()));
        let answer = connection.try_read_answer();
        assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{bytes}: {answer:?}");
    }
    check_neighbour(&server);
}
