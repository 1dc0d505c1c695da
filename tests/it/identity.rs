//! Who may call which route of a plugin, and what the plugin learns of its caller: never a credential.

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Server, Setup, SignIn, check_neighbour};

/// Paths of the fixture, and which of four callers it answers: nobody, somebody without rights, a clerk with one of
/// the scopes, a clerk with both.
const ROUTES: [(&str, [u16; 4]); 6] = [
    ("/identity/public", [200, 200, 200, 200]),
    ("/identity/signed-in", [401, 200, 200, 200]),
    ("/identity/roles", [401, 403, 200, 200]),
    ("/identity/scopes", [401, 403, 200, 200]),
    ("/identity/both", [401, 403, 403, 200]),
    ("/identity/decided", [401, 403, 403, 403]),
];

/// A server with the fixture, and three who are signed in.
struct World {
    server: Server,
    callers: [SignIn; 3],
}

impl World {
    #[track_caller]
    fn with(config: &str) -> Self {
        let server = Setup::new().plugins(&["identity", "hello"]).config(config).start();
        let callers =
            [("nothing", "", ""), ("reader", "clerk", "notes:read"), ("writer", "clerk", "notes:read notes:write")];
        let callers = callers.map(|(name, roles, scopes)| server.sign_up(name, roles, scopes));
        Self { server, callers }
    }

    /// Asks as nobody and as each of the three.
    #[track_caller]
    fn ask_all(&self, path: &str) -> [Answer; 4] {
        let [nothing, reader, writer] = &self.callers;
        let as_caller = |caller: &SignIn| self.server.get_as(&caller.access, path);
        [self.server.get(path), as_caller(nothing), as_caller(reader), as_caller(writer)]
    }
}

#[test]
fn identity_lets_in_whom_each_route_names_and_nobody_else() {
    let world = World::with("");
    for (path, expected) in ROUTES {
        let answers = world.ask_all(path);
        assert_eq!(answers.each_ref().map(|answer| answer.status), expected, "{path}");
        // One of these refusals is the plugin's own.
        if expected[0] == 401 {
            answers[0].check_unauthenticated();
        }
    }
    let [_, nothing, _, _] = world.ask_all("/identity/roles");
    nothing.check_problem(403, "forbidden");
    let [_, nothing, _, _] = world.ask_all("/identity/scopes");
    nothing.check_problem(403, "insufficient_scope");
    nothing.check_challenge("scope=\"notes:read\"");
    // What lacks both is told of the role: no scope would help.
    let [_, nothing, reader, _] = world.ask_all("/identity/both");
    nothing.check_problem(403, "forbidden");
    reader.check_problem(403, "insufficient_scope");
    reader.check_challenge("scope=\"notes:read notes:write\"");
}

#[test]
fn identity_sees_a_verified_caller_and_no_credential() {
    let world = World::with("");
    let writer = &world.callers[2].access;
    let me = world.server.check_believed(writer);
    let seen = world.server.get_as(writer, "/identity/signed-in").json();
    assert_eq!((&seen["subject"], &seen["roles"], &seen["scopes"]), (&me["subject"], &me["roles"], &me["scopes"]));
    for name in ["sub", "iss", "aud"] {
        assert!(!seen["claims"][name].is_null(), "no {name} in {seen}");
    }
    assert!(!seen.to_string().contains(writer.rsplit('.').next().expect("a signature")), "{seen}");
    assert_eq!(world.server.get("/identity/public").json(), Value::Null);
}

#[test]
fn identity_gets_no_header_that_carries_a_credential() {
    let world = World::with("");
    let writer = &world.callers[2].access;
    let signature = writer.rsplit('.').next().expect("a signature");
    let request = world.server.request_as(writer, "POST", "/identity/seen").header("cookie", "session=secret-cookie");
    let request = request.header("proxy-authorization", "Basic secret-proxy").header("accept", "text/plain");
    let seen = world.server.receive(request.header("x-principal", "admin")).json();
    let text = seen.to_string();
    for secret in [signature, "secret-cookie", "secret-proxy"] {
        assert!(!text.contains(secret), "{secret} reached the guest: {text}");
    }
    assert!(text.contains("text/plain"), "what was asked for and is harmless does: {text}");
    // Who calls is nothing that a header says.
    let forged = world.server.strangers_request("POST", "/identity/seen").header("x-principal", "admin");
    assert_eq!(world.server.receive(forged).json()["caller"], Value::Null);
}

#[test]
fn identity_answers_an_api_key_within_its_scopes() {
    let world = World::with("");
    let wanted = json!({"name": "reader", "scopes": ["notes:read"]});
    let key = world.server.send_as(&world.callers[2].access, "POST", "/api/api-keys", &wanted).json();
    let key = key["key"].as_str().expect("the key is shown once");
    for (path, status) in [("signed-in", 200), ("roles", 200), ("scopes", 200), ("both", 403)] {
        assert_eq!(world.server.get_as(key, &format!("/identity/{path}")).status, status, "{path}");
    }
}

#[test]
fn identity_is_closed_by_a_credential_that_is_not_believed_however_public_the_route() {
    let world = World::with("");
    for (path, _) in ROUTES {
        world.server.get_as("not-a-token", path).check_invalid_token();
        let lines = "authorization: Basic YTpi\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
        Connection::exchange(&world.server, request).check_problem(400, "invalid_request");
    }
    // A path that is not there says so first, and a method too: neither says who may call.
    assert_eq!(world.server.get_as("not-a-token", "/identity/nothing").status, 404);
    let answer = world.server.receive(world.server.request_as("not-a-token", "DELETE", "/identity/roles"));
    answer.check_problem(405, "method_not_allowed");
    check_neighbour(&world.server);
}

#[test]
fn an_operator_asks_for_more_of_a_plugin_of_a_method_and_of_a_route() {
    for (access, path, expected) in [
        ("\"*\" = \"signed-in\"", "/identity/public", [401, 200, 200, 200]),
        ("\"GET\" = { roles = [\"clerk\"] }", "/identity/public", [401, 403, 200, 200]),
        ("\"/signed-in\" = { scopes = [\"notes:write\"] }", "/identity/signed-in", [401, 403, 403, 200]),
        ("\"GET /roles\" = { scopes = [\"notes:write\"] }", "/identity/roles", [401, 403, 403, 200]),
        // What it says about one route is nothing about another.
        ("\"/signed-in\" = { scopes = [\"notes:write\"] }", "/identity/public", [200, 200, 200, 200]),
    ] {
        let world = World::with(&format!("[plugin.identity.access]\n{access}\n"));
        let statuses = world.ask_all(path).map(|answer| answer.status);
        assert_eq!(statuses, expected, "{access} {path}");
        check_neighbour(&world.server);
    }
}

#[test]
fn an_operator_who_asks_for_less_is_told_which_line_to_change() {
    for access in [
        "\"/signed-in\" = \"public\"",
        "\"*\" = \"public\"",
        "\"GET /roles\" = { roles = [\"guest\"] }",
        "\"/roles\" = { roles = [\"clerk\", \"admin\", \"guest\"] }",
    ] {
        let config = format!("[plugin.identity.access]\n{access}\n");
        let server = Setup::new().plugins(&["identity", "hello"]).config(&config).start();
        let reason = server.wait_for_refusal("identity.wasm");
        assert!(reason.contains("plugin.identity.access"), "{access}: {reason}");
        assert_eq!(server.get("/identity/signed-in").status, 404);
        check_neighbour(&server);
    }
}

#[test]
fn private_says_nothing_about_who_may_call_to_who_does_not_know_its_paths() {
    let server = Server::start(&["private"]);
    server.get("/private/nothing/there").check_problem(404, "not_found");
    server.send("PUT", "/private/ledger").check_problem(405, "method_not_allowed");
    server.get("/private/ledger").check_unauthenticated();
    let clerk = server.sign_up("ada", "clerk", "").access;
    let subject = server.check_believed(&clerk)["subject"].as_str().expect("text").to_owned();
    for path in ["/private", "/private/ledger", "/private/lobby"] {
        server.get_as(&clerk, path).check_text(&subject);
    }
}

#[test]
fn identity_tells_a_stranger_from_what_a_stranger_says() {
    let server = Server::start(&["identity"]);
    let seen = server.request("POST", "/identity/seen").header("x-principal", "admin").header("x-other", "1");
    let seen = server.receive(seen.header("accept", "*/*")).json();
    assert_eq!(seen, json!({"caller": null, "headers": [["accept", "*/*"], ["x-principal", "admin"]]}));
    // The route lets everybody in, and the handler does not.
    server.get("/identity/decided").check_problem(401, "unauthenticated");
}
