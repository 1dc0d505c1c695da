//! Told to stop, the server finishes what it has.

use std::thread;

use crate::harness::{Connection, Server, Setup, Stopwatch, wait_for};

#[test]
fn calls_in_flight_are_answered_and_new_ones_find_nobody() {
    let mut server = Server::start(&["slow-handler", "hello"]);
    let address = server.address().to_owned();
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.get("/slow-handler/1500"));
        server.wait_for_log("read of 1500 ms began");
        server.terminate();
        wait_for("new connections to be refused", || std::net::TcpStream::connect(&address).err());
        slow.join().expect("a thread that answers").check_text("slept 1500 ms");
    });
    let status = wait_for("the server to end", || server.try_wait());
    assert!(status.success(), "{status}");
}

#[test]
fn an_idle_connection_does_not_hold_the_server() {
    let mut server = Server::start(&["hello"]);
    let mut idle = Connection::open(&server);
    idle.send(format!("GET /hello/Ada HTTP/1.1\r\nhost: {}\r\n\r\n", server.address()));
    idle.read_answer().check_text(r#"{"hello":"Ada"}"#);
    let silent = Connection::open(&server);
    let watch = Stopwatch::start();
    server.terminate();
    let status = wait_for("the server to end", || server.try_wait());
    assert!(status.success() && watch.elapsed().as_secs() < 10, "{status} after {:?}", watch.elapsed());
    drop((idle, silent));
}

#[test]
fn a_call_that_takes_longer_than_the_drain_is_cut() {
    let setup = Setup::new().plugins(&["slow-handler"]).config("[http]\ndrain_timeout = \"500ms\"\n");
    let mut server = setup.start();
    let mut connection = Connection::open(&server);
    connection.send(format!("GET /slow-handler/25000 HTTP/1.1\r\nhost: {}\r\n\r\n", server.address()));
    server.wait_for_log("read of 25000 ms began");
    let watch = Stopwatch::start();
    server.terminate();
    wait_for("the server to end", || server.try_wait());
    assert!(watch.elapsed().as_secs() < 15, "{:?}", watch.elapsed());
}

#[test]
fn readiness_ends_before_connections_are_refused() {
    let server = Setup::new().plugins(&["hello"]).config("[http]\ndrain_delay = \"2s\"\n").start();
    server.terminate();
    server.wait_for_status("/readyz", 503);
    server.get("/hello/Ada").check_text(r#"{"hello":"Ada"}"#);
    server.get("/readyz").check_problem(503, "shutting_down");
}
