//! What is taken from somebody is gone within a second, whoever takes it: the API, or a command beside the server.

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, PASSWORD, Server, Setup, SignIn, check_runs};

/// Checks that a change of the account voids the access tokens from before it, and returns the session.
#[track_caller]
fn check_voids(change: &Value) -> (Server, SignIn) {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk auditor", "orders:read orders:write");
    server.check_believed(&session.access);
    server.change_user("ada", change);
    server.check_soon_not_believed(&session.access);
    (server, session)
}

/// Checks that the session of an account is over for good.
#[track_caller]
fn check_session_over(server: &Server, session: &SignIn) {
    server.refresh(&session.refresh).check_problem(401, "invalid_refresh_token");
}

#[test]
fn a_role_that_is_taken_away_is_gone_from_the_next_token() {
    let (server, session) = check_voids(&json!({"roles": ["auditor"]}));
    let refreshed = SignIn::read(&server.refresh(&session.refresh));
    assert_eq!(server.check_believed(&refreshed.access)["roles"], json!(["auditor"]));
}

#[test]
fn a_scope_that_is_taken_away_is_gone_from_the_next_token() {
    let (server, session) = check_voids(&json!({"scopes": ["orders:read"]}));
    let refreshed = SignIn::read(&server.refresh(&session.refresh));
    assert_eq!(server.check_believed(&refreshed.access)["scopes"], json!(["orders:read"]));
}

#[test]
fn an_account_that_is_disabled_is_out_until_it_is_enabled() {
    let (server, session) = check_voids(&json!({"disabled": true}));
    check_session_over(&server, &session);
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    server.change_user("ada", &json!({"disabled": false}));
    // What it had is not given back; it signs in anew.
    check_session_over(&server, &session);
    server.check_not_believed(&session.access);
    server.check_believed(&server.sign_in("ada").access);
}

#[test]
fn a_password_that_an_administrator_sets_ends_every_session() {
    let (server, session) = check_voids(&json!({"password": "nine mooses in a lift"}));
    check_session_over(&server, &session);
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    let session = SignIn::read(&server.try_sign_in("ada", "nine mooses in a lift"));
    server.check_believed(&session.access);
}

#[test]
fn an_account_that_is_deleted_is_out_and_another_of_its_name_is_somebody_else() {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk", "");
    let subject = server.check_believed(&session.access)["subject"].clone();
    assert_eq!(server.send("DELETE", "/api/users/ada").status, 204);
    server.check_soon_not_believed(&session.access);
    check_session_over(&server, &session);
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    let again = server.sign_up("ada", "auditor", "");
    assert_ne!(server.check_believed(&again.access)["subject"], subject);
    server.check_not_believed(&session.access);
}

#[test]
fn what_is_taken_stays_taken_over_a_restart() {
    let (server, session) = check_voids(&json!({"roles": []}));
    let server = server.kill().start();
    server.check_not_believed(&session.access);
}

#[test]
fn a_change_of_one_account_leaves_the_others_alone() {
    let server = Server::start(&[]);
    let (ada, bob) = (server.sign_up("ada", "clerk", ""), server.sign_up("bob", "clerk", ""));
    server.change_user("ada", &json!({"roles": [], "disabled": true}));
    server.check_soon_not_believed(&ada.access);
    server.check_believed(&bob.access);
    server.refresh(&bob.refresh).check_success();
}

/// Checks what a command on an account does to a server that runs beside it.
#[track_caller]
fn check_command_voids(arguments: &[&str], input: &str) -> (Server, SignIn) {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk", "");
    server.check_believed(&session.access);
    check_runs(arguments, &server.data(), input);
    server.check_soon_not_believed(&session.access);
    check_session_over(&server, &session);
    (server, session)
}

#[test]
fn the_command_that_disables_an_account_reaches_a_running_server() {
    let (server, _) = check_command_voids(&["user", "disable", "ada"], "");
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    check_runs(&["user", "enable", "ada"], &server.data(), "");
    server.sign_in("ada");
}

#[test]
fn the_command_that_sets_a_password_reaches_a_running_server() {
    let (server, session) = check_command_voids(&["user", "password", "ada"], "ten mooses in a lift\n");
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    SignIn::read(&server.try_sign_in("ada", "ten mooses in a lift"));
    server.check_not_believed(&session.access);
}

/// Sends a request whose body ends when `meanwhile` has happened, and returns the answer.
#[track_caller]
fn send_around(
    server: &Server,
    credential: &str,
    (method, path): (&str, &str),
    body: &Value,
    meanwhile: impl FnOnce(),
) -> Answer {
    let body = body.to_string();
    let (most, last) = body.split_at(body.len() - 1);
    let mut connection = Connection::open(server);
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {credential}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    // It asks for the body of a request that it has let in.
    assert_eq!(connection.read_answer().status, 100);
    connection.send(most);
    meanwhile();
    connection.send(last);
    connection.read_answer()
}

/// Makes an API key, and returns it.
#[track_caller]
fn make_key(server: &Server, session: &SignIn) -> String {
    let answer = server.send_as(&session.access, "POST", "/api/api-keys", &json!({"name": "early", "scopes": []}));
    answer.json()["key"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn a_session_that_ends_while_a_body_comes_makes_no_key() {
    let server = Server::start(&[]);
    let stolen = server.sign_up("ada", "clerk", "");
    let own = server.sign_in("ada");
    let wanted = json!({"name": "late", "scopes": []});
    let answer = send_around(&server, &stolen.access, ("POST", "/api/api-keys"), &wanted, || {
        let change = json!({"current": PASSWORD, "new": "eight mooses in a lift"});
        assert_eq!(server.send_as(&own.access, "PUT", "/api/auth/password", &change).status, 204);
    });
    answer.check_invalid_token();
    let listed = server.get("/api/api-keys?user=ada");
    assert!(listed.status == 200 && !listed.text().contains("late"), "{}", listed.text());
    let trail = server.get("/api/audit").json();
    let is_refusal = |entry: &Value| entry["action"] == "api-key.create" && entry["result"] == "invalid_token";
    assert!(trail["entries"].as_array().is_some_and(|entries| entries.iter().any(is_refusal)), "{trail}");
}

#[test]
fn an_administrator_who_is_none_any_more_when_a_body_has_come_changes_nothing() {
    let server = Server::start(&[]);
    let session = server.sign_up("second", "admin", "");
    let key = make_key(&server, &session);
    server.add_user("ada", "clerk", "");
    let (request, wanted) = (("PATCH", "/api/users/ada"), json!({"roles": ["admin"]}));
    let demote = || server.change_user("second", &json!({"roles": ["clerk"]}));
    // The token says what the account was; the key is good on, and opens less.
    let answer = send_around(&server, &session.access, request, &wanted, demote);
    answer.check_invalid_token();
    server.change_user("second", &json!({"roles": ["admin"]}));
    send_around(&server, &key, request, &wanted, demote).check_problem(403, "forbidden");
    assert_eq!(server.get("/api/users/ada").json()["roles"], json!(["clerk"]));
    server.change_user("second", &json!({"roles": ["admin"]}));
    send_around(&server, &key, request, &wanted, || {}).check_success();
    assert_eq!(server.get("/api/users/ada").json()["roles"], json!(["admin"]));
}

#[test]
fn a_right_that_is_lost_while_a_body_comes_publishes_nothing() {
    let rules = "[[events.publish]]\ntopics = \"orders.*\"\nroles = [\"clerk\"]\n";
    let server = Setup::new().config(rules).start();
    let key = make_key(&server, &server.sign_up("ada", "clerk auditor", ""));
    let send = |path: &str, body: &Value, roles: &Value| {
        send_around(&server, &key, ("POST", path), body, || server.change_user("ada", &json!({"roles": roles})))
    };
    let events = json!([{"topic": "orders.created", "data": 1}]);
    send("/api/events/orders.created", &json!({"a": 1}), &json!(["auditor"])).check_problem(403, "forbidden");
    server.change_user("ada", &json!({"roles": ["clerk", "auditor"]}));
    send("/api/events", &events, &json!(["auditor"])).check_problem(403, "forbidden");
    assert!(server.events("").is_empty());
    // What was added takes nothing away.
    server.change_user("ada", &json!({"roles": ["clerk"]}));
    send("/api/events/orders.created", &json!({"a": 1}), &json!(["clerk", "auditor"])).check_success();
    assert_eq!(server.events("").len(), 1);
}

#[test]
fn a_plugin_does_not_run_for_a_caller_that_is_out_when_its_body_has_come() {
    let server = Server::start(&["identity"]);
    let session = server.sign_up("ada", "clerk", "");
    let body = json!({"a": 1});
    let ask = |path, change| {
        send_around(&server, &session.access, ("GET", path), &body, || server.change_user("ada", &change))
    };
    ask("/identity/signed-in", json!({"disabled": true})).check_invalid_token();
    assert_eq!(server.get("/api/plugins/identity").json()["calls"], 0);
    server.change_user("ada", &json!({"disabled": false}));
    let session = server.sign_in("ada");
    let nothing = || {};
    send_around(&server, &session.access, ("GET", "/identity/roles"), &body, nothing).check_success();
    assert_eq!(server.get("/api/plugins/identity").json()["calls"], 1);
}
