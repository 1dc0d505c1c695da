//! Histories of the plugin `ledger`: transfers between few accounts, and looks at them.
//!
//! Every transfer moves a power of four of its own, so that a balance says which transfers are in it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Connection, Random, Server};

use super::{
    check::check,
    history::{Call, Key, Step},
};

const CLIENTS: usize = 4;

/// Calls of each client. All together are fewer than an account's balance has powers of four.
const CALLS: usize = 6;

const ACCOUNTS: usize = 3;

/// What every account has at the beginning: more than all transfers together.
pub(super) const BALANCE: i64 = 4_i64.pow(26);

/// Runs random calls on new accounts, and checks what their clients saw.
#[track_caller]
pub(super) fn check_transfers(server: &Server, place: usize, seed: u64) {
    open_accounts(server, place);
    let (clock, random) = (&AtomicU64::new(0), &mut Random::new(seed));
    let seeds: Vec<_> = (0..CLIENTS).map(|_| random.below(1 << 60)).collect();
    let history: Vec<_> = thread::scope(|scope| {
        let client = |(client, seed): (usize, usize)| {
            let mut random = Random::new(u64::try_from(seed).unwrap_or_default());
            let mut connection = Connection::open(server);
            let calls = client * CALLS..(client + 1) * CALLS;
            calls.map(|number| call(&mut connection, place, number, &mut random, clock)).collect::<Vec<_>>()
        };
        let clients: Vec<_> = seeds.into_iter().enumerate().map(|seed| scope.spawn(move || client(seed))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("every client ends")).collect()
    });
    if let Err(anomaly) = check(&history) {
        let calls: Vec<_> = history.iter().enumerate().map(|(number, call)| format!("{number}: {call:?}")).collect();
        panic!("seed {seed}: {anomaly:?}\n{}", calls.join("\n"));
    }
}

#[track_caller]
fn open_accounts(server: &Server, place: usize) {
    for account in 0..ACCOUNTS {
        let account = json!({"id": name(place, account), "balance": BALANCE});
        let answer = server.request("POST", "/ledger/accounts").json(&account).send().and_then(Answer::receive);
        assert_eq!(answer.expect("an answer").status, 201);
    }
}

fn name(place: usize, account: Key) -> String {
    format!("{place}-{account}")
}

/// Makes one random call.
#[track_caller]
fn call(connection: &mut Connection, place: usize, number: usize, random: &mut Random, clock: &AtomicU64) -> Call {
    let (from, other) = (random.below(ACCOUNTS), 1 + random.below(ACCOUNTS - 1));
    let to = (from + other) % ACCOUNTS;
    let amount = 4_i64.pow(u32::try_from(number).unwrap_or_default());
    let what = random.below(10);
    let invoked = clock.fetch_add(1, Ordering::SeqCst);
    let steps = match what {
        0 => {
            let account = get(connection, &format!("/ledger/accounts/{}", name(place, from)));
            vec![sum(from, &account)]
        }
        1 | 2 => {
            let page = get(connection, &format!("/ledger/accounts?after={place}-&limit={ACCOUNTS}"));
            (0..ACCOUNTS).map(|account| sum(account, &page["items"][account])).collect()
        }
        _ => {
            let body = json!({"from": name(place, from), "to": name(place, to), "amount": amount}).to_string();
            let headers = "content-type: application/json\r\n";
            let answer = connection.call("POST", "/ledger/transfers", headers, body.as_bytes()).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let (taken, given) = (Step::Add(from, -amount), Step::Add(to, amount));
            vec![taken, given, sum(from, &answer.json()["from"]), sum(to, &answer.json()["to"])]
        }
    };
    let answered = clock.fetch_add(1, Ordering::SeqCst);
    Call { invoked, answered, committed: true, steps }
}

#[track_caller]
fn get(connection: &mut Connection, path: &str) -> Json {
    let answer = connection.call("GET", path, "", b"").expect("an answer");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Returns the step that read an account's balance.
#[track_caller]
fn sum(account: Key, shown: &Json) -> Step {
    let balance = shown["balance"].as_i64().unwrap_or_else(|| panic!("no account: {shown}"));
    Step::Sum(account, balance - BALANCE)
}
