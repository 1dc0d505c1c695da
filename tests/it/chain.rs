//! Three plugins that do not know one another: what `plugins/orders/README.md` shows under "Paid".

use serde_json::{Value, json};

use crate::harness::{Server, administrators_token, wait_for, wait_until};

const PLUGINS: [&str; 3] = ["orders", "payments", "audit-log"];

#[track_caller]
fn post(server: &Server, path: &str, body: &Value) -> Value {
    let answer = server.receive(server.request("POST", path).json(body));
    assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    answer.json()
}

/// Orders bread for 700 cents and returns the order's id.
fn order(server: &Server) -> Value {
    let bread = json!({"customer": "Ada", "lines": [{"item": "bread", "quantity": 2, "unit_price": 350}]});
    post(server, "/orders", &bread)["id"].clone()
}

/// Authorizes a payment, settles it, and returns its id.
fn pay(server: &Server, order: &Value, amount: u32) -> Value {
    let key = format!("{order}-{amount}");
    let payment = post(server, "/payments", &json!({"idempotency_key": key, "order": order, "amount": amount}));
    let path = format!("/payments/{}/settle", payment["id"].as_str().expect("an id"));
    assert_eq!(server.send("POST", &path).json()["status"], "settled");
    payment["id"].clone()
}

fn look(server: &Server, order: &Value) -> Value {
    server.get(&format!("/orders/{}", order.as_str().expect("an id"))).json()
}

/// Returns topics and sources of everything that was published, the oldest first.
fn trail(server: &Server) -> Vec<(String, String)> {
    let request = server.request("GET", "/audit-log?limit=100").bearer_auth(administrators_token());
    let items = server.receive(request).json()["items"].clone();
    let text = |item: &Value, field: &str| item[field].as_str().expect("a text").to_owned();
    let items = items.as_array().expect("a list").iter().rev();
    items.map(|item| (text(item, "topic"), text(item, "source"))).collect()
}

#[test]
fn a_payment_pays_its_order_once_though_the_server_is_killed() {
    let server = Server::start(&PLUGINS);
    let order = order(&server);
    let payment = pay(&server, &order, 700);
    // What was answered is there, and what follows from it comes about.
    let server = server.kill().start();
    let paid = wait_for("the order to be paid", || Some(look(&server, &order)).filter(|order| order["version"] == 2));
    assert_eq!((&paid["paid_by"], &paid["total"], &paid["status"]), (&payment, &json!(700), &json!("open")));
    let expected = [
        ("orders.created", "/plugins/orders"),
        ("payments.authorized", "/plugins/payments"),
        ("payments.settled", "/plugins/payments"),
        ("orders.paid", "/plugins/orders"),
    ];
    let expected = expected.map(|(topic, source)| (topic.to_owned(), source.to_owned()));
    wait_until("the trail to be whole", || trail(&server).len() >= expected.len());
    server.wait_until_nothing_waits("orders", "payments.settled");
    server.wait_until_nothing_waits("audit-log", "*");
    assert_eq!(trail(&server), expected);
    assert_eq!(look(&server, &order)["version"], 2);
    assert!(server.dead_letters().is_empty());
}

#[test]
fn a_payment_of_another_amount_is_a_dead_letter() {
    let server = Server::start(&PLUGINS);
    let order = order(&server);
    pay(&server, &order, 90);
    wait_until("a dead letter", || server.dead_letters().len() == 1);
    let letter = &server.dead_letters()[0];
    assert_eq!((&letter["plugin"], &letter["pattern"]), (&json!("orders"), &json!("payments.settled")));
    assert_eq!((&letter["code"], &letter["attempts"]), (&json!("wrong_amount"), &json!(1)), "{letter}");
    assert_eq!(letter["message"], "the payment is of 90, and the order costs 700");
    assert_eq!(look(&server, &order)["version"], 1);
}
