//! The operator asks for more of callers than a plugin does, and cannot ask for less.

use serde_json::{Value, json};

use crate::harness::{
    Connection, Server, Setup, administrators_token, backplane, check_neighbour, component, with_manifest,
};

/// Starts a server whose configuration says this about who may call.
fn start(plugins: &[&str], lines: &str) -> Server {
    Setup::new().plugins(plugins).config(&format!("[folder]\nremoval_grace = \"300ms\"\n{lines}")).start()
}

/// Starts a server that refuses `private` because of these lines, and returns the reason.
#[track_caller]
fn refusal(lines: &str) -> String {
    let server = start(&["private", "hello"], &format!("[plugin.private.access]\n{lines}"));
    let reason = server.wait_for_refusal("private.wasm");
    assert_eq!(server.get("/api/plugins/private").json()["state"], "failed");
    for path in ["/private", "/private/lobby"] {
        server.get(path).check_problem(404, "not_found");
    }
    let logged = server.wait_for_log("refused");
    let logged: Value = serde_json::from_str(&logged).expect("a line of the log is JSON");
    assert_eq!(logged["reason"], reason.as_str(), "{logged}");
    check_neighbour(&server);
    reason
}

/// Returns what is asked of the callers of each route, by method and path.
fn asked(server: &Server, plugin: &str) -> Vec<(String, Value)> {
    let view = server.get(&format!("/api/plugins/{plugin}")).json();
    let routes = view["routes"].as_array().expect("a plugin has routes");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    routes
        .iter()
        .map(|route| (format!("{} {}", text(&route["method"]), text(&route["path"])), route["access"].clone()))
        .collect()
}

#[test]
fn a_line_that_would_open_a_route_keeps_its_plugin_out() {
    let reason = refusal("\"GET /lobby\" = \"public\"\n\"GET /\" = \"public\"");
    assert!(reason.contains("backplane.toml:5: [plugin.private.access] \"GET /\" = \"public\" would open"), "{reason}");
    assert!(reason.contains("GET / asks for a signed-in caller; remove that line or name a role"), "{reason}");
}

#[test]
fn a_line_that_would_let_another_role_in_keeps_its_plugin_out() {
    let reason = refusal("\"/ledger\" = { roles = [\"clerk\", \"guest\"] }");
    assert!(reason.contains("GET /ledger is for `clerk` and not for `guest`"), "{reason}");
}

#[test]
fn a_line_about_no_route_keeps_its_plugin_out() {
    let reason = refusal("\"GET /leger\" = \"signed-in\"");
    assert!(reason.contains("about no route of the plugin: did you mean \"GET /ledger\"?"), "{reason}");
    let reason = refusal("POST = { roles = [\"admin\"] }");
    assert!(reason.contains("[plugin.private.access] \"POST\" is about no route"), "{reason}");
}

#[test]
fn a_new_version_that_a_line_does_not_fit_leaves_the_old_one_serving() {
    let server = start(&["hello"], "[plugin.hello.access]\n\"GET /{name}\" = \"signed-in\"\n");
    server.get("/hello/Ada").check_problem(401, "unauthenticated");
    let routes = r#"[{"method":"GET","path":"/people/{name}","access":"public"}]"#;
    let manifest = format!(r#"{{"api":"1.0","name":"hello","version":"9.0.0","routes":{routes}}}"#);
    server.put("hello.wasm", &with_manifest(&manifest));
    let reason = server.wait_for_refusal("hello.wasm");
    assert!(reason.contains("\"GET /{name}\" is about no route"), "{reason}");
    server.get("/hello/Ada").check_problem(401, "unauthenticated");
    server.get_as(&administrators_token(), "/hello/Ada").check_text(r#"{"hello":"Ada"}"#);
}

#[test]
fn a_public_route_can_be_closed() {
    let server = start(&["hello", "private"], "[plugin.hello.access]\n\"*\" = \"signed-in\"\n");
    server.get("/hello/Ada").check_problem(401, "unauthenticated");
    server.get_as(&administrators_token(), "/hello/Ada").check_text(r#"{"hello":"Ada"}"#);
    assert_eq!(asked(&server, "hello"), [("GET /hello/{name}".to_owned(), json!("signed-in"))]);
    // The line is about one plugin.
    server.get("/private/lobby").check_text("a stranger");
}

#[test]
fn all_lines_about_a_route_hold() {
    let lines = "[plugin.hello.access]\n\"*\" = { roles = [\"clerk\", \"auditor\"] }\nGET = { scopes = [\"greet\"] }\n\"/{who}\" = { roles = [\"clerk\"] }\n";
    let server = start(&["hello"], lines);
    assert_eq!(asked(&server, "hello")[0].1, json!({"roles": ["clerk"], "scopes": ["greet"]}));
    for (name, roles, scopes, expected) in [
        ("both", "clerk", "greet", None),
        ("no-scope", "clerk", "", Some("insufficient_scope")),
        ("no-role", "", "greet", Some("forbidden")),
        ("other-role", "auditor", "greet", Some("forbidden")),
    ] {
        let token = server.sign_up(name, roles, scopes).access;
        let answer = server.get_as(&token, "/hello/Ada");
        match expected {
            None => answer.check_text(r#"{"hello":"Ada"}"#),
            Some(code) => answer.check_problem(403, code),
        }
    }
    let missing = server.sign_up("asks", "clerk", "").access;
    server.get_as(&missing, "/hello/Ada").check_challenge("scope=\"greet\"");
}

#[test]
fn a_method_is_closed_also_where_one_route_answers_all() {
    let server = start(&["echo"], "[plugin.echo.access]\nPOST = { roles = [\"clerk\"] }\n");
    let clerk = server.sign_up("ada", "clerk", "").access;
    for (method, path, stranger) in [
        ("GET", "/echo/all/a", 200),
        ("PUT", "/echo/all/a", 200),
        ("POST", "/echo/all/a", 401),
        ("POST", "/echo/all", 401),
        ("POST", "/echo/small", 401),
        ("GET", "/echo/items/1", 200),
    ] {
        assert_eq!(server.send(method, path).status, stranger, "{method} {path}");
        let answer = server.receive(server.request_as(&clerk, method, path));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    }
    let clerks = json!({"roles": ["clerk"]});
    let all = asked(&server, "echo");
    assert!(all.contains(&("POST /echo/all/{*rest}".to_owned(), clerks)), "{all:?}");
    assert!(all.contains(&("ANY /echo/all/{*rest}".to_owned(), json!("public"))), "{all:?}");
}

#[test]
fn head_is_closed_with_get() {
    let server = start(&["hello"], "[plugin.hello.access]\nGET = \"signed-in\"\n");
    assert_eq!(server.send("HEAD", "/hello/Ada").status, 401);
    let answer = server.receive(server.request_as(&administrators_token(), "HEAD", "/hello/Ada"));
    assert_eq!(answer.status, 200);
}

#[test]
fn who_may_not_call_is_told_before_the_body_is_read() {
    let server = start(&["echo"], "[plugin.echo.access]\n\"/small\" = \"signed-in\"\n");
    let head = format!("POST /echo/small HTTP/1.1\r\nhost: {}\r\ncontent-length: 10\r\n\r\n", server.address());
    Connection::exchange(&server, head).check_problem(401, "unauthenticated");
}

#[test]
fn check_says_what_the_server_would() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("private.wasm", &component("private"));
    write("open.toml", b"[plugin.private.access]\n\"GET /\" = \"public\"\n");
    write("close.toml", b"[plugin.private]\nmount = \"/p\"\naccess = { \"/lobby\" = { scopes = [\"a\"] } }\n");
    let check = |config: &str| {
        let arguments = ["check", "--json", "--config", config, "private.wasm"];
        let output = backplane().args(arguments).current_dir(folder.path()).output().expect("the program starts");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
        (output.status.code(), report)
    };
    let (status, report) = check("open.toml");
    let expected = "open.toml:2: [plugin.private.access] \"GET /\" = \"public\" would open what the plugin closes: GET / asks for a signed-in caller; remove that line or name a role";
    assert_eq!((status, &report["reason"]), (Some(1), &json!(expected)), "{report}");
    let (status, report) = check("close.toml");
    assert_eq!(status, Some(0), "{report}");
    let lobby = report["routes"].as_array().and_then(|routes| routes.iter().find(|route| route["path"] == "/p/lobby"));
    assert_eq!(lobby.map(|lobby| &lobby["access"]), Some(&json!({"scopes": ["a"]})), "{report}");
}

#[test]
fn the_access_log_names_who_called() {
    let server = start(&["private", "hello"], "[log]\naccess = \"all\"\n");
    let ada = server.sign_up("ada", "", "").access;
    let subject = server.check_believed(&ada)["subject"].as_str().expect("a text").to_owned();
    let line = |path: &str, id: &str| {
        let request = server.strangers_request("GET", path).header("x-request-id", id);
        let request = if id.starts_with("ada") { request.bearer_auth(&ada) } else { request };
        server.receive(request);
        let line = server.wait_for_log(&format!("\"request_id\":\"{id}\""));
        serde_json::from_str::<Value>(&line).expect("a line of the log is JSON")
    };
    for (path, status) in [("/private", 200), ("/private/ledger", 403), ("/api/auth/me", 200), ("/api/plugins", 403)] {
        let id = format!("ada{}", path.replace('/', "-"));
        let line = line(path, &id);
        assert_eq!((&line["subject"], &line["status"]), (&json!(subject), &json!(status)), "{path}: {line}");
    }
    assert_eq!(line("/hello/Ada", "nobody")["subject"], Value::Null);
}
