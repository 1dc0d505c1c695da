//! Settings on their way from the operator to a guest.

use serde_json::json;

use crate::harness::{Answer, Server, Setup};

#[track_caller]
fn start(config: &str) -> Server {
    Setup::new().plugins(&["config-reader"]).config(config).start()
}

#[test]
fn config_reader_gets_what_the_operator_wrote() {
    let config = "[plugin.config-reader]\nconfig = { greeting = \"Moin\", times = 7, names = [\"Ada\"] }\n";
    let seen = start(config).get("/config-reader").json();
    assert_eq!(seen, json!({"greeting": "Moin", "times": 7, "names": ["Ada"]}));
}

#[test]
fn config_reader_gets_defaults_for_the_rest() {
    let server = start("[plugin.config-reader.config]\ngreeting = \"Moin\"\n");
    assert_eq!(server.get("/config-reader").json(), json!({"greeting": "Moin", "times": 3, "names": null}));
}

#[test]
fn config_reader_is_refused_without_what_it_requires() {
    let reason = start("").wait_for_refusal("config-reader.wasm");
    assert!(reason.contains("`greeting` is missing") && reason.contains("[plugin.config-reader"), "{reason}");
}

#[test]
fn config_reader_is_refused_with_a_value_of_another_type() {
    let config = "[plugin.config-reader.config]\ngreeting = \"Moin\"\ntimes = \"often\"\n";
    let reason = start(config).wait_for_refusal("config-reader.wasm");
    assert!(reason.contains("`times` is \"often\", but must be"), "{reason}");
}

#[test]
fn config_reader_is_refused_with_a_setting_that_it_does_not_have() {
    let config = "[plugin.config-reader.config]\ngreeting = \"Moin\"\ngreting = \"Moin\"\n";
    let reason = start(config).wait_for_refusal("config-reader.wasm");
    assert!(reason.contains("`greting`") && reason.contains("greeting"), "{reason}");
}

#[test]
fn a_plugin_answers_where_the_operator_mounts_it() {
    let server = Setup::new().plugins(&["hello"]).config("[plugin.hello]\nmount = \"/greet/people\"\n").start();
    server.get("/greet/people/Ada").check_text(r#"{"hello":"Ada"}"#);
    assert_eq!(server.get("/hello/Ada").status, 404);
}

#[test]
fn what_a_plugin_makes_is_where_it_says_wherever_it_is_mounted() {
    for mount in ["/orders", "/shop/orders", "/"] {
        let server =
            Setup::new().plugins(&["orders"]).config(&format!("[plugin.orders]\nmount = \"{mount}\"\n")).start();
        let order = json!({"customer": "Ada", "lines": [{"item": "bread", "quantity": 1, "unit_price": 350}]});
        let created = server.request("POST", mount).json(&order).send().and_then(Answer::receive).expect("an answer");
        let location = created.header("location").expect("a created order is somewhere");
        let expected = format!("{}/{}", mount.trim_end_matches('/'), created.json()["id"].as_str().expect("an id"));
        assert_eq!((created.status, location), (201, expected.as_str()));
        assert_eq!(server.get(location).json(), created.json());
    }
}

#[test]
fn a_disabled_plugin_answers_nothing_and_the_list_says_why() {
    let server = Setup::new().plugins(&["hello"]).config("[plugin.hello]\ndisabled = true\n").start();
    assert_eq!(server.get("/hello/Ada").status, 404);
    let reason = server.wait_for_refusal("hello.wasm");
    assert!(reason.contains("disabled"), "{reason}");
}

#[test]
fn an_operators_bound_wins_over_the_plugins() {
    let config = "[plugin.slow-handler]\ntimeout = \"100ms\"\n";
    let server = Setup::new().plugins(&["slow-handler"]).config(config).start();
    server.get("/slow-handler/5000").check_problem(504, "plugin_timeout");
}
