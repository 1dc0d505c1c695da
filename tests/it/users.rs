//! Accounts over the API: made, listed, changed and deleted by administrators, and never without one.

use serde_json::{Value, json};

use crate::harness::{ADMINISTRATOR, Answer, PASSWORD, Server, administrators_token, check_refuses};

#[track_caller]
fn create(server: &Server, user: &Value) -> Answer {
    server.send_json("POST", "/api/users", user)
}

#[track_caller]
fn show(server: &Server, name: &str) -> Value {
    let answer = server.get(&format!("/api/users/{name}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// An account as somebody asks for it.
fn wish(name: &str, password: &str) -> Value {
    json!({"name": name, "password": password, "roles": ["clerk"], "scopes": ["orders:read"]})
}

#[test]
fn an_account_is_shown_with_all_but_its_password() {
    let server = Server::start(&[]);
    let made = server.add_user("ada@engine.example", "clerk auditor", "orders:write orders:read");
    assert_eq!(show(&server, "ada@engine.example"), made);
    assert_eq!(made["name"], "ada@engine.example");
    assert_eq!(
        (&made["roles"], &made["scopes"]),
        (&json!(["auditor", "clerk"]), &json!(["orders:read", "orders:write"]))
    );
    assert_eq!((&made["disabled"], &made["last_login_at"]), (&json!(false), &Value::Null), "{made}");
    assert!(made["created_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");
    // A UUID of version 7.
    assert!(made["subject"].as_str().is_some_and(|id| id.len() == 36 && id.as_bytes()[14] == b'7'), "{made}");
    let names: Vec<_> = made.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    server.sign_in("ada@engine.example");
    let seen = show(&server, "ada@engine.example");
    assert!(seen["last_login_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{seen}");
}

#[test]
fn a_list_goes_through_every_account_page_by_page() {
    let server = Server::start(&[]);
    let mut expected: Vec<_> = (0..7).map(|number| format!("user{number}")).collect();
    for name in &expected {
        server.add_user(name, "", "");
    }
    expected.insert(0, ADMINISTRATOR.to_owned());
    let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = server.get(&format!("/api/users{query}")).json();
        let users = page["users"].as_array().unwrap_or_else(|| panic!("no users in {page}"));
        assert!(users.len() <= 3, "{page}");
        seen.extend(users.iter().map(|user| user["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={next}");
    }
    assert_eq!(seen, expected);
    for query in ["?limit=0", "?limit=1000000", "?limit=x", "?limit=-1", "?unknown=1"] {
        let answer = server.get(&format!("/api/users{query}"));
        assert!(matches!(answer.status, 200 | 400), "{query}: {}", answer.text());
        if answer.status == 200 {
            assert!(answer.json()["users"].as_array().is_some_and(|users| users.len() <= 8), "{query}");
        }
    }
}

#[test]
fn a_name_is_one_persons_and_can_be_written_in_one_way() {
    let server = Server::start(&[]);
    create(&server, &wish("ada", PASSWORD)).check_success();
    create(&server, &wish("ada", "another mooses in a lift")).check_problem(409, "user_exists");
    let long = "a".repeat(65);
    for name in
        ["", "Ada", "ädä", "a b", "-ada", ".ada", "a/b", "a\0", "a\n", "../ada", "a|b", "<script>", "a%2fb", &long]
    {
        let answer = create(&server, &wish(name, PASSWORD));
        assert!(matches!(answer.status, 400 | 422), "{name:?}: {} {}", answer.status, answer.text());
    }
    let longest = "a".repeat(64);
    for name in ["0", "a.b", "a_b", "a-b", "a+b@c", &longest] {
        create(&server, &wish(name, PASSWORD)).check_success();
        assert_eq!(show(&server, name)["name"], name);
    }
}

#[test]
fn a_password_that_everybody_tries_first_is_refused_with_the_reason() {
    let server = Server::start(&[]);
    let too_long = "x".repeat(129);
    for (password, reason) in [
        ("", "short"),
        ("1234567", "short"),
        ("password", "common"),
        ("PassWord", "common"),
        ("12345678", "common"),
        ("lovelace", "name of the account"),
        ("LoveLace", "name of the account"),
        (&too_long, "long"),
    ] {
        let answer = create(&server, &wish("lovelace", password));
        answer.check_problem(422, "weak_password");
        assert!(answer.text().contains(reason), "no `{reason}` in {}", answer.text());
        let said = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(password.len() < 9 || !said.contains(password), "{said}");
    }
    server.get("/api/users/lovelace").check_problem(404, "unknown_user");
    let longest = "x7".repeat(64);
    create(&server, &wish("lovelace", &longest)).check_success();
    assert_eq!(server.try_sign_in("lovelace", &longest).status, 200);
}

#[test]
fn a_wish_that_is_no_account_is_refused() {
    let server = Server::start(&[]);
    let with = |name: &str, value: Value| {
        let mut wish = wish("ada", PASSWORD);
        wish[name] = value;
        wish
    };
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({"name": "ada"}),
        with("roles", json!("clerk")),
        with("roles", json!(["a b"])),
        with("roles", json!([""])),
        with("roles", json!(["x".repeat(65)])),
        with("scopes", json!(["a\"b"])),
        with("scopes", json!([null])),
        with("password", json!(12_345_678)),
        with("subject", json!("u1")),
        with("disabled", json!("no")),
    ] {
        let answer = create(&server, &body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {} {}", answer.status, answer.text());
    }
    server.get("/api/users/ada").check_problem(404, "unknown_user");
    server.add_user("ada", "clerk", "");
    for change in [json!({"name": "eve"}), json!({"roles": "admin"}), json!({"disabled": 1}), json!({"created_at": 0})]
    {
        let answer = server.send_json("PATCH", "/api/users/ada", &change);
        assert!(matches!(answer.status, 400 | 422), "{change}: {} {}", answer.status, answer.text());
    }
    server.send_json("PATCH", "/api/users/ada", &json!({"password": "short"})).check_problem(422, "weak_password");
    assert_eq!(show(&server, "ada")["roles"], json!(["clerk"]));
}

/// The change is allowed for the password before, and hashes the next one while the administrator's is set.
#[test]
fn a_password_that_an_administrator_sets_outlasts_one_that_is_being_chosen() {
    let server = Server::start(&[]);
    let (chosen, set) = ("eight mooses in a lift", "nine mooses in a lift");
    for number in 0..4 {
        let name = format!("ada{number}");
        let session = server.sign_up(&name, "clerk", "");
        let body = json!({"current": PASSWORD, "new": chosen});
        let changed = std::thread::scope(|scope| {
            let change = scope.spawn(|| server.send_as(&session.access, "PUT", "/api/auth/password", &body));
            server.change_user(&name, &json!({"password": set}));
            change.join().expect("a thread that answers")
        });
        // It came before, or it is refused.
        assert!(matches!(changed.status, 204 | 401), "{} {}", changed.status, changed.text());
        server.try_sign_in(&name, chosen).check_problem(401, "invalid_credentials");
        assert_eq!(server.try_sign_in(&name, set).status, 200, "{name}");
    }
}

#[test]
fn only_administrators_see_and_change_accounts() {
    let server = Server::start(&[]);
    let clerk = server.sign_up("clerk", "clerk", "admin users:write").access;
    let requests = [
        ("GET", "/api/users"),
        ("POST", "/api/users"),
        ("GET", "/api/users/clerk"),
        ("GET", "/api/users/nobody"),
        ("PATCH", "/api/users/clerk"),
        ("DELETE", "/api/users/admin"),
        ("GET", "/api/audit"),
    ];
    for (method, path) in requests {
        let body = json!({"roles": ["admin"]});
        server.receive(server.strangers_request(method, path).json(&body)).check_unauthenticated();
        server.receive(server.request_as(&clerk, method, path).json(&body)).check_problem(403, "forbidden");
    }
    assert_eq!(server.check_believed(&clerk)["roles"], json!(["clerk"]));
    for (method, path) in [("GET", "/api/users/nobody"), ("DELETE", "/api/users/nobody")] {
        server.send(method, path).check_problem(404, "unknown_user");
    }
    server.send_json("PATCH", "/api/users/nobody", &json!({"roles": []})).check_problem(404, "unknown_user");
}

#[test]
fn the_last_administrator_stays_one_whoever_says_otherwise() {
    let server = Server::start(&[]);
    let refused = |server: &Server| {
        let path = format!("/api/users/{ADMINISTRATOR}");
        for change in [json!({"roles": []}), json!({"roles": ["clerk"]}), json!({"disabled": true})] {
            server.send_json("PATCH", &path, &change).check_problem(409, "last_administrator");
        }
        server.send("DELETE", &path).check_problem(409, "last_administrator");
        check_refuses(&["user", "disable", ADMINISTRATOR], &server.data(), "", &["last", "administrator"]);
    };
    refused(&server);
    // One that is disabled does not count.
    server.add_user("second", "admin", "");
    server.change_user("second", &json!({"disabled": true}));
    refused(&server);
    server.change_user("second", &json!({"disabled": false}));
    let second = server.sign_in("second").access;
    server.send_as(&second, "PATCH", "/api/users/admin", &json!({"roles": ["clerk"]})).check_success();
    server.check_soon_not_believed(&administrators_token());
    server
        .send_as(&second, "PATCH", "/api/users/second", &json!({"disabled": true}))
        .check_problem(409, "last_administrator");
    assert_eq!(server.get_as(&second, "/api/users/second").status, 200);
}

#[test]
fn of_two_administrators_who_remove_each_other_at_once_one_stays() {
    for _ in 0..3 {
        let server = Server::start(&[]);
        server.add_user("second", "admin", "");
        let (first, second) = (server.sign_in(ADMINISTRATOR).access, server.sign_in("second").access);
        let disable = |by: &str, whom: &str| {
            server.send_as(by, "PATCH", &format!("/api/users/{whom}"), &json!({"disabled": true})).status
        };
        let statuses = std::thread::scope(|scope| {
            let one = scope.spawn(|| disable(&first, "second"));
            let other = scope.spawn(|| disable(&second, ADMINISTRATOR));
            [one, other].map(|side| side.join().expect("a thread that answers"))
        });
        let done = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(done, 1, "{statuses:?}");
        let signed_in = [ADMINISTRATOR, "second"].map(|name| server.try_sign_in(name, PASSWORD).status);
        assert_eq!(signed_in.iter().filter(|status| **status == 200).count(), 1, "{signed_in:?}");
    }
}
