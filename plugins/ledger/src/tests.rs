//! The routes, called as the host calls them.

use backplane_sdk::testing::{self, TestRequest, TestResponse};
use serde_json::{Value, json};

use crate::ledger::Plugin;

fn send(request: TestRequest) -> TestResponse {
    request.send::<Plugin>()
}

fn open(id: &str, balance: i64) {
    let response = send(testing::post("/accounts").json(&json!({ "id": id, "balance": balance })));
    assert_eq!(
        (response.status(), response.header("location")),
        (201, Some(format!("/ledger/accounts/{id}").as_str()))
    );
}

fn transfer(from: &str, to: &str, amount: i64) -> TestRequest {
    testing::post("/transfers").json(&json!({ "from": from, "to": to, "amount": amount }))
}

fn balance(id: &str) -> i64 {
    let account: Value = send(testing::get(&format!("/accounts/{id}"))).json();
    account["balance"].as_i64().expect("an account has a balance")
}

fn total() -> Value {
    send(testing::get("/total")).json()
}

#[track_caller]
fn check_problem(response: &TestResponse, status: u16, code: &str) {
    let problem: Value = response.json();
    assert_eq!((response.status(), &problem["code"]), (status, &json!(code)), "{problem}");
}

#[test]
fn says_where_an_account_is_wherever_the_plugin_is_mounted() {
    for (mount, location) in [("/bank/books", "/bank/books/accounts/ada"), ("", "/accounts/bob")] {
        testing::set_mount(mount);
        let id = location.rsplit('/').next();
        let response = send(testing::post("/accounts").json(&json!({ "id": id })));
        assert_eq!(response.header("location"), Some(location));
    }
}

#[test]
fn opens_an_account_once() {
    open("ada", 100);
    assert_eq!(balance("ada"), 100);
    check_problem(&send(testing::post("/accounts").json(&json!({ "id": "ada" }))), 409, "account_exists");
    check_problem(
        &send(testing::post("/accounts").json(&json!({ "id": "bob", "balance": -1 }))),
        422,
        "invalid_balance",
    );
    check_problem(&send(testing::post("/accounts").json(&json!({ "id": "b/b" }))), 422, "invalid_body");
    for id in ["", ".", ".."] {
        check_problem(&send(testing::post("/accounts").json(&json!({ "id": id }))), 422, "invalid_body");
    }
    let empty = send(testing::post("/accounts").json(&json!({ "id": "bob" })));
    assert_eq!(empty.json::<Value>(), json!({ "id": "bob", "balance": 0 }));
    check_problem(&send(testing::get("/accounts/nobody")), 404, "unknown_account");
    check_problem(&send(testing::get("/accounts/a%20b")), 400, "invalid_path");
}

#[test]
fn lets_one_of_two_open_an_account() {
    let open = |balance: i64| testing::post("/accounts").json(&json!({ "id": "ada", "balance": balance }));
    let slower = open(1).send_overtaken::<Plugin>(|| assert_eq!(send(open(2)).status(), 201));
    check_problem(&slower, 409, "account_exists");
    assert_eq!(balance("ada"), 2);
}

#[test]
fn moves_money() {
    open("ada", 100);
    open("bob", 5);
    let moved = send(transfer("ada", "bob", 30));
    let expected =
        json!({ "from": { "id": "ada", "balance": 70 }, "to": { "id": "bob", "balance": 35 }, "amount": 30 });
    assert_eq!((moved.status(), moved.json::<Value>()), (200, expected));
    assert_eq!((balance("ada"), balance("bob")), (70, 35));
    assert_eq!(send(transfer("ada", "bob", 70)).status(), 200);
    assert_eq!(total(), json!({ "accounts": 2, "total": 105 }));
}

#[test]
fn moves_nothing_when_something_is_wrong() {
    open("ada", 100);
    open("bob", i64::MAX);
    check_problem(&send(transfer("ada", "bob", 101)), 409, "insufficient_funds");
    check_problem(&send(transfer("ada", "bob", 1)), 409, "balance_too_large");
    check_problem(&send(transfer("ada", "nobody", 1)), 404, "unknown_account");
    check_problem(&send(transfer("nobody", "ada", 1)), 404, "unknown_account");
    check_problem(&send(transfer("ada", "ada", 1)), 422, "same_account");
    check_problem(&send(transfer("ada", "bob", 0)), 422, "invalid_amount");
    check_problem(&send(transfer("bob", "ada", i64::MIN)), 422, "invalid_amount");
    let fraction = json!({ "from": "ada", "to": "bob", "amount": 0.5 });
    check_problem(&send(testing::post("/transfers").json(&fraction)), 422, "invalid_body");
    assert_eq!((balance("ada"), balance("bob")), (100, i64::MAX));
    assert_eq!(total(), json!({ "accounts": 2, "total": i128::from(i64::MAX) + 100 }));
}

#[test]
fn never_spends_the_same_money_twice() {
    open("ada", 100);
    open("bob", 0);
    open("eve", 0);
    let slower = transfer("ada", "bob", 80).send_overtaken::<Plugin>(|| {
        assert_eq!(send(transfer("ada", "eve", 80)).status(), 200);
    });
    check_problem(&slower, 409, "insufficient_funds");
    assert_eq!((balance("ada"), balance("bob"), balance("eve")), (20, 0, 80));

    let slower = transfer("eve", "bob", 80).send_overtaken::<Plugin>(|| {
        assert_eq!(send(transfer("bob", "ada", 1)).status(), 409);
        assert_eq!(send(transfer("ada", "eve", 20)).status(), 200);
    });
    assert_eq!(slower.status(), 200);
    assert_eq!((balance("ada"), balance("bob"), balance("eve")), (0, 80, 20));
}

#[test]
fn lists_accounts_by_page() {
    for id in ["c", "a", "e", "b", "d"] {
        open(id, 1);
    }
    let list = |query: &str| send(testing::get(&format!("/accounts?{query}"))).json::<Value>();
    let account = |id: &str| json!({ "id": id, "balance": 1 });
    assert_eq!(list("limit=2"), json!({ "items": [account("a"), account("b")], "next": "b" }));
    assert_eq!(list("limit=2&after=b"), json!({ "items": [account("c"), account("d")], "next": "d" }));
    assert_eq!(list("limit=2&after=d"), json!({ "items": [account("e")], "next": null }));
    check_problem(&send(testing::get("/accounts?limit=0")), 422, "invalid_limit");
    check_problem(&send(testing::get("/accounts?limit=101")), 422, "invalid_limit");
}

#[test]
fn adds_up_more_accounts_than_fit_in_a_page() {
    for number in 0..1234 {
        open(&format!("account-{number}"), number);
    }
    assert_eq!(total(), json!({ "accounts": 1234, "total": 1233 * 1234 / 2 }));
}
