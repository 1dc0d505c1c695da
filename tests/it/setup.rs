//! The first administrator: a token that the server prints, good once and for a quarter of an hour.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, Preload, Server, Setup, SignIn, check_runs, wait_for};

/// Starts a server in which nobody can sign in.
#[track_caller]
fn start() -> (Server, String) {
    let server = Setup::new().plugins(&["hello"]).without_administrator().start();
    let token = token_of(&server);
    (server, token)
}

/// Returns the token that the server prints.
#[track_caller]
fn token_of(server: &Server) -> String {
    wait_for("the set-up token", || {
        let output = server.output().join("\n");
        let begin = output.find("bps_")?;
        let token = output[begin..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
        Some(token.to_owned())
    })
}

#[track_caller]
fn set_up(server: &Server, token: &str, name: &str) -> Answer {
    server.post("/api/auth/setup", &json!({"token": token, "name": name, "password": PASSWORD}))
}

#[test]
fn until_somebody_has_set_it_up_the_api_answers_nobody() {
    let (server, token) = start();
    let output = server.output().join("\n");
    assert!(output.contains("/api/auth/setup"), "how to use it is said: {output}");
    assert!(output.contains("backplane user add"), "and the other way: {output}");
    for path in ["/api/plugins", "/api/users", "/api/auth/me", "/api/keys", "/api/audit", "/api/store"] {
        server.receive(server.strangers_request("GET", path)).check_unauthenticated();
        server.get_as(&token, path).check_invalid_token();
    }
    server.try_sign_in("admin", PASSWORD).check_problem(401, "invalid_credentials");
    assert_eq!(server.receive(server.strangers_request("GET", "/api/status")).status, 200);
    assert_eq!(server.get("/hello/Ada").status, 200);
    let log = server.log().join("\n");
    assert!(!log.contains(&token) && !log.contains("bps_"), "the token is in the log: {log}");
}

#[test]
fn the_token_makes_one_administrator_who_is_signed_in() {
    let (server, token) = start();
    let answer = set_up(&server, &token, "ada");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let session = SignIn::read(&answer);
    let me = server.check_believed(&session.access);
    assert_eq!((&me["name"], &me["roles"]), (&json!("ada"), &json!(["admin"])), "{me}");
    assert_eq!(server.get_as(&session.access, "/api/plugins/hello").status, 200);
    server.check_believed(&SignIn::read(&server.refresh(&session.refresh)).access);
    // It is used up, for the same name and for another one.
    for name in ["ada", "eve"] {
        let again = set_up(&server, &token, name);
        assert!(matches!(again.status, 401 | 404 | 409 | 410), "{} {}", again.status, again.text());
    }
    server.get_as(&session.access, "/api/users/eve").check_problem(404, "unknown_user");
    // A server that has an administrator prints no token.
    let server = server.stop().start();
    assert!(!server.output().join("\n").contains("bps_"), "{:?}", server.output());
    server.sign_in("ada");
}

#[test]
fn of_many_who_set_it_up_at_once_one_does() {
    let (server, token) = start();
    let names: Vec<_> = (0..8).map(|number| format!("user{number}")).collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = names.iter().map(|name| scope.spawn(|| set_up(&server, &token, name))).collect();
        all.into_iter().map(|one| one.join().expect("a thread that answers")).collect()
    });
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let session = SignIn::read(made[0]);
    let users = server.get_as(&session.access, "/api/users").json();
    assert_eq!(users["users"].as_array().map(Vec::len), Some(1), "{users}");
}

#[test]
fn a_wrong_token_and_a_weak_password_leave_everything_as_it_is() {
    let (server, token) = start();
    let last = if token.ends_with('a') { "b" } else { "a" };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    for wrong in ["", "bps_", &changed, &token[1..], &format!("{token}a"), &token.to_uppercase()] {
        let answer = set_up(&server, wrong, "ada");
        assert_eq!(answer.status, 401, "{wrong}: {}", answer.text());
        assert!(!answer.text().contains(&token));
    }
    let weak = json!({"token": token, "name": "ada", "password": "password"});
    server.post("/api/auth/setup", &weak).check_problem(422, "weak_password");
    for body in [
        json!({}),
        json!({"token": token, "name": "ada"}),
        json!({"token": token, "name": "Not A Name", "password": PASSWORD}),
        json!({"token": [token], "name": "ada", "password": PASSWORD}),
        json!({"token": token, "name": "ada", "password": PASSWORD, "roles": ["root"]}),
    ] {
        let answer = server.post("/api/auth/setup", &body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.text());
    }
    assert_eq!(set_up(&server, &token, "ada").status, 201);
}

#[test]
fn the_token_is_good_for_a_quarter_of_an_hour() {
    let clock = Preload::new();
    let server = Setup::new().without_administrator().preload(&clock).start();
    let token = token_of(&server);
    clock.set_uptime_ahead(&server, Duration::from_secs(895));
    set_up(&server, &token, "").check_problem(400, "invalid_request");
    clock.set_uptime_ahead(&server, Duration::from_secs(901));
    let late = set_up(&server, &token, "ada");
    assert!(matches!(late.status, 401 | 410), "{} {}", late.status, late.text());
    // A start brings a new one.
    let server = server.stop().start();
    let other = token_of(&server);
    assert_ne!(token, other);
    assert_eq!(set_up(&server, &token, "ada").status, 401);
    assert_eq!(set_up(&server, &other, "ada").status, 201);
}

#[test]
fn an_administrator_by_the_command_line_voids_the_token() {
    let (server, token) = start();
    // Whoever is no administrator does not.
    check_runs(&["user", "add", "clerk", "--role", "clerk"], &server.data(), PASSWORD);
    let refused = set_up(&server, "bps_wrong", "ada");
    assert_eq!(refused.status, 401, "{}", refused.text());
    check_runs(&["user", "add", "root", "--role", "admin"], &server.data(), PASSWORD);
    let late = set_up(&server, &token, "ada");
    assert!(matches!(late.status, 401 | 404 | 409 | 410), "{} {}", late.status, late.text());
    let session = server.sign_in("root");
    let users = server.get_as(&session.access, "/api/users").json();
    let names: Vec<_> = users["users"].as_array().expect("a list").iter().map(|user| user["name"].clone()).collect();
    assert_eq!(Value::from(names), json!(["clerk", "root"]));
}
