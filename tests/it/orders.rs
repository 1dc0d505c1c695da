//! The plugin `orders`, as its README promises it to a client.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Server};

fn bread(quantity: usize) -> Value {
    json!({"customer": "Ada", "lines": [{"item": "bread", "quantity": quantity, "unit_price": 350}]})
}

#[track_caller]
fn send(server: &Server, method: &str, path: &str, if_match: Option<&str>, body: &Value) -> Answer {
    let request = server.request(method, path).json(body);
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    request.send().and_then(Answer::receive).expect("an answer")
}

/// Creates an order, and returns where it is.
#[track_caller]
fn create(server: &Server, quantity: usize) -> String {
    let created = send(server, "POST", "/orders", None, &bread(quantity));
    assert_eq!((created.status, created.header("etag")), (201, Some("\"1\"")), "{}", created.text());
    created.header("location").expect("a created order is somewhere").to_owned()
}

/// Follows `next` to the end, and returns the ids of all pages with how many each had.
#[track_caller]
fn walk(server: &Server, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut pages, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/orders?{query}{after}")).json();
        let items = page["items"].as_array().expect("a page has items");
        ids.extend(items.iter().map(|order| order["id"].as_str().expect("an order has an id").to_owned()));
        pages.push(items.len());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (ids, pages),
        }
        assert!(pages.len() < 100, "the pages do not end");
    }
}

fn id(path: &str) -> String {
    path.trim_start_matches("/orders/").to_owned()
}

#[test]
fn an_order_is_created_shown_changed_and_cancelled() {
    let server = Server::start(&["orders"]);
    let path = create(&server, 2);
    let shown = server.get(&path);
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"1\"")));
    let expected = json!({
        "id": id(&path), "version": 1, "status": "open", "customer": "Ada",
        "lines": [{"item": "bread", "quantity": 2, "unit_price": 350}], "total": 700,
    });
    assert_eq!(shown.json(), expected);
    let changed = send(&server, "PUT", &path, Some("\"1\""), &bread(3));
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2\"")), "{}", changed.text());
    assert_eq!(changed.json()["total"], 1050);
    let cancelled = server.send("POST", &format!("{path}/cancel"));
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    // All of it outlives the process.
    let server = server.stop().start();
    assert_eq!(server.get(&path).json(), cancelled.json());
    server.check_health();
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let server = Server::start(&["orders"]);
    let order = |lines: Value| json!({"customer": "Ada", "lines": lines});
    for (body, code) in [
        (order(json!([])), "invalid_lines"),
        (order(json!([{"item": "bread", "quantity": 0, "unit_price": 1}])), "invalid_line"),
        (order(json!([{"item": "bread", "quantity": 2, "unit_price": i64::MAX}])), "total_too_large"),
        (json!({"customer": " ", "lines": bread(1)["lines"]}), "invalid_customer"),
        (json!({"customer": "Ada"}), "invalid_body"),
    ] {
        send(&server, "POST", "/orders", None, &body).check_problem(422, code);
    }
    assert_eq!(walk(&server, ""), (vec![], vec![0]));
    server.get("/orders/nothing").check_problem(404, "not_found");
    server.get("/orders?limit=0").check_problem(422, "invalid_limit");
    server.check_health();
}

#[test]
fn orders_are_listed_page_by_page_to_the_end_the_oldest_first() {
    const ORDERS: usize = 45;
    let server = Server::start(&["orders"]);
    let mut ids: Vec<_> = (1..=ORDERS).map(|quantity| id(&create(&server, quantity))).collect();
    // Ids of the same millisecond are in no order.
    ids.sort();
    assert_eq!(walk(&server, ""), (ids.clone(), vec![20, 20, 5]));
    assert_eq!(walk(&server, "limit=15"), (ids.clone(), vec![15, 15, 15]));
    assert_eq!(walk(&server, "limit=100"), (ids.clone(), vec![45]));
    let (cancelled, open): (Vec<_>, Vec<_>) = ids.iter().cloned().enumerate().partition(|(place, _)| place % 3 == 0);
    let ids_of = |part: Vec<(usize, String)>| part.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let (cancelled, open) = (ids_of(cancelled), ids_of(open));
    for id in &cancelled {
        assert_eq!(server.send("POST", &format!("/orders/{id}/cancel")).status, 200);
    }
    assert_eq!(walk(&server, "status=cancelled&limit=7"), (cancelled, vec![7, 7, 1]));
    assert_eq!(walk(&server, "status=open&limit=7"), (open, vec![7, 7, 7, 7, 2]));
    assert_eq!(walk(&server, "status=shipped"), (vec![], vec![0]));
}

#[test]
fn a_change_names_the_version_that_it_changes() {
    let server = Server::start(&["orders"]);
    let path = create(&server, 1);
    send(&server, "PUT", &path, None, &bread(2)).check_problem(428, "precondition_required");
    send(&server, "PUT", &path, Some("\"2\""), &bread(2)).check_problem(412, "precondition_failed");
    send(&server, "PUT", &path, Some("W/\"1\""), &bread(2)).check_problem(412, "precondition_failed");
    assert_eq!(send(&server, "PUT", &path, Some("\"1\""), &bread(2)).status, 200);
    send(&server, "PUT", &path, Some("\"1\""), &bread(3)).check_problem(412, "precondition_failed");
    assert_eq!(server.get(&path).json()["total"], 700);
    let mut shipped = bread(2);
    shipped["status"] = json!("shipped");
    assert_eq!(send(&server, "PUT", &path, Some("*"), &shipped).status, 200);
    send(&server, "PUT", &path, Some("*"), &bread(4)).check_problem(409, "order_closed");
    server.send("POST", &format!("{path}/cancel")).check_problem(409, "order_closed");
    send(&server, "PUT", "/orders/nothing", Some("*"), &bread(1)).check_problem(404, "not_found");
}

#[test]
fn of_many_that_change_one_version_at_once_one_wins_and_the_others_are_told() {
    const CLIENTS: usize = 12;
    let server = Server::start(&["orders"]);
    let path = create(&server, 1);
    for round in 1..=10 {
        let answers: Vec<_> = thread::scope(|scope| {
            let put = |client: usize| {
                let headers = format!("content-type: application/json\r\nif-match: \"{round}\"\r\n");
                let body = bread(100 * round + client).to_string();
                Connection::open(&server).call("PUT", &path, &headers, body.as_bytes()).expect("an answer")
            };
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || put(client))).collect();
            clients.into_iter().map(|client| client.join().expect("every client ends")).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1, "{won:?}");
        lost.iter().for_each(|answer| answer.check_problem(412, "precondition_failed"));
        assert_eq!(server.get(&path).json(), won[0].json());
    }
    assert_eq!(server.get(&path).header("etag"), Some("\"11\""));
    server.check_health();
}

#[test]
fn an_order_is_cancelled_once_and_the_index_says_the_same() {
    const CLIENTS: usize = 8;
    let server = Server::start(&["orders"]);
    let paths: Vec<_> = (1..=3).map(|quantity| create(&server, quantity)).collect();
    thread::scope(|scope| {
        for path in &paths {
            let server = &server;
            scope.spawn(move || {
                let answers: Vec<_> = thread::scope(|scope| {
                    let cancel = || server.send("POST", &format!("{path}/cancel"));
                    let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(cancel)).collect();
                    clients.into_iter().map(|client| client.join().expect("every client ends")).collect()
                });
                assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
                let lost = answers.iter().filter(|answer| answer.status != 200);
                lost.for_each(|answer| answer.check_problem(409, "order_closed"));
            });
        }
    });
    let expected: BTreeSet<_> = paths.iter().map(|path| id(path)).collect();
    assert_eq!(walk(&server, "status=cancelled").0.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(walk(&server, "status=open").0, Vec::<String>::new());
}
