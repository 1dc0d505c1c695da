//! `backplane token issue`: a token for scripts, with a server beside it or without one.

use serde_json::json;

use crate::harness::{ADMINISTRATOR, PASSWORD, Server, Setup, check_refuses, check_runs, claims_of, run, unix_seconds};

#[track_caller]
fn issue(server: &Server, arguments: &[&str]) -> String {
    let arguments = [&["token", "issue", "--user", "ada"][..], arguments].concat();
    let said = check_runs(&arguments, &server.data(), "");
    let token = said.strip_suffix('\n').unwrap_or_else(|| panic!("no line in {said:?}"));
    assert!(token.split('.').count() == 3 && !token.contains(char::is_whitespace), "not a token alone: {said:?}");
    token.to_owned()
}

#[track_caller]
fn start() -> Server {
    let server = Server::start(&["hello"]);
    server.add_user("ada", "clerk", "orders:read orders:write");
    server
}

#[test]
fn a_token_is_printed_alone_and_believed_at_once() {
    let server = start();
    let token = issue(&server, &[]);
    let me = server.check_believed(&token);
    assert_eq!((&me["name"], &me["roles"]), (&json!("ada"), &json!(["clerk"])));
    assert_eq!(me["scopes"], json!(["orders:read", "orders:write"]));
    let claims = claims_of(&token);
    let lifetime = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(end, begin)| end - begin);
    assert_eq!(lifetime, Some(600), "{claims}");
}

#[test]
fn a_token_lives_as_long_as_it_is_asked_to_and_for_an_hour_at_the_most() {
    let server = start();
    let now = unix_seconds();
    for (wanted, seconds) in [("30s", 30), ("10m", 600), ("1h", 3600)] {
        let token = issue(&server, &["--ttl", wanted]);
        let left = claims_of(&token)["exp"].as_i64().map(|end| end - now);
        assert!(left.is_some_and(|left| (seconds..seconds + 60).contains(&left)), "{wanted}: {left:?}");
        server.check_believed(&token);
    }
    for wanted in ["2h", "0s", "10", "soon", "1e9h", ""] {
        let ran = run(&["token", "issue", "--user", "ada", "--ttl", wanted], &server.data(), "");
        assert!(matches!(ran.code, Some(1 | 2)) && ran.stdout.is_empty(), "{wanted}: {ran:?}");
        assert!(ran.stderr.contains("--ttl") || ran.stderr.contains("1h"), "{wanted}: {}", ran.stderr);
    }
}

#[test]
fn a_token_may_have_fewer_scopes_than_the_account_and_never_more() {
    let server = start();
    let token = issue(&server, &["--scope", "orders:read"]);
    assert_eq!(server.check_believed(&token)["scopes"], json!(["orders:read"]));
    let more = ["token", "issue", "--user", "ada", "--scope", "orders:delete"];
    check_refuses(&more, &server.data(), "", &["orders:delete", "ada"]);
}

#[test]
fn a_token_of_an_administrator_opens_the_api() {
    let server = start();
    let token = check_runs(&["token", "issue", "--user", ADMINISTRATOR], &server.data(), "");
    assert_eq!(server.get_as(token.trim(), "/api/plugins/hello").status, 200);
    server.get_as(&issue(&server, &[]), "/api/plugins/hello").check_problem(403, "forbidden");
}

#[test]
fn a_token_is_out_when_its_account_or_its_session_is() {
    let server = start();
    let tokens = [(); 2].map(|()| issue(&server, &[]));
    let log_out = server.request_as(&tokens[0], "POST", "/api/auth/logout");
    assert_eq!(server.receive(log_out).status, 204);
    server.check_soon_not_believed(&tokens[0]);
    server.check_believed(&tokens[1]);
    server.change_user("ada", &json!({"disabled": true}));
    server.check_soon_not_believed(&tokens[1]);
    check_refuses(&["token", "issue", "--user", "ada"], &server.data(), "", &["disabled", "backplane user enable"]);
}

#[test]
fn a_token_of_a_folder_that_was_never_served_is_believed_by_its_server() {
    let setup = Setup::new();
    check_runs(&["user", "add", "ada", "--role", "admin"], &setup.data(), PASSWORD);
    let tokens = [(); 2].map(|()| check_runs(&["token", "issue", "--user", "ada"], &setup.data(), ""));
    let server = setup.start();
    for token in &tokens {
        server.check_believed(token.trim());
    }
    let keys = server.get_as(tokens[0].trim(), "/api/keys").json();
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "one key was made, and no more: {keys}");
}

#[test]
fn many_tokens_at_once_in_a_new_folder_agree_on_one_key() {
    let setup = Setup::new();
    let data = setup.data();
    check_runs(&["user", "add", "ada", "--role", "admin"], &data, PASSWORD);
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let issue = || check_runs(&["token", "issue", "--user", "ada"], &data, "");
        let issuers: Vec<_> = (0..6).map(|_| scope.spawn(issue)).collect();
        issuers.into_iter().map(|issuer| issuer.join().expect("a command that ends")).collect()
    });
    let server = setup.start();
    for token in &tokens {
        server.check_believed(token.trim());
    }
}

#[test]
fn a_refusal_prints_no_token_and_says_what_to_do() {
    let setup = Server::start(&[]).stop();
    let issue = ["token", "issue", "--user", "nobody"];
    check_refuses(&issue, &setup.data(), "", &["nobody", "backplane user list"]);
    let ran = run(&["token", "issue"], &setup.data(), "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains("--user"), "{}", ran.stderr);
}
