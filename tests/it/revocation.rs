//! What is taken from somebody is gone within a second, whoever takes it: the API, or a command beside the server.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Server, SignIn, check_runs};

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
