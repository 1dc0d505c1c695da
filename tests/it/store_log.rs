//! The log beside the database has a bound, whoever reads, and nobody waits long for that.

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Connection, Database, PATIENCE, Server, Setup, StopOnDrop, Stopwatch, backplane, check_neighbour, reading,
    wait_until,
};

const BOUND: u64 = 16 << 20;

fn start() -> Server {
    let config = "[state]\nlog_bytes_max = \"16MiB\"\n";
    let server = Setup::new().plugins(&["script", "hello"]).config(config).start();
    assert_eq!(server.script(&json!([{"set": ["a", "1"]}])).status, 200);
    server
}

/// Returns how long the log is by the server's word, and on the disk.
#[track_caller]
fn log_bytes(server: &Server) -> (u64, u64) {
    let said = server.get("/api/store").json()["log_bytes"].as_u64().expect("a number of bytes");
    let file = fs::metadata(server.data().join("backplane.sqlite-wal")).expect("there is a log");
    (said, file.len())
}

/// Sends a call and returns how long it took.
#[track_caller]
fn time(call: impl FnOnce() -> Option<Answer>) -> Duration {
    let watch = Stopwatch::start();
    let answer = call().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    watch.elapsed()
}

/// Lets clients write so many bytes. Returns the longest that the log was, and the longest that a write took.
#[track_caller]
fn write(server: &Server, bytes: u64) -> (u64, Duration) {
    const CLIENTS: u64 = 4;
    const AT_ONCE: u64 = 400_000;
    let written: Vec<_> = thread::scope(|scope| {
        let client = |client: u64| {
            let mut connection = Connection::open(server);
            let (mut longest, mut slowest) = (0, Duration::ZERO);
            for number in 0..bytes / CLIENTS / AT_ONCE {
                // Of another length each time: what stays the same is not written.
                let steps = json!([{"fill": [format!("{client}/"), 4, AT_ONCE / 4 + number]}]);
                slowest = slowest.max(time(|| connection.script(&steps)));
                let (said, file) = log_bytes(server);
                longest = longest.max(said).max(file);
            }
            (longest, slowest)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().map(|client| client.join().expect("every client ends")).collect()
    });
    written
        .into_iter()
        .fold((0, Duration::ZERO), |(bytes, time), (longest, slowest)| (bytes.max(longest), time.max(slowest)))
}

#[test]
fn reads_that_overlap_without_end_do_not_make_the_log_grow() {
    let server = start();
    let over = AtomicBool::new(false);
    // What is absent is not in memory: it takes a snapshot.
    let steps = json!([{"get": "absent"}, {"pause": 10_000}, {"get": "a"}]);
    let (longest, slowest) = thread::scope(|scope| {
        let read = || {
            let mut connection = Connection::open(&server);
            let mut slowest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                slowest = slowest.max(time(|| connection.look(&steps)));
            }
            slowest
        };
        let readers: Vec<_> = (0..5).map(|_| scope.spawn(read)).collect();
        let stop = StopOnDrop(&over);
        let (longest, slowest_write) = write(&server, 4 * BOUND);
        drop(stop);
        let slowest = readers.into_iter().map(|reader| reader.join().expect("every client ends")).max();
        (longest, slowest_write.max(slowest.expect("there are readers")))
    });
    assert!(longest < BOUND, "the log had {longest} bytes");
    assert!(slowest < PATIENCE, "somebody waited {slowest:?}");
    server.check_health();
}

#[test]
fn a_call_that_reads_for_long_is_ended_when_the_log_is_at_its_bound_and_nobody_else_notices() {
    let server = start();
    let pause_and_read = [json!({"pause": 250_000}), json!({"get": "a"})];
    let steps: Value = [json!({"get": "absent"}), json!({"log": "has read"})]
        .into_iter()
        .chain(pause_and_read.into_iter().cycle().take(140))
        .collect();
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.get(&reading(&steps)));
        server.wait_for_log("has read");
        let (longest, _) = write(&server, 3 * BOUND);
        // What is written at once comes on top.
        assert!(longest < BOUND + (8 << 20), "the log had {longest} bytes");
        slow.join().expect("a thread that answers").check_problem(503, "state_unavailable");
    });
    server.wait_for_log("the log has reached its bound");
    assert_eq!(server.look(&json!([{"get": "a"}])), json!(["1"]));
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn an_export_that_nobody_reads_on_does_not_hold_the_log() {
    let server = start();
    assert_eq!(server.script(&json!([{"fill": ["much/", 20, 100_000]}])).status, 200);
    let mut command = backplane();
    command.args(["data", "export", "script", "--data"]).arg(server.data());
    let export = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut export = export.expect("the binary starts");
    // It has read everything when it begins to write to the pipe, which holds a small part of it.
    let mut first = [0];
    let mut stdout = export.stdout.take().expect("stdout is a pipe");
    std::io::Read::read_exact(&mut stdout, &mut first).expect("it writes");
    let (longest, _) = write(&server, 2 * BOUND);
    let still_runs = export.try_wait().expect("it is a child of the test").is_none();
    assert!(longest < BOUND && still_runs, "the log had {longest} bytes");
    let rest = std::io::read_to_string(stdout).expect("it is text");
    assert!(export.wait().expect("it is a child of the test").success());
    assert_eq!(rest.lines().count(), 21);
    assert!(rest.lines().all(|line| line.ends_with('}')));
}

#[test]
fn the_log_starts_anew_after_another_program_has_read() {
    let server = start();
    let mut other = Database::open(&server.data());
    other.run("BEGIN; SELECT count(*) FROM kv");
    let (longest, _) = write(&server, 2 * BOUND);
    assert!(longest > BOUND, "the log had {longest} bytes");
    server.wait_for_log("another program reads the database");
    other.run("COMMIT");
    wait_until("the log to start anew", || {
        assert_eq!(server.script(&json!([{"set": ["a", "1"]}])).status, 200);
        log_bytes(&server).0 < BOUND / 8
    });
    server.check_health();
}
