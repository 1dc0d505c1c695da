//! What a plugin says about itself is checked before any of its code runs.

use crate::harness::{Server, check_neighbour, component, with_manifest, with_text};

/// Drops a component with that manifest, and checks that it is refused with each of the reasons.
#[track_caller]
fn check_refused(manifest: &str, reasons: &[&str]) {
    let server = Server::start(&["hello"]);
    server.put("bad.wasm", &with_manifest(manifest));
    let why = server.wait_for_refusal("bad.wasm");
    for reason in reasons {
        assert!(why.contains(reason), "`{reason}` is not in: {why}");
    }
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn refuses_a_manifest_that_is_not_json() {
    check_refused("name = \"orders\"", &["manifest is not valid"]);
}

#[test]
fn refuses_an_api_of_the_future() {
    check_refused(r#"{"api":"9.4","name":"a","version":"1.0.0"}"#, &["9.4", "needs host >= api 9.4"]);
}

#[test]
fn refuses_two_routes_for_the_same_requests() {
    let routes = r#"[{"method":"GET","path":"/{id}"},{"method":"GET","path":"/{name}"}]"#;
    let manifest = format!(r#"{{"api":"1.0","name":"a","version":"1.0.0","routes":{routes}}}"#);
    check_refused(&manifest, &["routes[1]", "a second time"]);
}

#[test]
fn refuses_a_path_that_no_request_can_have() {
    for path in ["orders", "/a//b", "/../etc", "/a b", "/{a", "/{*rest}/more"] {
        let routes = format!(r#"[{{"method":"GET","path":"{path}"}}]"#);
        let manifest = format!(r#"{{"api":"1.0","name":"a","version":"1.0.0","routes":{routes}}}"#);
        check_refused(&manifest, &["routes[0].path"]);
    }
}

#[test]
fn refuses_a_name_that_belongs_to_the_host() {
    let server = Server::start(&["hello"]);
    server.put("console.wasm", &with_text("private", r#""name":"private""#, r#""name":"console""#));
    let why = server.wait_for_refusal("console.wasm");
    assert!(why.contains("/console") && why.contains("belongs to the host"), "{why}");
    check_neighbour(&server);
}

#[test]
fn refuses_a_name_that_another_plugin_has() {
    let server = Server::start(&["hello"]);
    server.put("other.wasm", &component("hello"));
    let why = server.wait_for_refusal("other.wasm");
    assert!(why.contains("`hello`") && why.contains("hello.wasm"), "{why}");
    check_neighbour(&server);
    // It takes over when the name is free.
    server.remove("hello.wasm");
    crate::harness::wait_until("the other file to take over", || {
        server.get("/api/plugins/hello").json()["file"] == "other.wasm"
    });
    check_neighbour(&server);
}

#[test]
fn refuses_routes_that_another_plugin_answers() {
    let config = "[plugin.hello-reused]\nmount = \"/hello\"\n";
    let server = crate::harness::Setup::new().plugins(&["hello"]).config(config).start();
    server.put("hello-reused.wasm", &component("hello-reused"));
    let why = server.wait_for_refusal("hello-reused.wasm");
    assert!(why.contains("plugin `hello-reused` claims `/hello/{name}`, which `hello` already answers"), "{why}");
    check_neighbour(&server);
    // What was in its way goes, and it takes over without being dropped again.
    server.remove("hello.wasm");
    crate::harness::wait_until("the plugin to take over", || {
        server.list().iter().any(|view| view["name"] == "hello-reused" && view["state"] == "live")
    });
    server.get("/hello/Ada").check_text("{\"hello\":\"Ada\"}");
    server.check_health();
}

#[test]
fn refuses_routes_without_a_handler() {
    let manifest = r#"{"api":"1.0","name":"a","version":"1.0.0","routes":[{"method":"GET","path":"/"}]}"#;
    check_refused(manifest, &["does not export `backplane:plugin/http-handler"]);
}

#[test]
fn refuses_subscriptions_and_schedules_without_a_handler() {
    let manifest = |rest: &str| format!(r#"{{"api":"1.0","name":"a","version":"1.0.0",{rest}}}"#);
    let subscriptions = manifest(r#""subscriptions":[{"pattern":"a"}]"#);
    check_refused(&subscriptions, &["manifest lists subscriptions", "export `backplane:plugin/event-handler"]);
    let schedules = manifest(r#""schedules":[{"handler":"f","every_ms":1000}]"#);
    check_refused(&schedules, &["manifest lists schedules", "export `backplane:plugin/schedule-handler"]);
}

#[test]
fn warns_of_an_unknown_field_and_takes_the_plugin() {
    let server = Server::start(&["hello"]);
    server.put("later.wasm", &with_manifest(r#"{"api":"1.0","name":"later","version":"1.0.0","colour":"red"}"#));
    server.wait_for_status("/api/plugins/later", 200);
    assert_eq!(server.get("/api/plugins/later").json()["state"], "live");
    server.wait_for_log("`colour` is unknown and ignored");
}

#[test]
fn takes_a_manifest_beside_a_component_that_has_none() {
    let server = Server::start(&["hello"]);
    server.put("beside.toml", b"api = \"1.0\"\nname = \"beside\"\nversion = \"1.0.0\"\n");
    server.put("beside.wasm", b"\0asm\x0d\0\x01\0");
    server.wait_for_status("/api/plugins/beside", 200);
    assert_eq!(server.get("/api/plugins/beside").json()["version"], "1.0.0");
}
