//! What of a request reaches a guest, and which requests reach none.

use serde_json::json;

use crate::harness::{Answer, Connection, Server, administrators_token};

#[test]
fn echo_sees_the_request_as_the_client_sent_it() {
    let server = Server::start(&["echo"]);
    let answer = Connection::get(&server, "/echo/items/caf%C3%A9%2F1?q=a%20b&q=&r");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["method"], "GET");
    assert_eq!(seen["path"], "/items/caf%C3%A9%2F1");
    assert_eq!(seen["query"], "q=a%20b&q=&r");
    assert_eq!(seen["params"], json!({"id": "café/1"}));
    assert_eq!(seen["request_id"].as_str(), answer.header("x-request-id"));
}

#[test]
fn echo_tells_an_empty_query_from_none() {
    let server = Server::start(&["echo"]);
    assert_eq!(Connection::get(&server, "/echo/all/a").json()["query"], json!(null));
    assert_eq!(Connection::get(&server, "/echo/all/a?").json()["query"], "");
}

#[test]
fn echo_gets_the_headers_that_it_asked_for_and_no_other() {
    let server = Server::start(&["echo"]);
    let request = server.request("POST", "/echo/all/x").body("12345");
    let lines = [("x-second", "2"), ("x-first", "1"), ("x-first", "one"), ("content-type", "text/plain")];
    let credential = format!("Bearer {}", administrators_token());
    let withheld = [("cookie", "a=b"), ("authorization", credential.as_str()), ("x-third", "3")];
    let request = lines.iter().chain(&withheld).fold(request, |request, (name, value)| request.header(*name, *value));
    let seen = request.send().and_then(Answer::receive).expect("an answer").json();
    let mut headers = seen["headers"].as_array().expect("headers").clone();
    headers.sort_by_key(|line| line[0].to_string());
    let expected = [
        json!(["content-type", "text/plain"]),
        json!(["x-first", "1"]),
        json!(["x-first", "one"]),
        json!(["x-second", "2"]),
    ];
    assert_eq!((headers, &seen["body_bytes"]), (expected.to_vec(), &5.into()));
}

#[test]
fn echo_is_called_with_every_method_that_it_takes() {
    let server = Server::start(&["echo"]);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"] {
        let answer = server.send(method, "/echo/all/x");
        assert_eq!((answer.status, &answer.json()["method"]), (200, &method.into()), "{answer:?}");
    }
}

#[test]
fn echo_gets_what_is_left_of_a_path() {
    let server = Server::start(&["echo"]);
    for (path, rest) in [("/all/a/b/c", "a/b/c"), ("/all/", ""), ("/all", ""), ("/all/a//b/", "a//b/")] {
        let answer = Connection::get(&server, &format!("/echo{path}"));
        assert_eq!((answer.status, &answer.json()["params"]["rest"]), (200, &rest.into()), "{path}: {answer:?}");
    }
}

#[test]
fn echo_takes_bodies_up_to_the_routes_bound() {
    let server = Server::start(&["echo"]);
    let send = |path: &str, bytes: usize| {
        let request = server.request("POST", path).body(vec![b'x'; bytes]);
        request.send().and_then(Answer::receive).expect("an answer")
    };
    assert_eq!(send("/echo/small", 16).json()["body_bytes"], 16);
    send("/echo/small", 17).check_problem(413, "payload_too_large");
    assert_eq!(send("/echo/all/x", 1 << 20).json()["body_bytes"], 1 << 20);
    send("/echo/all/x", (1 << 20) + 1).check_problem(413, "payload_too_large");
}

#[test]
fn a_chunked_body_has_the_same_bound() {
    let server = Server::start(&["echo"]);
    let send = |chunks: &str| {
        let host = server.address();
        let head = format!("POST /echo/small HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n");
        Connection::exchange(&server, head + chunks)
    };
    assert_eq!(send("8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n").json()["body_bytes"], 16);
    send("8\r\n12345678\r\n9\r\n123456789\r\n0\r\n\r\n").check_problem(413, "payload_too_large");
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(&["hello"]);
    let (get, head) = (server.get("/hello/Ada"), server.send("HEAD", "/hello/Ada"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    // And the connection stays usable: nothing of a body follows.
    let host = server.address();
    let mut connection = Connection::open(&server);
    connection.send(format!("HEAD /hello/Ada HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    connection.send(format!("GET /hello/Bob HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
    let received = String::from_utf8(connection.read_to_end()).expect("text");
    assert!(received.ends_with("{\"hello\":\"Bob\"}") && !received.contains("Ada"), "{received}");
}

#[test]
fn a_method_that_a_path_does_not_answer_is_405_with_those_that_it_does() {
    let server = Server::start(&["slow-handler", "hello"]);
    let answer = server.send("DELETE", "/hello/Ada");
    answer.check_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    let answer = server.send("PUT", "/slow-handler/1");
    answer.check_problem(405, "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").expect("methods").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    server.send("BREW", "/hello/Ada").check_problem(405, "method_not_allowed");
}

#[test]
fn a_path_that_nothing_answers_is_404() {
    let server = Server::start(&["hello"]);
    for path in ["/", "/nobody", "/hello", "/hello/", "/hello/Ada/", "/hello/Ada/more", "/Hello/Ada", "/helloo/Ada"] {
        server.get(path).check_problem(404, "not_found");
    }
}

#[test]
fn a_request_id_of_the_client_is_kept_when_it_is_harmless() {
    let server = Server::start(&["echo"]);
    let ask = |id: &str| {
        let request = server.request("GET", "/echo/all/x").header("x-request-id", id);
        request.send().and_then(Answer::receive).expect("an answer")
    };
    let long = "x".repeat(5000);
    for id in ["", "a b", "{\"a\":1}", long.as_str()] {
        let answer = ask(id);
        assert!(answer.header("x-request-id").is_some_and(|given| !given.is_empty() && given != id), "{answer:?}");
    }
    let (one, other) = (server.get("/healthz"), server.get("/healthz"));
    assert!(one.header("x-request-id").is_some());
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[test]
fn http_2_with_prior_knowledge_is_answered_on_the_same_port() {
    let server = Server::start(&["hello", "echo"]);
    let client = reqwest::blocking::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client");
    let url = |path: &str| format!("http://{}{path}", server.address());
    let response = client.get(url("/hello/Ada")).send().expect("an answer");
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    Answer::receive(response).expect("a body").check_text(r#"{"hello":"Ada"}"#);
    let head = client.head(url("/hello/Ada")).send().and_then(Answer::receive).expect("an answer without a body");
    assert_eq!((head.status, head.header("content-length")), (200, Some("15")));
    let sent = client.post(url("/echo/all/x")).body(vec![0; 300_000]).send().and_then(Answer::receive);
    assert_eq!(sent.expect("an answer").json()["body_bytes"], 300_000);
    let missing = client.get(url("/nobody")).send().and_then(Answer::receive).expect("an answer");
    missing.check_problem(404, "not_found");
}

#[test]
fn many_requests_at_once_on_one_http_2_connection_are_all_answered() {
    let server = Server::start(&["hello"]);
    let client = reqwest::blocking::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client");
    std::thread::scope(|scope| {
        for n in 0..50 {
            let (client, server) = (&client, &server);
            scope.spawn(move || {
                let url = format!("http://{}/hello/{n}", server.address());
                let answer = client.get(url).send().and_then(Answer::receive).expect("an answer");
                answer.check_text(&format!("{{\"hello\":\"{n}\"}}"));
            });
        }
    });
}
