//! Who calls, who may, and what of it reaches a guest.

use serde_json::json;

use crate::harness::{Answer, Server};

#[test]
fn identity_routes_are_closed_to_strangers() {
    let server = Server::start(&["identity"]);
    for route in ["signed-in", "roles", "scopes", "both"] {
        let answer = server.get(&format!("/identity/{route}"));
        answer.check_problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")), "{answer:?}");
    }
    // The route lets everybody in, and the handler does not.
    server.get("/identity/decided").check_problem(401, "unauthenticated");
    assert_eq!(server.get("/identity/public").json(), json!(null));
    let seen = server.request("POST", "/identity/seen").header("x-principal", "admin").header("x-other", "1");
    let seen = seen.header("accept", "*/*").send().and_then(Answer::receive).expect("an answer");
    assert_eq!(seen.json(), json!({"caller": null, "headers": [["accept", "*/*"], ["x-principal", "admin"]]}));
}
