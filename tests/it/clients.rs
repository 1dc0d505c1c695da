//! Clients that are slow, rude, or gone.

use std::{thread, time::Duration};

use crate::harness::{Connection, Server, Setup, Stopwatch, check_neighbour, wait_until};

#[track_caller]
fn start(config: &str) -> Server {
    Setup::new().plugins(&["hello", "echo", "slow-handler"]).config(config).start()
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let server = start("[http]\nfirst_byte_timeout = \"300ms\"\n");
    let watch = Stopwatch::start();
    let received = Connection::open(&server).read_to_end();
    assert!(watch.elapsed() >= Duration::from_millis(250), "{:?}", watch.elapsed());
    assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 408"), "{received:?}");
    check_neighbour(&server);
}

#[test]
fn a_client_that_sends_its_headers_slowly_is_let_go() {
    let server = start("[http]\nheader_timeout = \"500ms\"\n");
    let mut connection = Connection::open(&server);
    connection.send("GET /hello/Ada HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    let received = connection.read_to_end();
    assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 4"), "{received:?}");
    // On a connection of its own: one that was kept open was idle for too long as well.
    Connection::get(&server, "/hello/Ada").check_text(r#"{"hello":"Ada"}"#);
}

#[test]
fn a_client_that_sends_its_body_slowly_is_answered_408_and_holds_no_place() {
    let server = start("[http]\nbody_timeout = \"500ms\"\n");
    let head = format!("POST /echo/all/x HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000\r\n\r\n", server.address());
    let mut slow: Vec<_> = (0..80).map(|_| Connection::open(&server)).collect();
    for connection in &mut slow {
        connection.send(&head);
        connection.send("a few bytes");
    }
    // More than the plugin's places: a body that is not there yet takes none.
    let answer = Connection::exchange(&server, head.replace("1000", "1") + "x");
    assert_eq!(answer.status, 200, "{}", answer.text());
    for connection in &mut slow {
        connection.read_answer().check_problem(408, "request_timeout");
    }
    check_neighbour(&server);
}

#[test]
fn a_client_that_announces_too_much_is_refused_before_it_sends_it() {
    let server = start("");
    let head = format!("POST /echo/small HTTP/1.1\r\nhost: {}\r\ncontent-length: 99999999\r\n\r\n", server.address());
    Connection::exchange(&server, head).check_problem(413, "payload_too_large");
    check_neighbour(&server);
}

#[test]
fn a_client_with_too_many_or_too_long_headers_is_refused() {
    let server = start("");
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(100 << 10));
    for lines in [many, long] {
        let mut connection = Connection::open(&server);
        connection.send(format!("GET /hello/Ada HTTP/1.1\r\nhost: {}\r\n{lines}\r\n", server.address()));
        let answer = connection.try_read_answer();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 431), "{answer:?}");
    }
    check_neighbour(&server);
}

#[test]
fn a_client_that_breaks_off_its_body_changes_nothing() {
    let server = start("");
    let head = format!("POST /slow-handler/1 HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\n", server.address());
    let mut connection = Connection::open(&server);
    connection.send(head + "half");
    drop(connection);
    check_neighbour(&server);
    // What came after it was answered, and the call never began.
    let answer = server.send("POST", "/slow-handler/2");
    answer.check_text("slept 2 ms");
    server.wait_for_log("write of 2 ms finished");
    assert!(!server.log().iter().any(|line| line.contains("write of 1 ms")), "{:?}", server.log());
}

#[test]
fn framing_that_two_readers_could_understand_differently_is_refused() {
    let server = start("");
    for lines in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "x-folded: a\r\n b\r\nx-nul: \0\r\n",
        "x-space : 1\r\n",
    ] {
        let mut connection = Connection::open(&server);
        let host = server.address();
        connection.send(format!("POST /echo/all/x HTTP/1.1\r\nhost: {host}\r\n{lines}\r\nhello"));
        connection.finish();
        let answer = connection.try_read_answer();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{lines:?}: {answer:?}");
    }
    check_neighbour(&server);
}

#[test]
fn a_request_with_no_host_or_with_two_is_refused() {
    let server = start("");
    for hosts in ["", "host: 127.0.0.1\r\nhost: example.com\r\n"] {
        let answer = Connection::exchange(&server, format!("GET /hello/Ada HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(answer.status, 400, "RFC 9112, section 3.2: {hosts:?} {answer:?}");
    }
    check_neighbour(&server);
}

#[test]
fn a_read_stops_when_its_client_goes_away() {
    let server = start("");
    let mut connection = Connection::open(&server);
    connection.send(format!("GET /slow-handler/20000 HTTP/1.1\r\nhost: {}\r\n\r\n", server.address()));
    server.wait_for_log("read of 20000 ms began");
    let watch = Stopwatch::start();
    drop(connection);
    wait_until("the call to stop", || in_flight(&server) == 0);
    assert!(watch.elapsed() < Duration::from_secs(15), "it stopped by itself");
    assert!(!server.log().iter().any(|line| line.contains("read of 20000 ms finished")));
}

#[test]
fn a_write_finishes_when_its_client_goes_away() {
    let server = start("");
    let mut connection = Connection::open(&server);
    let head = format!("POST /slow-handler/1500 HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", server.address());
    connection.send(head);
    server.wait_for_log("write of 1500 ms began");
    drop(connection);
    server.wait_for_log("write of 1500 ms finished");
    wait_until("the call to end", || in_flight(&server) == 0);
}

#[test]
fn slow_handler_gives_its_two_places_to_two_callers_and_sends_the_third_away() {
    let server = start("");
    thread::scope(|scope| {
        let calls = [1000, 1001].map(|millis| {
            let call = scope.spawn({
                let server = &server;
                move || server.get(&format!("/slow-handler/{millis}"))
            });
            server.wait_for_log(&format!("read of {millis} ms began"));
            call
        });
        let answer = server.get("/slow-handler/1");
        answer.check_problem(503, "plugin_busy");
        assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{answer:?}");
        check_neighbour(&server);
        for call in calls {
            assert_eq!(call.join().expect("a thread that answers").status, 200);
        }
    });
    server.get("/slow-handler/1").check_text("slept 1 ms");
}

#[test]
fn slow_handler_is_stopped_at_its_routes_time() {
    let server = start("");
    let watch = Stopwatch::start();
    server.get("/slow-handler/limited/20000").check_problem(504, "plugin_timeout");
    assert!(watch.elapsed() < Duration::from_secs(10), "{:?}", watch.elapsed());
}

#[test]
fn answers_that_a_client_does_not_take_are_bounded_and_only_its_address_waits() {
    let setup = Setup::new().plugins(&["big-response"]);
    let server = setup.config("[http]\nanswers_per_address_bytes_max = \"1MiB\"\n").start();
    let url = format!("http://{}/big-response/600000", server.address());
    // It lets the server send one byte of each answer.
    let client = reqwest::blocking::Client::builder().http2_prior_knowledge().http2_initial_stream_window_size(1);
    let client = client.no_proxy().build().expect("a client");
    let ask = || client.get(&url).send().expect("an answer");
    let held: Vec<_> = (0..2).map(|_| ask()).collect();
    assert!(held.iter().all(|answer| answer.status() == 200));
    let refused = server.get("/big-response/10");
    refused.check_problem(503, "answers_waiting");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // It is not for want of a place, and nothing ran.
    assert_eq!(server.get("/api/plugins/big-response").json()["calls"], 2);
    server.check_health();
    let elsewhere = server.client_from("127.0.0.2").get(&url).send().and_then(reqwest::blocking::Response::bytes);
    assert_eq!(elsewhere.expect("an answer").len(), 600_000);
    drop(held);
    server.wait_for_status("/big-response/10", 200);
}

fn in_flight(server: &Server) -> u64 {
    server.get("/api/plugins/slow-handler").json()["in_flight"].as_u64().expect("a number")
}
