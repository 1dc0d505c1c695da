//! `backplane user`: accounts by the command line, with a server beside it or without one.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::harness::{ADMINISTRATOR, PASSWORD, Server, Setup, check_refuses, check_runs, run};

#[track_caller]
fn list(setup: &Setup) -> Value {
    let listed = check_runs(&["user", "list", "--json"], &setup.data(), "");
    serde_json::from_str(&listed).unwrap_or_else(|error| panic!("{error}: {listed}"))
}

#[test]
fn the_first_account_makes_the_folder_and_the_server_knows_it() {
    let setup = Setup::new();
    let add = ["user", "add", "ada", "--role", "admin", "--role", "clerk", "--scope", "orders:read"];
    check_runs(&add, &setup.data(), &format!("{PASSWORD}\n"));
    let listed = list(&setup);
    let ada = &listed[0];
    assert_eq!((&ada["name"], &ada["disabled"]), (&json!("ada"), &json!(false)), "{listed}");
    assert_eq!((&ada["roles"], &ada["scopes"]), (&json!(["admin", "clerk"]), &json!(["orders:read"])), "{listed}");
    for file in fs::read_dir(setup.data()).expect("the folder was made") {
        let file = file.expect("it can be listed");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others: {mode:o}", file.path().display());
    }
    let server = setup.start();
    assert!(!server.output().join("\n").contains("bps_"), "there is an administrator, and nothing to set up");
    let session = server.sign_in("ada");
    let me = server.check_believed(&session.access);
    assert_eq!((&me["roles"], &me["scopes"]), (&ada["roles"], &ada["scopes"]));
}

#[test]
fn an_account_that_is_made_beside_a_server_signs_in_at_once() {
    let server = Server::start(&[]);
    check_runs(&["user", "add", "ada", "--role", "clerk"], &server.data(), PASSWORD);
    let session = server.sign_in("ada");
    assert_eq!(server.check_believed(&session.access)["roles"], json!(["clerk"]));
    let shown = server.get("/api/users/ada").json();
    assert_eq!((&shown["name"], &shown["roles"]), (&json!("ada"), &json!(["clerk"])));
}

#[test]
fn the_password_is_the_first_line_and_nothing_is_cut_off_it() {
    let server = Server::start(&[]);
    for (name, input, password) in [
        ("a", "plain password of a\n", "plain password of a"),
        ("b", "no line end at all", "no line end at all"),
        ("c", "  spaces on both sides  \n", "  spaces on both sides  "),
        ("d", "a line end of windows\r\n", "a line end of windows"),
        ("e", "sch\u{f6}n gr\u{fc}n und wei\u{df}\n", "sch\u{f6}n gr\u{fc}n und wei\u{df}"),
    ] {
        check_runs(&["user", "add", name, "--role", "clerk"], &server.data(), input);
        assert_eq!(server.try_sign_in(name, password).status, 200, "{input:?}");
    }
}

#[test]
fn a_password_is_never_an_argument_and_a_weak_one_is_refused() {
    let setup = Setup::new();
    let add = ["user", "add", "lovelace", "--role", "admin"];
    let long = "x".repeat(129);
    let huge = "x".repeat(1 << 20);
    for (input, reason) in [
        ("", "password"),
        ("\n", "short"),
        ("short\n", "short"),
        ("password\n", "common"),
        ("lovelace\n", "name of the account"),
        (&long, "long"),
        (&huge, "long"),
    ] {
        check_refuses(&add, &setup.data(), input, &[reason]);
    }
    let argument = [&add[..], &["--password", PASSWORD]].concat();
    let ran = run(&argument, &setup.data(), "");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    // Nothing was made on the way there.
    check_refuses(&["user", "list"], &setup.data(), "", &["backplane user add"]);
}

#[test]
fn a_name_or_a_role_that_cannot_be_is_refused_before_anything_is_made() {
    let setup = Setup::new();
    let long = "a".repeat(65);
    for name in ["", "Ada", "a b", ".ada", "a/b", "../ada", &long] {
        check_refuses(&["user", "add", name, "--role", "admin"], &setup.data(), PASSWORD, &["name"]);
    }
    for role in ["", "a b", "a\"b", &long] {
        check_refuses(&["user", "add", "ada", "--role", role], &setup.data(), PASSWORD, &["role"]);
    }
    assert!(!setup.data().join("backplane.sqlite").exists());
    let nothing = run(&["user", "add", "ada"], &setup.data(), PASSWORD);
    assert_eq!(nothing.code, Some(2), "an account without any role is a slip: {nothing:?}");
}

#[test]
fn a_refusal_says_what_to_do_instead() {
    let setup = Server::start(&[]).stop();
    let data = setup.data();
    let add = ["user", "add", ADMINISTRATOR, "--role", "admin"];
    check_refuses(&add, &data, PASSWORD, &["exists", "backplane user password"]);
    for command in ["disable", "enable", "password"] {
        check_refuses(&["user", command, "nobody"], &data, PASSWORD, &["nobody", "backplane user list"]);
    }
    check_refuses(&["user", "disable", ADMINISTRATOR], &data, "", &["last", "administrator"]);
    let nowhere = Setup::new();
    for command in [&["user", "list"][..], &["user", "disable", "ada"], &["token", "issue", "--user", "ada"]] {
        check_refuses(command, &nowhere.data(), "", &["backplane user add"]);
    }
    assert!(!nowhere.data().exists(), "looking makes nothing");
}

#[test]
fn accounts_are_listed_for_people_and_for_programs() {
    let setup = Server::start(&[]).stop();
    check_runs(&["user", "add", "ada", "--role", "clerk", "--role", "auditor"], &setup.data(), PASSWORD);
    check_runs(&["user", "disable", "ada"], &setup.data(), "");
    let text = check_runs(&["user", "list"], &setup.data(), "");
    let line = text.lines().find(|line| line.starts_with("ada")).unwrap_or_else(|| panic!("no ada in {text}"));
    assert!(line.contains("auditor clerk") && line.contains("disabled"), "{text}");
    assert!(text.lines().any(|line| line.starts_with(ADMINISTRATOR)), "{text}");
    let listed = list(&setup);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let text = listed.to_string();
    for secret in ["argon2", "password", PASSWORD] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    check_runs(&["user", "enable", "ada"], &setup.data(), "");
    assert!(!list(&setup).to_string().contains("\"disabled\":true"));
}

#[test]
fn commands_leave_a_trail() {
    let setup = Setup::new();
    let data = setup.data();
    check_runs(&["user", "add", ADMINISTRATOR, "--role", "admin"], &data, PASSWORD);
    check_runs(&["user", "add", "ada", "--role", "clerk"], &data, PASSWORD);
    check_runs(&["user", "password", "ada"], &data, "eight mooses in a lift");
    check_runs(&["user", "disable", "ada"], &data, "");
    check_runs(&["user", "enable", "ada"], &data, "");
    let token = check_runs(&["token", "issue", "--user", "ada"], &data, "");
    let server = setup.start();
    let administrator = server.sign_in(ADMINISTRATOR).access;
    let trail = server.get_as(&administrator, "/api/audit?actor=command").json();
    let entries = trail["entries"].as_array().unwrap_or_else(|| panic!("no entries in {trail}"));
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| [&entry["action"], &entry["target"], &entry["result"]].map(|field| field.as_str().unwrap_or("-")))
        .collect();
    let expected = [
        ["token.issue", "ada", "ok"],
        ["user.update", "ada", "ok"],
        ["user.update", "ada", "ok"],
        ["user.update", "ada", "ok"],
        ["user.create", "ada", "ok"],
        ["user.create", ADMINISTRATOR, "ok"],
    ];
    assert_eq!(seen, expected, "{trail}");
    let text = trail.to_string();
    for secret in [PASSWORD, "eight mooses", token.trim()] {
        assert!(!text.contains(secret), "{text}");
    }
}
