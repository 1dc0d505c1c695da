//! Where a credential may stand, and where it is nothing: one `Authorization` header, and no other place.

use serde_json::json;

use super::Thief;
use crate::harness::{Answer, Connection};

/// Asks with these header lines, and what follows the headers.
#[track_caller]
fn ask(thief: &Thief, target: &str, lines: &str) -> Answer {
    Connection::exchange(&thief.server, format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n"))
}

#[test]
fn the_scheme_is_read_in_any_case_and_with_spaces_before_the_token() {
    let thief = Thief::new();
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  ", "bEaReR   "] {
        let lines = format!("authorization: {scheme} {}\r\n", thief.issued);
        assert_eq!(ask(&thief, "/api/auth/me", &lines).status, 200, "{scheme}");
    }
    let lines = format!("AUTHORIZATION:Bearer {}\r\n", thief.issued);
    assert_eq!(ask(&thief, "/api/auth/me", &lines).status, 200);
}

#[test]
fn a_header_that_is_no_bearer_header_is_a_bad_request() {
    let thief = Thief::new();
    let token = &thief.issued;
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer: {token}"),
        format!("Basic {token}"),
        "Basic YWRhOnNlY3JldA==".to_owned(),
        "Digest username=\"ada\"".to_owned(),
        format!("Token {token}"),
        format!("DPoP {token}"),
        "Bearer t\u{f6}ken".to_owned(),
        "Bearer \u{feff}".to_owned(),
    ] {
        for path in ["/api/auth/me", "/api/status"] {
            let answer = ask(&thief, path, &format!("authorization: {value}\r\n"));
            answer.check_problem(400, "invalid_request");
            answer.check_challenge("error=\"invalid_request\"");
            assert!(!answer.text().contains(token.as_str()), "{}", answer.text());
        }
    }
}

#[test]
fn a_header_that_stands_twice_is_a_bad_request_whatever_the_two_say() {
    let thief = Thief::new();
    let good = format!("authorization: Bearer {}\r\n", thief.issued);
    for lines in [
        good.repeat(2),
        format!("{good}authorization: Bearer other\r\n"),
        format!("authorization: Bearer other\r\n{good}"),
        format!("authorization:\r\n{good}"),
        format!("{good}Authorization: Basic YTpi\r\n"),
        good.repeat(10),
    ] {
        for path in ["/api/auth/me", "/api/status"] {
            let answer = ask(&thief, path, &lines);
            answer.check_problem(400, "invalid_request");
            answer.check_challenge("error=\"invalid_request\"");
        }
    }
}

#[test]
fn a_token_anywhere_else_is_not_looked_at() {
    let thief = Thief::new();
    let token = &thief.issued;
    for target in [
        format!("/api/auth/me?access_token={token}"),
        format!("/api/auth/me?token={token}&authorization=Bearer%20{token}"),
    ] {
        ask(&thief, &target, "").check_unauthenticated();
    }
    for lines in [
        format!("cookie: access_token={token}\r\n"),
        format!("cookie: authorization=Bearer {token}\r\n"),
        format!("x-authorization: Bearer {token}\r\n"),
        format!("proxy-authorization: Bearer {token}\r\n"),
        format!("x-access-token: {token}\r\n"),
        format!("x-api-key: {token}\r\n"),
    ] {
        ask(&thief, "/api/auth/me", &lines).check_unauthenticated();
    }
    let body = json!({"access_token": token});
    thief
        .server
        .receive(thief.server.strangers_request("POST", "/api/auth/logout").json(&body))
        .check_unauthenticated();
    let form = format!("access_token={token}");
    let request = thief.server.strangers_request("POST", "/api/auth/logout").body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    thief.server.receive(request).check_unauthenticated();
    // A wrong token in the query is nothing either.
    assert_eq!(ask(&thief, "/api/status?access_token=wrong", "").status, 200);
    let log = thief.server.log().join("\n");
    assert!(!log.contains(token.as_str()), "the log holds a token that stood in a query: {log}");
}
