//! The plugin `ledger`: money is neither made nor lost, and none is spent twice.
//!
//! That its transfers are serializable is shown by random histories, in `serializability`.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Server};

#[track_caller]
fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.request("POST", path).json(body).send().and_then(Answer::receive).expect("an answer")
}

#[track_caller]
fn open(server: &Server, id: &str, balance: i64) {
    assert_eq!(post(server, "/ledger/accounts", &json!({"id": id, "balance": balance})).status, 201);
}

fn transfer(from: &str, to: &str, amount: i64) -> Value {
    json!({"from": from, "to": to, "amount": amount})
}

#[track_caller]
fn balance(server: &Server, id: &str) -> i64 {
    server.get(&format!("/ledger/accounts/{id}")).json()["balance"].as_i64().expect("an account has a balance")
}

#[test]
fn a_transfer_moves_all_of_the_money_or_none() {
    let server = Server::start(&["ledger"]);
    open(&server, "ada", 100);
    open(&server, "bob", i64::MAX);
    let refused = [
        (transfer("ada", "bob", 101), 409, "insufficient_funds"),
        (transfer("ada", "bob", 1), 409, "balance_too_large"),
        (transfer("ada", "eve", 1), 404, "unknown_account"),
        (transfer("ada", "ada", 1), 422, "same_account"),
        (transfer("bob", "ada", -1), 422, "invalid_amount"),
        (json!({"from": "ada", "to": "bob", "amount": 0.5}), 422, "invalid_body"),
    ];
    for (body, status, code) in refused {
        post(&server, "/ledger/transfers", &body).check_problem(status, code);
    }
    assert_eq!((balance(&server, "ada"), balance(&server, "bob")), (100, i64::MAX));
    assert_eq!(post(&server, "/ledger/transfers", &transfer("bob", "ada", 7)).status, 200);
    assert_eq!((balance(&server, "ada"), balance(&server, "bob")), (107, i64::MAX - 7));
    post(&server, "/ledger/accounts", &json!({"id": "ada"})).check_problem(409, "account_exists");
}

#[test]
fn twenty_who_spend_the_same_money_at_once_spend_it_once() {
    const CLIENTS: usize = 20;
    let server = Server::start(&["ledger"]);
    open(&server, "ada", 100);
    for client in 0..CLIENTS {
        open(&server, &format!("client-{client}"), 0);
    }
    let paid = thread::scope(|scope| {
        let spend = |client: usize| {
            let body = transfer("ada", &format!("client-{client}"), 30).to_string();
            let headers = "content-type: application/json\r\n";
            let answer = Connection::open(&server).call("POST", "/ledger/transfers", headers, body.as_bytes());
            let answer = answer.expect("an answer");
            if answer.status != 200 {
                answer.check_problem(409, "insufficient_funds");
            }
            (client, answer.status == 200)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || spend(client))).collect();
        clients.into_iter().map(|client| client.join().expect("every client ends")).collect::<Vec<_>>()
    });
    assert_eq!(paid.iter().filter(|(_, paid)| *paid).count(), 3, "{paid:?}");
    assert_eq!(balance(&server, "ada"), 10);
    for (client, paid) in paid {
        assert_eq!(balance(&server, &format!("client-{client}")), if paid { 30 } else { 0 });
    }
    assert_eq!(server.get("/ledger/total").json(), json!({"accounts": CLIENTS + 1, "total": 100}));
    server.check_health();
}
