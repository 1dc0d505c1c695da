//! Who calls, what the caller holds, and how a route or a handler refuses.

use backplane_sdk::Principal;
use backplane_sdk::testing::{self, TestResponse};
use serde_json::{Value, json};

#[backplane_sdk::plugin]
mod callers {
    use backplane_sdk::prelude::*;
    use serde::Deserialize;

    #[get("/")]
    fn anyone(caller: Principal) -> String {
        caller.subject
    }

    #[get("/orders", scopes("orders:read", "shop"))]
    fn by_scopes(caller: Principal) -> String {
        caller.scopes().join(" ")
    }

    #[get("/admin", roles("admin", "owner"), scopes("shop"))]
    fn by_both(caller: Principal) -> String {
        caller.roles.join(" ")
    }

    #[get("/decided/{id}", public)]
    fn decided(Path(id): Path<String>, caller: Option<Principal>) -> Result<NoContent> {
        let Some(caller) = caller else { return Ok(NoContent) };
        caller.require_scope("orders:write")?;
        if caller.subject != id {
            caller.require_role("admin")?;
        }
        Ok(NoContent)
    }

    #[derive(Deserialize)]
    struct Customer {
        tenant: String,
        #[serde(default)]
        level: u8,
    }

    #[get("/claims", public)]
    fn claims(Claims(customer): Claims<Customer>) -> String {
        format!("{} {}", customer.tenant, customer.level)
    }

    #[get("/claims-or-none", public)]
    fn claims_or_none(customer: Option<Claims<Customer>>) -> String {
        customer.map_or_else(|| "none".into(), |Claims(customer)| customer.tenant)
    }
}

fn get(target: &str, caller: impl Into<Option<Principal>>) -> TestResponse {
    testing::get(target).caller(caller).send::<callers::Plugin>()
}

#[track_caller]
fn check_refusal(response: &TestResponse, status: u16, code: &str) {
    let problem: Value = response.json();
    assert_eq!((response.status(), &problem["code"]), (status, &json!(code)), "{problem}");
}

fn ada(roles: &[&'static str], scopes: &[&'static str]) -> Principal {
    Principal::new("ada", roles.iter().copied()).with_scopes(scopes.iter().copied())
}

#[test]
fn a_route_lets_in_whoever_has_all_scopes_and_one_role() {
    check_refusal(&get("/", None), 401, "unauthenticated");
    assert_eq!(get("/", ada(&[], &[])).text(), "ada");

    check_refusal(&get("/orders", None), 401, "unauthenticated");
    check_refusal(&get("/orders", ada(&["orders:read", "shop"], &[])), 403, "insufficient_scope");
    check_refusal(&get("/orders", ada(&[], &["orders:read"])), 403, "insufficient_scope");
    assert_eq!(get("/orders", ada(&[], &["shop", "x", "orders:read", "x"])).text(), "orders:read shop x");

    check_refusal(&get("/admin", ada(&["admin"], &[])), 403, "insufficient_scope");
    check_refusal(&get("/admin", ada(&["clerk"], &["shop"])), 403, "forbidden");
    check_refusal(&get("/admin", ada(&["clerk"], &[])), 403, "forbidden");
    assert_eq!(get("/admin", ada(&["owner", "clerk"], &["shop"])).text(), "clerk owner");
}

#[test]
fn a_handler_decides_by_what_the_request_is_about() {
    assert_eq!(get("/decided/ada", None).status(), 204);
    assert_eq!(get("/decided/ada", ada(&[], &["orders:write"])).status(), 204);
    check_refusal(&get("/decided/ada", ada(&["admin"], &["orders"])), 403, "insufficient_scope");
    check_refusal(&get("/decided/bob", ada(&[], &["orders:write"])), 403, "forbidden");
    assert_eq!(get("/decided/bob", ada(&["admin"], &["orders:write"])).status(), 204);
}

#[test]
fn claims_are_read_as_a_type() {
    let of_acme = Principal::new("ada", []).with_claims(&json!({ "tenant": "acme", "iss": "elsewhere" }));
    assert_eq!(get("/claims", of_acme.clone()).text(), "acme 0");
    assert_eq!(get("/claims", of_acme.clone().with_claims(&json!({ "level": 7 }))).text(), "acme 7");
    assert_eq!(get("/claims-or-none", of_acme.clone()).text(), "acme");
    assert_eq!(get("/claims-or-none", None).text(), "none");
    check_refusal(&get("/claims", None), 401, "unauthenticated");
    check_refusal(&get("/claims", ada(&[], &[])), 403, "forbidden");
    check_refusal(&get("/claims-or-none", of_acme.with_claims(&json!({ "tenant": 1 }))), 403, "forbidden");
}

#[test]
fn only_a_text_of_names_holds_scopes() {
    #[track_caller]
    fn check(claims: &str, expected: &[&str]) {
        let caller = Principal { claims: claims.into(), ..Principal::new("ada", []) };
        assert_eq!(caller.scopes(), expected, "{claims}");
        assert!(expected.iter().all(|scope| caller.has_scope(scope)), "{claims}");
        assert!(!caller.has_scope("") && !caller.has_scope("a b") && !caller.has_scope("orders"), "{claims}");
    }
    check(r#"{"scope":"b a"}"#, &["b", "a"]);
    check(r#"{"sub":"x","scope":"orders:read"}"#, &["orders:read"]);
    check(r#"{"scope":"\u0061"}"#, &["a"]);
    check(r#"{"scope":" a  b "}"#, &["a", "b"]);
    for nothing in ["{}", "", "[]", r#"{"scope":""}"#, r#"{"scope":["a"]}"#, r#"{"scope":null}"#, r#"{"scopes":"a"}"#] {
        check(nothing, &[]);
    }
    check(r#"{"scope":"a","scope":"b"}"#, &[]);
}

#[test]
#[should_panic(expected = "a scope has no space")]
fn a_test_cannot_give_a_scope_that_no_credential_carries() {
    let _caller = ada(&[], &["orders:read orders:write"]);
}
