//! Signing in: who may, who may not, and what it costs everybody else.

use std::{
    net::Ipv4Addr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    ADMINISTRATOR, Answer, Connection, PASSWORD, Preload, Server, Setup, SignIn, StopOnDrop, Stopwatch,
    administrators_token, check_neighbour, raise_file_limit,
};

#[track_caller]
fn log_in(server: &Server, body: &Value) -> Answer {
    server.post("/api/auth/login", body)
}

#[test]
fn the_right_password_brings_tokens_that_say_what_the_account_is() {
    let server = Server::start(&[]);
    let added = server.add_user("ada", "clerk auditor", "orders:read orders:write");
    let answer = server.try_sign_in("ada", PASSWORD);
    assert_eq!(answer.json()["scope"], "orders:read orders:write");
    let me = server.check_believed(&SignIn::read(&answer).access);
    assert_eq!((&me["subject"], &me["name"], &me["kind"]), (&added["subject"], &json!("ada"), &json!("user")), "{me}");
    assert_eq!((&me["roles"], &me["scopes"]), (&json!(["auditor", "clerk"]), &json!(["orders:read", "orders:write"])));
    assert!(me["session"].as_str().is_some_and(|session| !session.is_empty()), "{me}");
}

#[test]
fn a_sign_in_asks_for_fewer_scopes_and_never_for_more() {
    let server = Server::start(&[]);
    server.add_user("ada", "clerk", "orders:read orders:write");
    let ask = |scope: &str| log_in(&server, &json!({"name": "ada", "password": PASSWORD, "scope": scope}));
    let fewer = ask("orders:read");
    assert_eq!(fewer.json()["scope"], "orders:read");
    let fewer = SignIn::read(&fewer);
    assert_eq!(server.check_believed(&fewer.access)["scopes"], json!(["orders:read"]));
    // A refresh does not bring back what was not asked for.
    let refreshed = SignIn::read(&server.refresh(&fewer.refresh));
    assert_eq!(server.check_believed(&refreshed.access)["scopes"], json!(["orders:read"]));
    let more = ask("orders:read orders:delete");
    assert!((400..500).contains(&more.status), "{} {}", more.status, more.text());
    assert!(!more.text().contains("access_token"), "{}", more.text());
}

#[test]
fn whoever_may_not_sign_in_is_told_the_same() {
    let server = Server::start(&[]);
    server.add_user("ada", "clerk", "");
    server.add_user("gone", "clerk", "");
    server.change_user("gone", &json!({"disabled": true}));
    let too_long = "x".repeat(129);
    let told: Vec<Value> = [
        ("ada", "another password"),
        ("ada", ""),
        ("ada", "Seven mooses in a lift"),
        ("ada", "seven mooses in a lift\0"),
        ("ada", &too_long),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("Nobody Has This Name", PASSWORD),
        ("", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("\u{0}", PASSWORD),
    ]
    .into_iter()
    .map(|(name, password)| {
        let answer = server.try_sign_in(name, password);
        answer.check_problem(401, "invalid_credentials");
        let mut told = answer.json();
        told["request_id"] = Value::Null;
        told
    })
    .collect();
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

/// The work is the same: without it, an answer about somebody who does not exist takes a hundredth of the time.
#[test]
fn somebody_who_does_not_exist_is_refused_no_sooner() {
    let server = Server::start(&[]);
    server.add_user("ada", "clerk", "");
    let timed = |name: &str| {
        let watch = Stopwatch::start();
        server.try_sign_in(name, "another password").check_problem(401, "invalid_credentials");
        watch.elapsed()
    };
    // In turns, so that a busy moment of the machine meets both.
    let (known, unknown): (Vec<_>, Vec<_>) =
        ["bob", "eve", "joe", "sue"].into_iter().map(|stranger| (timed("ada"), timed(stranger))).unzip();
    let [known, unknown] = [known, unknown].map(|times| times.into_iter().min().expect("there are four"));
    // No machine hashes in less than a few milliseconds.
    let least = known.min(Duration::from_millis(15)) / 3;
    assert!(unknown > least, "{known:?} for somebody who exists, {unknown:?} for somebody who does not");
}

#[test]
fn a_body_that_is_no_sign_in_is_refused_and_not_repeated() {
    let server = Server::start(&[]);
    let secret = "hunter2 hunter2";
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("\"{secret}\""),
        "{}".to_owned(),
        json!({"name": "admin"}).to_string(),
        json!({"password": secret}).to_string(),
        json!({"name": "admin", "password": null}).to_string(),
        json!({"name": "admin", "password": [secret]}).to_string(),
        json!({"name": ["admin"], "password": secret}).to_string(),
        json!({"name": "admin", "password": secret, "grant_type": "password"}).to_string(),
        json!({"name": "admin", "password": secret, "scope": ["a"]}).to_string(),
        format!(r#"{{"name":"admin","password":"{secret}","password":"{secret}"}}"#),
        format!(r#"{{"name":"admin","password":"{secret}""#),
        format!("name=admin&password={secret}"),
    ] {
        let request = server.strangers_request("POST", "/api/auth/login").body(body.clone());
        let answer = server.receive(request.header("content-type", "application/json"));
        answer.check_problem(400, "invalid_request");
        assert!(!answer.text().contains("hunter2"), "{body} is repeated in {}", answer.text());
    }
    let log = server.log().join("\n");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_password_of_a_megabyte_costs_nothing() {
    let server = Server::start(&[]);
    server.add_user("ada", "clerk", "");
    let huge = "x".repeat(1 << 20);
    let [own, administrators] = [server.sign_in("ada").access, administrators_token()];
    for (method, path, token, body) in [
        ("POST", "/api/auth/login", None, json!({"name": "ada", "password": huge})),
        ("POST", "/api/auth/login", None, json!({"name": huge, "password": PASSWORD})),
        ("POST", "/api/auth/login", None, json!({"name": "ada", "password": PASSWORD, "scope": huge})),
        ("POST", "/api/auth/refresh", None, json!({"refresh_token": huge})),
        ("POST", "/api/auth/setup", None, json!({"token": huge, "name": "eve", "password": PASSWORD})),
        ("PUT", "/api/auth/password", Some(&own), json!({"current": PASSWORD, "new": huge})),
        ("POST", "/api/users", Some(&administrators), json!({"name": "eve", "password": huge})),
        ("PATCH", "/api/users/ada", Some(&administrators), json!({"password": huge})),
    ] {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let (body, length) = (body.to_string(), body.to_string().len());
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{token}\r\n");
        // It is refused by its length, before it is there.
        Connection::exchange(&server, &head).check_problem(413, "payload_too_large");
        // Whoever sends it all the same may find that the server has hung up.
        let mut connection = Connection::open(&server);
        connection.send(head + &body);
        if let Some(answer) = connection.try_read_answer() {
            answer.check_problem(413, "payload_too_large");
        }
    }
    server.check_health();
    server.check_believed(&own);
}

#[test]
fn guessing_is_slowed_down_for_the_guesser_and_not_for_the_owner() {
    let server = Server::start(&[]);
    server.add_user("ada", "clerk", "");
    server.add_user("bob", "clerk", "");
    // The owner signs in from here, and is known from then on.
    server.sign_in("ada");
    let guesser = server.client_from("127.0.0.2");
    let guess = |client: &reqwest::blocking::Client, password: &str| {
        let url = format!("http://{}/api/auth/login", server.address());
        server.receive(client.post(url).json(&json!({"name": "ada", "password": password})))
    };
    let mut answers = (0..30).map(|number| guess(&guesser, &format!("guess number {number}")));
    let delayed = answers.find(|answer| answer.status != 401).expect("thirty guesses are too many");
    delayed.check_problem(429, "too_many_attempts");
    let wait = delayed.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| (1..=900).contains(&seconds)), "{delayed:?}");
    // The right password does not tell the guesser that it is right.
    guess(&guesser, PASSWORD).check_problem(429, "too_many_attempts");
    server.sign_in("ada");
    server.sign_in("bob");
}

#[test]
fn one_address_does_not_try_many_accounts() {
    let server = Server::start(&[]);
    let mut answers = (0..200).map(|number| server.try_sign_in(&format!("user{number}"), PASSWORD));
    let delayed = answers.find(|answer| answer.status != 401).expect("two hundred are too many");
    delayed.check_problem(429, "too_many_attempts");
    server.try_sign_in(ADMINISTRATOR, PASSWORD).check_problem(429, "too_many_attempts");
    let url = format!("http://{}/api/auth/login", server.address());
    let elsewhere = server.client_from("127.0.0.3").post(url);
    let body = json!({"name": ADMINISTRATOR, "password": PASSWORD});
    assert_eq!(server.receive(elsewhere.json(&body)).status, 200);
}

/// Sign-ins of the flood, each of another account and from another address: no throttle sees more than one.
const FLOOD: u32 = 1000;

#[test]
fn a_thousand_sign_ins_at_once_are_answered_and_leave_other_routes_alone() {
    raise_file_limit();
    let server = Server::start(&["hello"]);
    let (flooded, neighbour_waited) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let statuses = thread::scope(|scope| {
        scope.spawn(|| {
            while !flooded.load(Ordering::Relaxed) {
                let watch = Stopwatch::start();
                check_neighbour(&server);
                neighbour_waited.lock().unwrap_or_else(PoisonError::into_inner).push(watch.elapsed());
            }
        });
        let _stop = StopOnDrop(&flooded);
        flood(&server)
    });
    let refused = statuses.iter().filter(|status| **status == 503).count();
    let hashed = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(refused + hashed, statuses.len(), "{statuses:?}");
    assert!(hashed > 10 && refused > 10, "{hashed} were hashed and {refused} sent away");
    let mut waited = neighbour_waited.into_inner().unwrap_or_else(PoisonError::into_inner);
    waited.sort_unstable();
    let median = waited[waited.len() / 2];
    assert!(median < Duration::from_secs(1), "the neighbour waited {median:?}");
    server.check_health();
    assert_eq!(server.try_sign_in(ADMINISTRATOR, PASSWORD).status, 200);
}

/// Sends all at once, and returns how they were answered.
fn flood(server: &Server) -> Vec<u16> {
    let addresses = (0..FLOOD).map(|number| Ipv4Addr::from_bits(0x7f01_0001 + number));
    let mut connections: Vec<_> = addresses.map(|address| Connection::open_from(server, address)).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let body = json!({"name": format!("flood{number}"), "password": PASSWORD}).to_string();
        let length = body.len();
        connection.send(format!(
            "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\
             content-type: application/json\r\n\r\n{body}"
        ));
    }
    let read = |connection: &mut Connection| {
        let answer = connection.read_answer();
        match answer.status {
            503 => {
                answer.check_problem(503, "sign_in_busy");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
            _ => answer.check_problem(401, "invalid_credentials"),
        }
        answer.status
    };
    connections.iter_mut().map(read).collect()
}

#[test]
fn a_delay_ends_and_nobody_is_locked_out_for_good() {
    let clock = Preload::new();
    let server = Setup::new().preload(&clock).start();
    server.add_user("ada", "clerk", "");
    let mut waited = Duration::ZERO;
    for _ in 0..4 {
        let mut guesses = (0..30).map(|_| server.try_sign_in("ada", "another password"));
        let delayed = guesses.find(|answer| answer.status == 429).expect("thirty guesses are too many");
        let wait = delayed.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
        let wait = wait.expect("seconds to wait");
        assert!((1..=900).contains(&wait), "{wait}");
        waited += Duration::from_secs(wait + 1);
        clock.set_uptime_ahead(&server, waited);
    }
    assert_eq!(server.try_sign_in("ada", PASSWORD).status, 200);
    // Then it is forgotten.
    server.try_sign_in("ada", "another password").check_problem(401, "invalid_credentials");
    assert_eq!(server.try_sign_in("ada", PASSWORD).status, 200);
}
