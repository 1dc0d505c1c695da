//! The routes, called as the host calls them, and what they announce.

use backplane_sdk::grpc::{self, Code};
use backplane_sdk::testing::{self, TestRequest, TestResponse};
use serde_json::{Value, json};

use crate::payments::Plugin;
use crate::proto::{PaymentStatus, ProcessRequest, ProcessResponse};

fn send(request: TestRequest) -> TestResponse {
    request.send::<Plugin>()
}

fn wanted(key: &str, amount: i64) -> TestRequest {
    testing::post("/").json(&json!({ "idempotency_key": key, "order": "o-7", "amount": amount }))
}

/// Returns the topics, keys and statuses that were announced.
fn announced() -> Vec<(String, Option<String>, String)> {
    let status = |payload: Value| payload["status"].as_str().expect("a payment has a status").to_owned();
    testing::published()
        .into_iter()
        .map(|event| (event.topic.clone(), event.key.clone(), status(event.json())))
        .collect()
}

fn event(status: &str) -> (String, Option<String>, String) {
    (format!("payments.{status}"), Some("o-7".into()), status.into())
}

#[track_caller]
fn check_problem(response: &TestResponse, status: u16, code: &str) {
    let problem: Value = response.json();
    assert_eq!((response.status(), &problem["code"]), (status, &json!(code)), "{problem}");
}

#[test]
fn authorizes_settles_and_announces() {
    let response = send(wanted("k", 700));
    let location = response.header("location").expect("a payment is somewhere").to_owned();
    let path = location.strip_prefix("/payments").expect("a payment is below the plugin's mount");
    let payment: Value = response.json();
    let expected = json!({ "id": path[1..], "order": "o-7", "amount": 700, "status": "authorized" });
    assert_eq!((response.status(), &payment), (201, &expected));
    assert_eq!(send(testing::get(path)).json::<Value>(), payment);

    let settled = send(testing::post(&format!("{path}/settle")));
    assert_eq!((settled.status(), &settled.json::<Value>()["status"]), (200, &json!("settled")));
    assert_eq!(announced(), [event("authorized"), event("settled")]);
    assert_eq!(testing::published()[1].json::<Value>(), settled.json::<Value>());
}

#[test]
fn does_once_what_is_asked_twice() {
    let first: Value = send(wanted("k", 700)).json();
    let again = send(wanted("k", 700));
    assert_eq!((again.status(), again.json::<Value>()), (200, first.clone()));
    check_problem(&send(wanted("k", 701)), 422, "key_reused");
    let path = format!("/{}/settle", first["id"].as_str().expect("a payment has an id"));
    for _ in 0..2 {
        assert_eq!(send(testing::post(&path)).json::<Value>()["status"], json!("settled"));
    }
    assert_eq!(send(wanted("k", 700)).json::<Value>()["status"], json!("settled"));
    assert_eq!(announced(), [event("authorized"), event("settled")]);
}

#[test]
fn makes_one_payment_of_two_requests_at_once() {
    let slower = wanted("k", 700).send_overtaken::<Plugin>(|| assert_eq!(send(wanted("k", 700)).status(), 201));
    assert_eq!(slower.status(), 200);
    assert_eq!(announced(), [event("authorized")]);

    let path = format!("/{}/settle", slower.json::<Value>()["id"].as_str().expect("a payment has an id"));
    let slower = testing::post(&path).send_overtaken::<Plugin>(|| {
        assert_eq!(send(testing::post(&path)).status(), 200);
    });
    assert_eq!(slower.status(), 200);
    assert_eq!(announced(), [event("authorized"), event("settled")]);
}

#[test]
fn refuses_what_is_too_much_and_says_so() {
    testing::set_config("amount_max", 500);
    assert_eq!(send(wanted("a", 500)).json::<Value>()["status"], json!("authorized"));
    let refused = send(wanted("b", 501));
    assert_eq!((refused.status(), &refused.json::<Value>()["status"]), (201, &json!("refused")));
    let path = format!("/{}/settle", refused.json::<Value>()["id"].as_str().expect("a payment has an id"));
    check_problem(&send(testing::post(&path)), 409, "payment_refused");
    assert_eq!(announced(), [event("authorized"), event("refused")]);
}

#[test]
fn refuses_what_makes_no_sense() {
    check_problem(&send(wanted("", 1)), 422, "invalid_key");
    check_problem(&send(wanted(&"a".repeat(101), 1)), 422, "invalid_key");
    check_problem(&send(wanted("a\nb", 1)), 422, "invalid_key");
    check_problem(&send(wanted("k", 0)), 422, "invalid_amount");
    let no_order = json!({ "idempotency_key": "k", "order": "", "amount": 1 });
    check_problem(&send(testing::post("/").json(&no_order)), 422, "invalid_order");
    check_problem(&send(testing::get("/nothing")), 404, "not_found");
    check_problem(&send(testing::post("/nothing/settle")), 404, "not_found");
    assert_eq!(announced(), []);
}

fn process(key: &str, amount: i64) -> grpc::Result<ProcessResponse> {
    let request = ProcessRequest { idempotency_key: key.into(), order: "o-7".into(), amount };
    testing::call("payments.v1.PaymentService/Process", &request).send::<Plugin, _>()
}

#[test]
fn is_one_payment_whichever_way_it_comes() {
    let first = process("k", 700).expect("it is authorized");
    let payment = first.payment.expect("there is a payment");
    assert_eq!((payment.status(), payment.amount, first.repeated), (PaymentStatus::Authorized, 700, false));
    let again = process("k", 700).expect("it was authorized");
    assert_eq!((again.payment.as_ref(), again.repeated), (Some(&payment), true));
    let over_http = send(wanted("k", 700));
    assert_eq!((over_http.status(), &over_http.json::<Value>()["id"]), (200, &json!(payment.id)));
    assert_eq!(announced(), [event("authorized")]);
}

#[test]
fn says_over_grpc_what_it_says_over_http() {
    process("k", 700).expect("it is authorized");
    for (key, amount, reason) in [("k", 701, "key_reused"), ("", 700, "invalid_key"), ("l", 0, "invalid_amount")] {
        let status = process(key, amount).expect_err("it is refused");
        assert_eq!((status.code(), status.reason()), (Code::InvalidArgument, reason));
    }
    testing::set_config("amount_max", 10);
    let refused = process("l", 11).expect("it is decided").payment.expect("there is a payment");
    assert_eq!(refused.status(), PaymentStatus::Refused);
    assert_eq!(announced(), [event("authorized"), event("refused")]);
}

#[test]
fn what_is_no_message_is_refused() {
    let call = testing::call_bytes("payments.v1.PaymentService/Process", [0x0a, 0xff]);
    let status = call.send::<Plugin, ProcessResponse>().expect_err("it is refused");
    assert_eq!((status.code(), status.reason()), (Code::InvalidArgument, "invalid_request"));
}
