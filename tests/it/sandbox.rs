//! What a guest cannot reach, and who cannot reach a guest.

use serde_json::json;

use crate::harness::{Server, check_neighbour};

#[test]
fn outsider_finds_no_file_no_environment_and_no_input() {
    let server = Server::start(&["outsider"]);
    let answer = server.get("/outsider");
    let nothing = json!({"files": [], "variables": [], "arguments": [], "input_bytes": 0, "wrote": false});
    assert_eq!((answer.status, answer.json()), (200, nothing));
    assert!(!std::path::Path::new("/tmp/from-a-guest").exists());
}

#[test]
fn sockets_keep_a_plugin_from_being_loaded() {
    let server = Server::start(&["sockets", "hello"]);
    let reason = server.wait_for_refusal("sockets.wasm");
    assert!(reason.contains("imports `wasi:sockets/") && reason.contains("does not offer"), "{reason}");
    assert_eq!(server.get("/sockets/80").status, 404);
    check_neighbour(&server);
}

#[test]
fn private_routes_are_closed_to_strangers() {
    let server = Server::start(&["private"]);
    for path in ["/private", "/private/ledger"] {
        let answer = server.get(path);
        answer.check_problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
    }
    let forged = server.request("GET", "/private").bearer_auth("admin").header("x-principal", "admin");
    assert_eq!(forged.send().expect("an answer").status().as_u16(), 401);
    server.get("/private/lobby").check_text("a stranger");
}
