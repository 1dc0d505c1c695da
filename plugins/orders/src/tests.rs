//! The routes and the handler of events, called as the host calls them.

use backplane_sdk::testing::{self, Outcome, TestEvent, TestRequest, TestResponse};
use serde_json::{Value, json};

use crate::orders::Plugin;

fn send(request: TestRequest) -> TestResponse {
    request.send::<Plugin>()
}

fn bread(quantity: u32) -> Value {
    json!({ "customer": "Ada", "lines": [{ "item": "bread", "quantity": quantity, "unit_price": 350 }] })
}

/// Creates an order, and returns its id.
fn create(quantity: u32) -> String {
    let response = send(testing::post("/").json(&bread(quantity)));
    assert_eq!((response.status(), response.header("etag")), (201, Some("\"1\"")));
    let location = response.header("location").expect("a created order is somewhere");
    location.strip_prefix("/orders/").expect("an order is below the plugin's mount").to_owned()
}

#[track_caller]
fn check_problem(response: &TestResponse, status: u16, code: &str) {
    let problem: Value = response.json();
    assert_eq!((response.status(), &problem["code"]), (status, &json!(code)), "{problem}");
}

/// Lists a page, and returns the ids and what follows.
fn list(query: &str) -> (Vec<String>, Option<String>) {
    let response = send(testing::get(&format!("/?{query}")));
    assert_eq!(response.status(), 200);
    let page: Value = response.json();
    let id = |order: &Value| order["id"].as_str().expect("an order has an id").to_owned();
    let ids = page["items"].as_array().expect("a page has items").iter().map(id).collect();
    (ids, page["next"].as_str().map(str::to_owned))
}

#[test]
fn creates_an_order_and_shows_it() {
    let id = create(2);
    let response = send(testing::get(&format!("/{id}")));
    let expected = json!({
        "id": id, "version": 1, "status": "open", "customer": "Ada",
        "lines": [{ "item": "bread", "quantity": 2, "unit_price": 350 }], "total": 700,
    });
    assert_eq!((response.status(), response.json::<Value>()), (200, expected));
    assert_eq!(response.header("etag"), Some("\"1\""));
    check_problem(&send(testing::get("/nothing")), 404, "not_found");
}

#[test]
fn refuses_an_order_that_makes_no_sense() {
    let line = |item: &str, quantity: u32, unit_price: i64| json!({ "item": item, "quantity": quantity, "unit_price": unit_price });
    let refused = |customer: &str, lines: Vec<Value>, code| {
        let order = json!({ "customer": customer, "lines": lines });
        check_problem(&send(testing::post("/").json(&order)), 422, code);
    };
    refused(" ", vec![line("bread", 1, 1)], "invalid_customer");
    refused(&"a".repeat(201), vec![line("bread", 1, 1)], "invalid_customer");
    refused("Ada", vec![], "invalid_lines");
    refused("Ada", vec![line("bread", 1, 1); 101], "invalid_lines");
    refused("Ada", vec![line("", 1, 1)], "invalid_line");
    refused("Ada", vec![line("bread", 0, 1)], "invalid_line");
    refused("Ada", vec![line("bread", 1, -1)], "invalid_line");
    refused("Ada", vec![line("bread", 2, i64::MAX)], "total_too_large");
    refused("Ada", vec![line("bread", 1, i64::MAX), line("rolls", 1, 1)], "total_too_large");
    refused("Ada", vec![json!({ "item": "bread" })], "invalid_body");
    let extra = json!({ "customer": "Ada", "lines": [line("bread", 1, 1)], "status": "shipped" });
    check_problem(&send(testing::post("/").json(&extra)), 422, "invalid_body");
    assert_eq!(list(""), (vec![], None));
}

#[test]
fn lists_orders_by_page_and_status() {
    let mut ids: Vec<String> = (1..=5).map(create).collect();
    // Ids of the same millisecond are in no order.
    ids.sort();
    let (first, next) = list("limit=2");
    assert_eq!((&first[..], next.as_ref()), (&ids[..2], Some(&ids[1])));
    let (second, next) = list(&format!("limit=2&after={}", ids[1]));
    assert_eq!((&second[..], next.as_ref()), (&ids[2..4], Some(&ids[3])));
    assert_eq!(list(&format!("limit=2&after={}", ids[3])), (vec![ids[4].clone()], None));

    for id in [&ids[0], &ids[2], &ids[4]] {
        assert_eq!(send(testing::post(&format!("/{id}/cancel"))).status(), 200);
    }
    let (cancelled, next) = list("status=cancelled&limit=2");
    assert_eq!((cancelled, next.as_ref()), (vec![ids[0].clone(), ids[2].clone()], Some(&ids[2])));
    assert_eq!(list(&format!("status=cancelled&limit=2&after={}", ids[2])), (vec![ids[4].clone()], None));
    assert_eq!(list("status=open"), (vec![ids[1].clone(), ids[3].clone()], None));
    assert_eq!(list("status=shipped"), (vec![], None));

    check_problem(&send(testing::get("/?limit=0")), 422, "invalid_limit");
    check_problem(&send(testing::get("/?limit=101")), 422, "invalid_limit");
    check_problem(&send(testing::get("/?status=lost")), 400, "invalid_query");
}

#[test]
fn changes_the_version_that_the_client_has_seen() {
    let path = format!("/{}", create(1));
    let put = |tag: Option<&str>, order: &Value| {
        let request = testing::put(&path).json(order);
        send(tag.into_iter().fold(request, |request, tag| request.header("if-match", tag)))
    };
    check_problem(&put(None, &bread(3)), 428, "precondition_required");
    check_problem(&put(Some("\"2\""), &bread(3)), 412, "precondition_failed");
    let changed = put(Some("\"1\""), &bread(3));
    assert_eq!((changed.status(), changed.header("etag")), (200, Some("\"2\"")));
    assert_eq!(changed.json::<Value>()["total"], json!(1050));
    check_problem(&put(Some("\"1\""), &bread(4)), 412, "precondition_failed");
    check_problem(&put(Some("\"2\""), &bread(0)), 422, "invalid_line");
    assert_eq!(send(testing::get(&path)).header("etag"), Some("\"2\""));

    let missing = testing::put("/nothing").header("if-match", "\"1\"").json(&bread(1));
    check_problem(&send(missing), 404, "not_found");
}

#[test]
fn lets_one_of_two_change_a_version() {
    let path = format!("/{}", create(1));
    let put = |quantity| testing::put(&path).header("if-match", "\"1\"").json(&bread(quantity));
    let slower = put(2).send_overtaken::<Plugin>(|| assert_eq!(send(put(3)).status(), 200));
    check_problem(&slower, 412, "precondition_failed");
    assert_eq!(send(testing::get(&path)).json::<Value>()["total"], json!(1050));
}

#[test]
fn leaves_a_closed_order_as_it_is() {
    let path = format!("/{}", create(1));
    let mut shipped = bread(1);
    shipped["status"] = json!("cancelled");
    let put = |order: &Value| send(testing::put(&path).header("if-match", "*").json(order));
    check_problem(&put(&shipped), 422, "unprocessable");
    shipped["status"] = json!("shipped");
    assert_eq!(put(&shipped).json::<Value>()["status"], json!("shipped"));
    check_problem(&put(&bread(2)), 409, "order_closed");
    check_problem(&send(testing::post(&format!("{path}/cancel"))), 409, "order_closed");
}

#[test]
fn cancels_an_order_once() {
    let path = format!("/{}/cancel", create(1));
    let slower = testing::post(&path).send_overtaken::<Plugin>(|| {
        let cancelled = send(testing::post(&path));
        assert_eq!((cancelled.status(), cancelled.header("etag")), (200, Some("\"2\"")));
    });
    check_problem(&slower, 409, "order_closed");
    assert_eq!(list("status=cancelled").0.len(), 1);
    check_problem(&send(testing::post("/nothing/cancel")), 404, "not_found");
}

fn settled(payment: &str, order: &str, amount: i64) -> TestEvent {
    let payload = json!({ "id": payment, "order": order, "amount": amount, "status": "settled" });
    testing::event("payments.settled").key(order).source("/plugins/payments").json(&payload)
}

fn topics() -> Vec<String> {
    testing::published().into_iter().map(|event| event.topic).collect()
}

#[test]
fn announces_what_becomes_of_an_order() {
    let id = create(1);
    let put = testing::put(&format!("/{id}")).header("if-match", "*").json(&bread(3));
    assert_eq!(send(put).status(), 200);
    assert_eq!(send(testing::post(&format!("/{id}/cancel"))).status(), 200);
    check_problem(&send(testing::post(&format!("/{id}/cancel"))), 409, "order_closed");
    assert_eq!(topics(), ["orders.created", "orders.updated", "orders.cancelled"]);
    let events = testing::published();
    assert!(events.iter().all(|event| event.key.as_ref() == Some(&id)));
    assert_eq!(events[1].json::<Value>()["total"], json!(1050));
}

#[test]
fn marks_an_order_paid_once() {
    let id = create(2);
    for _ in 0..2 {
        let delivered = settled("p-1", &id, 700).deliver::<Plugin>();
        assert!(delivered.iter().all(|attempt| attempt.outcome == Outcome::Handled), "{delivered:?}");
    }
    let order = send(testing::get(&format!("/{id}"))).json::<Value>();
    assert_eq!((&order["paid_by"], &order["version"], &order["status"]), (&json!("p-1"), &json!(2), &json!("open")));
    assert_eq!(topics(), ["orders.created", "payments.settled", "orders.paid", "payments.settled"]);
    assert_eq!(testing::dead_letters::<Plugin>(), []);
}

#[test]
fn leaves_a_payment_that_does_not_fit_to_a_person() {
    let (id, cancelled) = (create(2), create(1));
    assert_eq!(send(testing::post(&format!("/{cancelled}/cancel"))).status(), 200);
    for (payment, order, amount) in
        [("p-1", "nothing", 700), ("p-2", &id, 699), ("p-3", &cancelled, 350), ("p-4", &id, 700), ("p-5", &id, 700)]
    {
        settled(payment, order, amount).deliver::<Plugin>();
    }
    let codes: Vec<_> = testing::dead_letters::<Plugin>().into_iter().map(|letter| letter.code).collect();
    assert_eq!(codes, ["not_found", "wrong_amount", "order_closed", "paid_twice"]);
    assert_eq!(send(testing::get(&format!("/{id}"))).json::<Value>()["paid_by"], json!("p-4"));
}

#[test]
fn keeps_a_paid_order_as_it_was_paid() {
    let id = create(2);
    settled("p-1", &id, 700).deliver::<Plugin>();
    let put = |order: &Value| send(testing::put(&format!("/{id}")).header("if-match", "*").json(order));
    check_problem(&put(&bread(3)), 409, "order_paid");
    check_problem(&send(testing::post(&format!("/{id}/cancel"))), 409, "order_paid");
    let mut shipped = bread(2);
    shipped["status"] = json!("shipped");
    let shipped = put(&shipped).json::<Value>();
    assert_eq!((&shipped["status"], &shipped["paid_by"]), (&json!("shipped"), &json!("p-1")));
}
