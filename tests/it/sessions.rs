//! Sessions: how they go on, how they end, and what becomes of a token that is used twice.

use std::{thread, time::Duration};

use serde_json::json;

use crate::harness::{Answer, PASSWORD, Preload, Server, Setup, SignIn};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

#[track_caller]
fn start() -> (Server, SignIn) {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk", "orders:read");
    (server, session)
}

/// Starts a server whose clock the test moves.
#[track_caller]
fn start_with_clock() -> (Preload, Server, SignIn) {
    let clock = Preload::new();
    let server = Setup::new().preload(&clock).start();
    let session = server.sign_up("ada", "clerk", "orders:read");
    (clock, server, session)
}

#[track_caller]
fn refresh(server: &Server, session: &SignIn) -> SignIn {
    SignIn::read(&server.refresh(&session.refresh))
}

#[track_caller]
fn check_no_refresh(answer: &Answer) {
    answer.check_problem(401, "invalid_refresh_token");
}

/// Signs out, of this session or of all.
#[track_caller]
fn log_out(server: &Server, session: &SignIn, all: bool) {
    let request = server.request_as(&session.access, "POST", "/api/auth/logout");
    let request = if all { request.json(&json!({"all": true})) } else { request };
    assert_eq!(server.receive(request).status, 204);
}

#[test]
fn a_refresh_brings_a_new_pair_of_the_same_session() {
    let (server, first) = start();
    let second = refresh(&server, &first);
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    let [before, after] = [&first, &second].map(|session| server.check_believed(&session.access));
    assert_eq!(before, after);
    let third = refresh(&server, &second);
    server.check_believed(&third.access);
}

#[test]
fn a_refresh_says_what_the_account_is_now() {
    let (server, first) = start();
    server.change_user("ada", &json!({"roles": ["auditor"], "scopes": ["orders:read", "orders:write"]}));
    let second = refresh(&server, &first);
    let me = server.check_believed(&second.access);
    assert_eq!((&me["roles"], &me["scopes"]), (&json!(["auditor"]), &json!(["orders:read", "orders:write"])));
}

#[test]
fn a_token_that_is_used_after_its_successor_was_ends_the_session() {
    let (server, first) = start();
    let second = refresh(&server, &first);
    let third = refresh(&server, &second);
    check_no_refresh(&server.refresh(&first.refresh));
    // The thief's tokens are void, and so are the owner's.
    for session in [&first, &second, &third] {
        check_no_refresh(&server.refresh(&session.refresh));
        server.check_soon_not_believed(&session.access);
    }
    // Another session of the same account is another one.
    server.check_believed(&server.sign_in("ada").access);
}

#[test]
fn a_session_that_ended_by_a_reuse_leaves_the_others_alone() {
    let (server, other) = start();
    let stolen = server.sign_in("ada");
    refresh(&server, &refresh(&server, &stolen));
    check_no_refresh(&server.refresh(&stolen.refresh));
    server.check_believed(&other.access);
    refresh(&server, &other);
}

#[test]
fn an_answer_that_was_lost_may_be_asked_for_again_for_ten_seconds() {
    let (clock, server, first) = start_with_clock();
    let lost = refresh(&server, &first);
    clock.set_clock_ahead(8 * SECOND);
    let second = refresh(&server, &first);
    assert_ne!(lost.refresh, second.refresh);
    server.check_believed(&second.access);
    let third = refresh(&server, &second);
    // Now it is known that the answer arrived.
    check_no_refresh(&server.refresh(&first.refresh));
    server.check_soon_not_believed(&third.access);
}

/// A thief with a copy asks in time, so that both have an answer of their own.
#[test]
fn an_answer_that_is_used_after_another_one_was_ends_the_session() {
    let (clock, server, stolen) = start_with_clock();
    let owner = refresh(&server, &stolen);
    clock.set_clock_ahead(3 * SECOND);
    let thief = refresh(&server, &stolen);
    clock.set_clock_ahead(600 * SECOND);
    let owner = refresh(&server, &owner);
    check_no_refresh(&server.refresh(&thief.refresh));
    let trail = server.get("/api/audit?action=refresh&limit=1").json();
    assert_eq!(trail["entries"][0]["result"], "invalid_refresh_token", "{trail}");
    assert_eq!(trail["entries"][0]["actor_name"], "ada", "{trail}");
    check_no_refresh(&server.refresh(&owner.refresh));
    server.check_soon_not_believed(&owner.access);
}

#[test]
fn two_answers_that_are_used_at_once_end_the_session() {
    let (server, first) = start();
    let twins = [(); 2].map(|()| refresh(&server, &first));
    let [one, other] = thread::scope(|scope| {
        let one = scope.spawn(|| server.refresh(&twins[0].refresh));
        let other = scope.spawn(|| server.refresh(&twins[1].refresh));
        [one, other].map(|twin| twin.join().expect("a thread that answers"))
    });
    let (brought, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    check_no_refresh(&refused);
    let brought = SignIn::read(&brought);
    check_no_refresh(&server.refresh(&brought.refresh));
    server.check_soon_not_believed(&brought.access);
}

#[test]
fn an_answer_that_nobody_uses_is_in_nobodys_way() {
    let (clock, server, first) = start_with_clock();
    refresh(&server, &first);
    let mut session = refresh(&server, &first);
    refresh(&server, &first);
    for seconds in [600, 1200, 1800] {
        clock.set_clock_ahead(seconds * SECOND);
        session = refresh(&server, &session);
        server.check_believed(&session.access);
    }
}

#[test]
fn a_token_that_is_used_again_after_ten_seconds_ends_the_session() {
    let (clock, server, first) = start_with_clock();
    let second = refresh(&server, &first);
    clock.set_clock_ahead(11 * SECOND);
    check_no_refresh(&server.refresh(&first.refresh));
    check_no_refresh(&server.refresh(&second.refresh));
    server.check_soon_not_believed(&second.access);
}

#[test]
fn two_refreshes_at_once_are_both_answered_and_the_session_goes_on() {
    let (server, mut session) = start();
    for _ in 0..5 {
        let twins: Vec<_> = thread::scope(|scope| {
            let twins: Vec<_> = (0..2).map(|_| scope.spawn(|| refresh(&server, &session))).collect();
            twins.into_iter().map(|twin| twin.join().expect("a thread that answers")).collect()
        });
        assert_ne!(twins[0].refresh, twins[1].refresh);
        for twin in &twins {
            server.check_believed(&twin.access);
        }
        session = twins[0].clone();
    }
    refresh(&server, &session);
}

#[test]
fn many_refreshes_at_once_end_the_session_or_bring_tokens_that_work() {
    let (server, session) = start();
    let answers: Vec<_> = thread::scope(|scope| {
        let many: Vec<_> = (0..16).map(|_| scope.spawn(|| server.refresh(&session.refresh))).collect();
        many.into_iter().map(|one| one.join().expect("a thread that answers")).collect()
    });
    let (brought, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!brought.is_empty() && !refused.is_empty(), "{} brought, {} refused", brought.len(), refused.len());
    for answer in &refused {
        assert!(matches!(answer.status, 401 | 503), "{}", answer.text());
    }
    // Sixteen at once are no lost answer, unless most of them were told to come back.
    let is_over = refused.iter().any(|answer| answer.status == 401);
    for answer in brought {
        let access = SignIn::read(answer).access;
        if is_over {
            server.check_soon_not_believed(&access);
        } else {
            server.check_believed(&access);
        }
    }
}

#[test]
fn signing_out_ends_this_session_within_a_second_and_no_other() {
    let (server, first) = start();
    let other = server.sign_in("ada");
    log_out(&server, &first, false);
    server.check_soon_not_believed(&first.access);
    check_no_refresh(&server.refresh(&first.refresh));
    server.check_believed(&other.access);
    refresh(&server, &other);
}

#[test]
fn signing_out_everywhere_ends_every_session_of_the_account_and_nobody_elses() {
    let (server, first) = start();
    let sessions = [(); 3].map(|()| server.sign_in("ada"));
    let bob = server.sign_up("bob", "clerk", "");
    log_out(&server, &first, true);
    for session in sessions.iter().chain([&first]) {
        server.check_soon_not_believed(&session.access);
        check_no_refresh(&server.refresh(&session.refresh));
    }
    server.check_believed(&bob.access);
    server.check_believed(&server.sign_in("ada").access);
}

#[test]
fn a_session_that_is_over_stays_over_when_the_server_starts_again() {
    let (server, first) = start();
    let (second, third) = (server.sign_in("ada"), server.sign_in("ada"));
    log_out(&server, &first, false);
    let server = server.kill().start();
    server.check_not_believed(&first.access);
    check_no_refresh(&server.refresh(&first.refresh));
    server.check_believed(&second.access);
    refresh(&server, &third);
}

#[test]
fn a_new_password_ends_every_session_but_the_one_that_chose_it() {
    let (server, first) = start();
    let other = server.sign_in("ada");
    let change = |current: &str, new: &str| {
        server.send_as(&first.access, "PUT", "/api/auth/password", &json!({"current": current, "new": new}))
    };
    change("not my password", "eight mooses in a lift").check_problem(401, "invalid_credentials");
    // Each is an attempt, and there are not many in a minute.
    for weak in ["password", "ada"] {
        change(PASSWORD, weak).check_problem(422, "weak_password");
    }
    server.check_believed(&other.access);
    assert_eq!(change(PASSWORD, "eight mooses in a lift").status, 204);
    server.check_soon_not_believed(&other.access);
    check_no_refresh(&server.refresh(&other.refresh));
    let first = refresh(&server, &first);
    server.check_believed(&first.access);
    server.try_sign_in("ada", PASSWORD).check_problem(401, "invalid_credentials");
    assert_eq!(server.try_sign_in("ada", "eight mooses in a lift").status, 200);
}

#[test]
fn a_session_ends_after_a_week_without_use_and_after_thirty_days_of_it() {
    let (clock, server, idle) = start_with_clock();
    let mut busy = server.sign_in("ada");
    for days in [6, 12, 18, 24, 29] {
        clock.set_clock_ahead(days * DAY);
        busy = refresh(&server, &busy);
        server.check_believed(&busy.access);
        if days > 6 {
            check_no_refresh(&server.refresh(&idle.refresh));
        }
    }
    clock.set_clock_ahead(31 * DAY);
    check_no_refresh(&server.refresh(&busy.refresh));
    server.check_not_believed(&busy.access);
}

#[test]
fn an_access_token_ends_after_ten_minutes() {
    let (clock, server, session) = start_with_clock();
    // A clock may be half a minute off.
    clock.set_clock_ahead(605 * SECOND);
    server.check_believed(&session.access);
    clock.set_clock_ahead(631 * SECOND);
    server.check_not_believed(&session.access);
    server.check_believed(&refresh(&server, &session).access);
}

#[test]
fn what_is_no_refresh_token_brings_nothing_and_ends_nothing() {
    let (server, session) = start();
    let secret = &session.refresh;
    let changed = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('a') { "b" } else { "a" });
    let other = format!("bpr_{}", "a".repeat(49));
    for wrong in ["", "bpr_", &changed, &other, &secret[1..], &secret.to_uppercase(), &session.access] {
        check_no_refresh(&server.refresh(wrong));
    }
    for body in [json!({}), json!({"refresh_token": null}), json!({"refresh_token": [secret]}), json!([secret])] {
        server.post("/api/auth/refresh", &body).check_problem(400, "invalid_request");
    }
    // It opens nothing but a refresh.
    server.check_not_believed(secret);
    refresh(&server, &session);
}

#[test]
fn signing_out_needs_somebody_who_is_signed_in() {
    let (server, session) = start();
    for (method, path) in [("POST", "/api/auth/logout"), ("GET", "/api/auth/me"), ("PUT", "/api/auth/password")] {
        server.receive(server.strangers_request(method, path)).check_unauthenticated();
    }
    let request = server.request_as(&session.access, "POST", "/api/auth/logout").json(&json!({"everybody": true}));
    server.receive(request).check_problem(400, "invalid_request");
    server.check_believed(&session.access);
}
