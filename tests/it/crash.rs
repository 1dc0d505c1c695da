//! Killed at any moment, the server has every write that it answered, and no half of any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::harness::{Connection, Database, Random, Server, Setup, repeats, wait_until};

/// Clients that write while the server is killed.
const CLIENTS: usize = 6;

/// Accounts between which they move money.
const ACCOUNTS: usize = 5;

/// Most answers that a server gives before it is killed.
const ANSWERS_MAX: usize = 60;

/// How often the server is killed. More by the variable `BACKPLANE_TEST_CRASH_CYCLES`.
const CYCLES: usize = 25;

/// A move of money.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    number: usize,
    from: usize,
    to: usize,
    amount: i64,
}

impl Transfer {
    /// Returns the steps that make it: both sides are read and set, it is written down and counted.
    fn steps(&self, cycle: usize) -> Value {
        let Self { number, from, to, amount } = self;
        json!([
            {"add": [format!("account/{from}"), -amount]},
            {"add": [format!("account/{to}"), amount]},
            {"set": [format!("done/{cycle}/{number:06}"), format!("{from} {to} {amount}")]},
            {"increment": ["transfers", 1]},
            // The log fills up, so that it is sometimes killed while the log goes into the database.
            {"fill": [format!("padding/{}/", number % 8), 1, 300_000]},
        ])
    }

    /// Reads what was written down.
    fn read(key: &str, value: &str) -> Option<Self> {
        let mut parts = value.split(' ');
        let (from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { number: key.rsplit('/').next()?.parse().ok()?, from, to, amount: parts.next()?.parse().ok()? })
    }
}

/// What the clients know of one life of the server.
#[derive(Debug, Default)]
struct Ledger {
    answered: BTreeSet<usize>,
    unanswered: BTreeSet<usize>,
}

/// What must be there.
#[derive(Debug, Default)]
struct State {
    balances: BTreeMap<usize, i64>,
    transfers: usize,
}

#[test]
fn no_answered_write_is_lost_and_no_transfer_is_half_there_however_often_the_server_is_killed() {
    let (mut random, seed) = Random::unseeded();
    let mut setup = Setup::new().plugins(&["script"]);
    let (mut state, mut ledger, mut killed_in_flight) = (State::default(), Ledger::default(), 0);
    for cycle in 0..repeats("BACKPLANE_TEST_CRASH_CYCLES", CYCLES) {
        let server = setup.start();
        check_state(&server, cycle, &ledger, &mut state, seed);
        let answers = random.below(ANSWERS_MAX);
        (setup, ledger) = write_and_kill(server, cycle + 1, answers, &mut random);
        killed_in_flight += ledger.unanswered.len();
        check_copy(&setup.data());
    }
    assert!(killed_in_flight > 0, "no server was killed while it wrote");
    assert!(state.transfers > 0, "nobody wrote");
}

/// Lets clients write until `answers` of them are answered, and kills the server while they go on.
fn write_and_kill(server: Server, cycle: usize, answers: usize, random: &mut Random) -> (Setup, Ledger) {
    let (next, answered, ledger) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Ledger::default()));
    let address = server.address().to_owned();
    let seeds: Vec<_> = (0..CLIENTS).map(|_| random.below(1 << 30)).collect();
    let setup = thread::scope(|scope| {
        for seed in seeds {
            let (next, answered, ledger, address) = (&next, &answered, &ledger, &address);
            scope.spawn(move || {
                let mut random = Random::new(u64::try_from(seed).unwrap_or_default());
                let Some(mut connection) = Connection::try_open(address) else { return };
                loop {
                    let transfer = Transfer {
                        number: next.fetch_add(1, Ordering::Relaxed),
                        from: random.below(ACCOUNTS),
                        to: random.below(ACCOUNTS),
                        amount: 1 + i64::try_from(random.below(100)).unwrap_or_default(),
                    };
                    let answer = connection.script(&transfer.steps(cycle));
                    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(answer) = answer else {
                        ledger.unanswered.insert(transfer.number);
                        return;
                    };
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    ledger.answered.insert(transfer.number);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until("some answers", || answered.load(Ordering::Relaxed) >= answers);
        server.kill()
    });
    (setup, ledger.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Checks what a server found when it started, against what the clients of the one before know.
#[track_caller]
fn check_state(server: &Server, cycle: usize, ledger: &Ledger, state: &mut State, seed: u64) {
    let steps = json!([{"list": format!("done/{cycle}/")}, {"list": "account/"}, {"get": "transfers"}]);
    let seen = server.look(&steps);
    let entries = |seen: &Value| -> Vec<(String, String)> { serde_json::from_value(seen.clone()).expect("entries") };
    let done = entries(&seen[0])
        .iter()
        .map(|(key, value)| Transfer::read(key, value).expect("a transfer"))
        .collect::<Vec<_>>();
    let numbers: BTreeSet<_> = done.iter().map(|transfer| transfer.number).collect();
    let lost: Vec<_> = ledger.answered.difference(&numbers).collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?} (cycle {cycle}, seed {seed})");
    let known: BTreeSet<_> = ledger.answered.union(&ledger.unanswered).copied().collect();
    assert!(numbers.is_subset(&known), "nobody sent {:?}", numbers.difference(&known));
    for transfer in done {
        *state.balances.entry(transfer.from).or_default() -= transfer.amount;
        *state.balances.entry(transfer.to).or_default() += transfer.amount;
        state.transfers += 1;
    }
    let account = |(key, value): &(String, String)| {
        (key["account/".len()..].parse().expect("a number"), value.parse().expect("a balance"))
    };
    let balances: BTreeMap<usize, i64> = entries(&seen[1]).iter().map(account).collect();
    assert_eq!(balances, state.balances, "a transfer is half there (cycle {cycle}, seed {seed})");
    assert_eq!(balances.values().sum::<i64>(), 0);
    let transfers = seen[2].as_str().unwrap_or("0").parse();
    assert_eq!(transfers, Ok(state.transfers), "the count is not that of the transfers (cycle {cycle}, seed {seed})");
}

/// Checks the file, in a copy: looking at the original would recover it before the server does.
#[track_caller]
fn check_copy(data: &Path) {
    let copy = tempfile::tempdir().expect("there is room for temporary files");
    for file in ["backplane.sqlite", "backplane.sqlite-wal"] {
        if let Ok(bytes) = fs::read(data.join(file)) {
            fs::write(copy.path().join(file), bytes).expect("the folder takes files");
        }
    }
    Database::open(copy.path()).check();
}

#[test]
fn a_request_that_is_repeated_until_it_is_answered_has_one_effect() {
    const CYCLES: usize = 6;
    const REQUESTS: usize = 30;
    let (mut random, seed) = Random::unseeded();
    let mut setup = Setup::new().plugins(&["script"]);
    let mut open: Vec<usize> = (0..CYCLES * REQUESTS).collect();
    while !open.is_empty() {
        let server = setup.start();
        let (address, answered) = (server.address().to_owned(), AtomicUsize::new(0));
        let until = (REQUESTS / 2 + random.below(REQUESTS)).min(open.len());
        let (killed, left) = thread::scope(|scope| {
            let clients: Vec<_> = open
                .chunks(open.len().div_ceil(CLIENTS))
                .map(|numbers| scope.spawn(|| send_until_killed(&address, numbers, &answered)))
                .collect();
            wait_until("some answers", || answered.load(Ordering::Relaxed) >= until);
            let killed = server.kill();
            (killed, clients.into_iter().flat_map(|client| client.join().expect("every client ends")).collect())
        });
        (setup, open) = (killed, left);
    }
    let server = setup.start();
    let seen = server.look(&json!([{"get": "sum"}, {"count": "request/"}]));
    assert_eq!(seen, json!([(CYCLES * REQUESTS).to_string(), CYCLES * REQUESTS]), "seed {seed}");
}

/// Sends requests one after the other, and returns those that nobody answered.
fn send_until_killed(address: &str, numbers: &[usize], answered: &AtomicUsize) -> Vec<usize> {
    let Some(mut connection) = Connection::try_open(address) else { return numbers.to_vec() };
    for (done, number) in numbers.iter().enumerate() {
        let steps = json!([{"add": ["sum", 1]}, {"set": [format!("request/{number}"), "1"]}]).to_string();
        let headers = format!("content-type: application/json\r\nidempotency-key: request-{number}\r\n");
        let Some(answer) = connection.call("POST", "/script", &headers, steps.as_bytes()) else {
            return numbers[done..].to_vec();
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Vec::new()
}

#[test]
fn a_server_that_was_killed_while_it_made_its_database_starts_again() {
    for pages in 0..8 {
        let setup = Setup::new().plugins(&["script"]);
        setup.kill_as_soon_as(|data| {
            let files = ["backplane.sqlite", "backplane.sqlite-wal"].map(|file| fs::metadata(data.join(file)));
            files[0].is_ok() && files.into_iter().flatten().map(|file| file.len()).sum::<u64>() >= pages * 4096
        });
        let server = setup.start();
        assert_eq!(server.script(&json!([{"set": ["a", "1"]}])).status, 200);
        server.check_health();
    }
}
