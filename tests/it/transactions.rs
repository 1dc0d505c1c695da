//! One call, one transaction: all of it or nothing, and never on a state that is gone.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Server, Setup, reading, wait_until};

fn start() -> Server {
    Server::start(&["script"])
}

fn start_with(config: &str) -> Server {
    Setup::new().plugins(&["script"]).config(config).start()
}

#[test]
fn script_commits_everything_that_a_call_wrote() {
    let server = start();
    let steps =
        json!([{"set": ["a", "1"]}, {"set": ["b", "2"]}, {"delete": "a"}, {"increment": ["n", 5]}, {"get": "b"}]);
    let seen = server.script(&steps);
    assert_eq!((seen.status, seen.json()), (200, json!([null, null, null, null, "2"])));
    assert_eq!(server.look(&json!([{"get": "a"}, {"get": "b"}, {"get": "n"}])), json!([null, "2", "5"]));
}

/// Checks that a call which writes, and then does `last`, is answered as said and leaves nothing.
#[track_caller]
fn check_discarded(server: &Server, last: &Value, status: u16, code: &str) {
    let kept = json!([{"set": ["kept", "before"]}, {"set": ["number", "7"]}]);
    assert_eq!(server.script(&kept).status, 200);
    let steps = json!([{"set": ["kept", "after"]}, {"increment": ["number", 1]}, {"set": ["new", "1"]}, last]);
    server.script(&steps).check_problem(status, code);
    let seen = server.look(&json!([{"get": "kept"}, {"get": "number"}, {"get": "new"}, {"count": ""}]));
    assert_eq!(seen, json!(["before", "7", null, 2]), "after {last}");
    server.check_health();
}

#[test]
fn an_err_discards_what_was_written() {
    check_discarded(&start(), &json!("refuse"), 409, "conflict");
}

#[test]
fn an_ok_commits_whatever_its_status_and_an_err_never_does() {
    let server = start();
    for status in [409, 500] {
        let key = status.to_string();
        let seen = server.script(&json!([{"set": [key, "1"]}, {"status": status}]));
        assert_eq!((seen.status, seen.json()), (status, json!([null])), "{seen:?}");
        assert_eq!(server.look(&json!([{"get": key}])), json!(["1"]), "{status}");
    }
    server.script(&json!([{"set": ["refused", "1"]}, "refuse"])).check_problem(409, "conflict");
    assert_eq!(server.look(&json!([{"get": "refused"}, {"count": ""}])), json!([null, 2]));
}

#[test]
fn a_trap_discards_what_was_written() {
    check_discarded(&start(), &json!("panic"), 500, "plugin_failed");
}

#[test]
fn a_call_that_computes_too_long_discards_what_it_wrote() {
    check_discarded(&start_with("[plugin.script]\ncpu = \"100ms\"\n"), &json!("spin"), 504, "plugin_timeout");
}

#[test]
fn a_call_that_waits_too_long_discards_what_it_wrote() {
    let server = start_with("[plugin.script]\ntimeout = \"300ms\"\n");
    check_discarded(&server, &json!({"pause": 10_000_000}), 504, "plugin_timeout");
}

#[test]
fn a_response_over_its_limit_commits_nothing() {
    check_discarded(&start(), &json!({"answer": 3 << 20}), 500, "plugin_invalid_response");
}

#[test]
fn a_response_that_is_not_http_commits_nothing() {
    check_discarded(&start(), &json!({"header": ["not a name", "value"]}), 500, "plugin_invalid_response");
}

#[test]
fn a_call_that_writes_too_many_keys_is_told_so_and_writes_none() {
    let server = start();
    check_discarded(&server, &json!({"fill": ["many/", 100_000, 10]}), 422, "transaction_too_large");
    assert_eq!(server.script(&json!([{"fill": ["many/", 10_000, 10]}])).status, 200);
    assert_eq!(server.look(&json!([{"count": "many/"}])), json!([10_000]));
}

#[test]
fn a_call_that_writes_too_many_bytes_is_told_so_and_writes_none() {
    let server = start();
    check_discarded(&server, &json!({"fill": ["big/", 5, 1 << 20]}), 422, "transaction_too_large");
    check_discarded(&server, &json!({"fill": ["big/", 1, (1 << 20) + 1]}), 422, "value_too_large");
    assert_eq!(server.script(&json!([{"fill": ["big/", 3, 1 << 20]}])).status, 200);
    assert_eq!(server.look(&json!([{"count": "big/"}])), json!([3]));
}

#[test]
fn a_get_cannot_write() {
    let server = start();
    server.get(&reading(&json!([{"set": ["a", "1"]}]))).check_problem(500, "internal");
    server.wait_for_log("this route may only read");
    assert_eq!(server.look(&json!([{"get": "a"}])), json!([null]));
}

#[test]
fn a_route_without_a_transaction_has_no_state() {
    let server = start();
    for step in [json!([{"set": ["a", "1"]}]), json!([{"get": "a"}])] {
        let answer = server.request("POST", "/script/none").json(&step).send().and_then(Answer::receive);
        answer.expect("an answer").check_problem(500, "internal");
    }
    assert_eq!(server.look(&json!([{"get": "a"}])), json!([null]));
}

/// Returns how often the log has a line with that text.
fn said(server: &Server, text: &str) -> usize {
    server.log().iter().filter(|line| line.contains(text)).count()
}

/// How long a call waits between reading and writing, so that another one is surely done in between.
const PAUSE_MICROS: u64 = 1_500_000;

/// Sends a call that does `first`, waits, and does `last`; sends `other` while it waits.
#[track_caller]
fn meet(server: &Server, first: &[Value], other: &Value, last: &[Value]) -> (Answer, Answer) {
    let wait = [json!({"log": "the first has read"}), json!({"pause": PAUSE_MICROS})];
    let steps = json!([first, &wait, last].concat());
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.script(&steps));
        server.wait_for_log("the first has read");
        let other = server.script(other);
        (slow.join().expect("a thread that answers"), other)
    })
}

#[test]
fn a_call_that_conflicts_runs_again_and_both_succeed() {
    let server = start();
    let other = json!([{"add": ["k", 1]}]);
    let (first, other) = meet(&server, &[json!({"get": "k"})], &other, &[json!({"add": ["k", 10]})]);
    assert_eq!((first.status, other.status), (200, 200), "{} {}", first.text(), other.text());
    // Only the second run is seen, and it read what the other wrote.
    assert_eq!((&first.json()[0], &first.json()[3]), (&json!("1"), &json!(11)), "{}", first.text());
    assert_eq!(server.look(&json!([{"get": "k"}])), json!(["11"]));
    assert_eq!(said(&server, "the first has read"), 2);
}

#[test]
fn a_key_that_appears_in_a_range_that_was_listed_is_a_conflict() {
    let server = start();
    let other = json!([{"set": ["range/b", "1"]}]);
    let (first, other) = meet(&server, &[json!({"list": "range/"})], &other, &[json!({"set": ["range/a", "2"]})]);
    assert_eq!((first.status, other.status), (200, 200), "{} {}", first.text(), other.text());
    assert_eq!(first.json()[0], json!([["range/b", "1"]]));
    assert_eq!(said(&server, "the first has read"), 2);
}

#[test]
fn what_a_call_did_not_read_is_no_conflict() {
    let server = start();
    let other = json!([{"increment": ["n", 1]}, {"set": ["same", "other"]}, {"set": ["mine-too", "1"]}]);
    let first = [json!({"list": "mine/"}), json!({"increment": ["n", 1]})];
    let (first, other) = meet(&server, &first, &other, &[json!({"set": ["same", "first"]})]);
    assert_eq!((first.status, other.status), (200, 200), "{} {}", first.text(), other.text());
    assert_eq!(server.look(&json!([{"get": "n"}, {"get": "same"}])), json!(["2", "first"]));
    assert_eq!(said(&server, "the first has read"), 1);
}

#[test]
fn a_call_sees_one_moment_however_long_it_takes() {
    let server = start();
    assert_eq!(server.script(&json!([{"set": ["x", "1"]}, {"set": ["y", "1"]}])).status, 200);
    // What is absent is not in memory, so the first read opens a snapshot.
    let steps = json!([{"get": "z"}, {"log": "z is read"}, {"pause": PAUSE_MICROS}, {"get": "y"}, {"list": ""}]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.look(&steps));
        server.wait_for_log("z is read");
        assert_eq!(server.script(&json!([{"set": ["x", "2"]}, {"set": ["y", "2"]}, {"set": ["z", "2"]}])).status, 200);
        let seen = slow.join().expect("a thread that answers");
        assert_eq!(seen, json!([null, null, null, "1", [["x", "1"], ["y", "1"]]]));
    });
    assert_eq!(server.look(&json!([{"get": "x"}, {"get": "y"}])), json!(["2", "2"]));
}

#[test]
fn a_call_that_began_to_read_in_memory_sees_one_moment_too() {
    let server = start();
    assert_eq!(server.script(&json!([{"set": ["x", "1"]}, {"set": ["y", "1"]}])).status, 200);
    let steps = json!([{"get": "x"}, {"log": "x is read"}, {"pause": PAUSE_MICROS}, {"list": ""}, {"get": "x"}]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.look(&steps));
        server.wait_for_log("x is read");
        // Of that moment there is no snapshot any more: the call runs again.
        assert_eq!(server.script(&json!([{"set": ["x", "2"]}, {"set": ["y", "2"]}])).status, 200);
        let seen = slow.join().expect("a thread that answers");
        assert_eq!(seen, json!(["2", null, null, [["x", "2"], ["y", "2"]], "2"]));
    });
    let runs = server.log().iter().filter(|line| line.contains("x is read")).count();
    assert_eq!(runs, 2);
}

#[test]
fn sixty_four_clients_of_one_key_all_get_on_and_lose_no_increment() {
    const CLIENTS: usize = 64;
    const CALLS: usize = 5;
    let server = start();
    let sums: Vec<_> = thread::scope(|scope| {
        let client = || {
            let mut connection = Connection::open(&server);
            let mut call = || {
                let answer = connection.script(&json!([{"add": ["hot", 1]}])).expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.text());
                answer.json()[0].as_u64().expect("a sum")
            };
            (0..CALLS).map(|_| call()).collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("every client ends")).collect()
    });
    // Each call saw another state: none was lost, and none was counted twice.
    let different: BTreeSet<_> = sums.iter().collect();
    assert_eq!(different.len(), CLIENTS * CALLS);
    assert_eq!(server.look(&json!([{"get": "hot"}])), json!([(CLIENTS * CALLS).to_string()]));
    server.check_health();
}

#[test]
fn increments_of_one_key_never_conflict() {
    const CLIENTS: usize = 16;
    let server = start();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let steps =
                    json!([{"increment": ["n", 1]}, {"log": "counts"}, {"pause": 20_000}, {"increment": ["n", 1]}]);
                assert_eq!(server.script(&steps).status, 200);
            });
        }
    });
    assert_eq!(server.look(&json!([{"get": "n"}])), json!([(2 * CLIENTS).to_string()]));
    assert_eq!(said(&server, "counts"), CLIENTS);
}

#[test]
fn an_increment_of_what_is_no_number_fails_and_leaves_it_as_it_was() {
    let server = start();
    assert_eq!(server.script(&json!([{"set": ["word", "seven"]}])).status, 200);
    let steps = json!([{"set": ["new", "1"]}, {"increment": ["word", 1]}]);
    assert_eq!(server.script(&steps).status, 500);
    assert_eq!(server.look(&json!([{"get": "word"}, {"get": "new"}])), json!(["seven", null]));
}

#[test]
fn a_write_whose_client_is_gone_is_committed_all_the_same() {
    let server = start();
    let mut connection = Connection::open(&server);
    let steps = json!([{"log": "begun"}, {"pause": 300_000}, {"set": ["a", "1"]}]).to_string();
    let head = "POST /script HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    connection.send(format!("{head}content-length: {}\r\n\r\n{steps}", steps.len()));
    server.wait_for_log("begun");
    drop(connection);
    wait_until("the write to be there", || server.look(&json!([{"get": "a"}])) == json!(["1"]));
}

#[test]
fn nobody_sees_a_write_before_it_is_committed() {
    let server = start();
    let steps = json!([{"set": ["a", "1"]}, {"log": "written"}, {"pause": 500_000}, "refuse"]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.script(&steps));
        server.wait_for_log("written");
        assert_eq!(server.look(&json!([{"get": "a"}, {"count": ""}])), json!([null, 0]));
        slow.join().expect("a thread that answers").check_problem(409, "conflict");
    });
}
