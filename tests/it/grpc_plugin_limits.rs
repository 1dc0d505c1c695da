//! Time and place of calls of a plugin: whose deadline it is, where it passes, and what a caller that goes away leaves.

use std::time::Duration;

use prost::Message as _;
use tonic::Code;

use crate::harness::{Grpc, Server, Setup, Stopwatch, call_raw, check_status, frame, probe, wait_until};

const SPIN: &str = "/probe.v1.Probe/Spin";

/// Starts a server whose plugin may compute for long, with this said about it.
fn start(lines: &str) -> Server {
    let limits = "[limits]\ntimeout_max = \"60s\"\ncpu_max = \"60s\"\nqueue_timeout = \"30s\"\n";
    let config = format!("[folder]\nremoval_grace = \"300ms\"\n{limits}[plugin.grpc-probe]\n{lines}");
    Setup::new().plugins(&["grpc-probe"]).config(&config).start()
}

/// Puts a call that computes for that long into a frame; for ever when 0.
fn spin(ms: u32) -> Vec<u8> {
    frame(&probe::SpinRequest { ms }.encode_to_vec())
}

fn in_flight(server: &Server) -> u64 {
    server.get("/api/plugins/grpc-probe").json()["in_flight"].as_u64().expect("a number")
}

#[test]
fn the_callers_time_ends_a_call_in_the_guest() {
    let server = start("timeout = \"50s\"\ncpu = \"50s\"\n");
    let watch = Stopwatch::start();
    let answer = call_raw(&server, SPIN, &spin(0), &[("grpc-timeout", "300m")]);
    assert_eq!(answer.header("grpc-status"), Some("4"), "{answer:?}");
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    wait_until("the guest to be stopped", || in_flight(&server) == 0);
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    // It was the caller's doing, and is not the plugin's fault.
    assert_eq!(server.get("/api/plugins/grpc-probe").json()["traps"], 0);
    server.check_health();
}

#[test]
fn the_callers_time_ends_a_call_that_waits_for_its_turn() {
    let server = start("timeout = \"50s\"\ncpu = \"50s\"\nconcurrency = 1\n");
    let grpc = Grpc::connect_with(&server, None);
    let mut client = grpc.probe();
    let first = grpc.spawn(async move { client.spin(probe::SpinRequest { ms: 0 }).await });
    wait_until("the first call to run", || in_flight(&server) == 1);
    let watch = Stopwatch::start();
    let answer = call_raw(&server, "/probe.v1.Probe/Echo", &frame(b""), &[("grpc-timeout", "200m")]);
    assert_eq!(answer.header("grpc-status"), Some("4"), "{answer:?}");
    assert!(watch.elapsed() < Duration::from_secs(15), "{:?}", watch.elapsed());
    first.abort();
}

#[test]
fn the_plugins_own_time_and_processor_time_hold_whatever_the_caller_asks_for() {
    let server = start("timeout = \"300ms\"\ncpu = \"50s\"\n");
    let grpc = Grpc::connect_with(&server, None);
    let mut request = tonic::Request::new(probe::SpinRequest { ms: 0 });
    request.set_timeout(Duration::from_secs(50));
    check_status(grpc.wait(grpc.probe().spin(request)), Code::DeadlineExceeded, "plugin_timeout");
    assert_eq!(server.get("/api/plugins/grpc-probe").json()["traps"], 1);
    let server = start("cpu = \"300ms\"\n");
    let grpc = Grpc::connect_with(&server, None);
    let spin = grpc.wait(grpc.probe().spin(probe::SpinRequest { ms: 0 }));
    check_status(spin, Code::DeadlineExceeded, "plugin_timeout");
}

#[test]
fn who_waits_too_long_for_a_place_is_told_to_come_again() {
    let config =
        "[limits]\ncpu_max = \"60s\"\n[plugin.grpc-probe]\ntimeout = \"50s\"\ncpu = \"50s\"\nconcurrency = 1\n";
    let server = Setup::new().plugins(&["grpc-probe"]).config(config).start();
    let grpc = Grpc::connect_with(&server, None);
    let mut client = grpc.probe();
    let first = grpc.spawn(async move { client.spin(probe::SpinRequest { ms: 0 }).await });
    wait_until("the first call to run", || in_flight(&server) == 1);
    let second = grpc.wait(grpc.probe().echo(probe::EchoRequest::default()));
    check_status(second, Code::Unavailable, "plugin_busy");
    first.abort();
}

#[test]
fn a_caller_that_cancels_stops_what_only_looks() {
    let server = start("timeout = \"50s\"\ncpu = \"50s\"\n");
    let grpc = Grpc::connect_with(&server, None);
    for _ in 0..3 {
        let mut client = grpc.probe();
        let call = grpc.spawn(async move { client.spin(probe::SpinRequest { ms: 0 }).await });
        wait_until("the call to run", || in_flight(&server) == 1);
        let watch = Stopwatch::start();
        call.abort();
        wait_until("the call to be stopped", || in_flight(&server) == 0);
        assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    }
    assert!(grpc.wait(grpc.probe().echo(probe::EchoRequest::default())).is_ok());
    server.check_health();
}

#[test]
fn calls_that_are_opened_and_dropped_leave_nothing() {
    let server = Setup::new().plugins(&["grpc-probe"]).start();
    let grpc = Grpc::connect_with(&server, None);
    for _ in 0..20 {
        let mut calls: Vec<_> = (0..50)
            .map(|_| {
                let mut client = grpc.probe();
                grpc.spawn(async move { client.count(probe::CountRequest { key: "k".into(), only_look: false }).await })
            })
            .collect();
        // The others are then at every point of their way.
        let _answered = grpc.wait(&mut calls[0]).expect("it ends");
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }
    wait_until("all calls to end", || in_flight(&server) == 0);
    // Whoever resets that often may lose the connection, and nobody else does.
    let another = Grpc::connect_with(&server, None);
    another.wait(another.probe().echo(probe::EchoRequest::default())).expect("an answer");
    server.check_health();
}
