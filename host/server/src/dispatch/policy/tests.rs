//! What a plugin says joined with what an operator says: data in, verdict out.

use std::collections::BTreeMap;

use backplane_auth::{Decision, Principal, PrincipalKind, PrincipalParts};
use backplane_runtime::PluginName;

use super::*;
use crate::config::{Config, Sources};

/// Routes of every kind: open, closed, for a role, and one for every method.
const ROUTES: &str = r#"
    {"method":"GET","path":"/","access":"public"},
    {"method":"POST","path":"/"},
    {"method":"GET","path":"/{id}","access":{"roles":["clerk","admin"]}},
    {"method":"ANY","path":"/all/{*rest}","access":"public"},
    {"method":"PUT","path":"/all/{*rest}","access":"public"}
"#;

fn manifest(routes: &str) -> Manifest {
    let json = format!(r#"{{"api":"1.0","name":"orders","version":"1.0.0","routes":[{routes}]}}"#);
    Manifest::from_json(json.as_bytes()).expect("a valid manifest").manifest
}

fn config(lines: &str) -> Config {
    let sources = Sources { file_name: "b.toml".into(), file: lines.to_owned(), ..Sources::default() };
    Config::load(sources).expect("the configuration is right")
}

fn join_routes(routes: &str, lines: &str) -> Result<Policy, PolicyError> {
    let config = config(lines);
    let plugin = config.plugin.get(&PluginName::new("orders").expect("a name"));
    Policy::join(&manifest(routes), plugin, &RateLimits::new(&config))
}

fn join(lines: &str) -> Result<Policy, PolicyError> {
    join_routes(ROUTES, &format!("[plugin.orders.access]\n{lines}"))
}

fn names(scope: &str) -> Names {
    Names::new(scope.split_whitespace()).expect("names")
}

fn signed_in(roles: &str, scopes: &str) -> Access {
    Access::SignedIn { roles_any: names(roles), scopes_all: names(scopes) }
}

/// Checks what is asked for at each method of a route.
#[track_caller]
fn check(lines: &str, route: usize, expected: &[(Method, Access)]) {
    let policy = join(lines).unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<_> = policy.of_route(route).iter().map(|policy| (policy.method, policy.access.clone())).collect();
    assert_eq!(found, expected, "{lines}");
}

#[track_caller]
fn check_refusal(lines: &str, expected: &str) {
    assert_eq!(join(lines).expect_err("refused").to_string(), expected);
}

#[test]
fn without_a_line_holds_what_the_plugin_says() {
    check("", 0, &[(Method::Get, Access::Public)]);
    check("", 1, &[(Method::Post, Access::signed_in())]);
    check("", 2, &[(Method::Get, signed_in("clerk admin", ""))]);
    check("", 3, &[(Method::Any, Access::Public)]);
}

#[test]
fn every_line_about_a_route_holds() {
    check("'*' = 'signed-in'", 0, &[(Method::Get, Access::signed_in())]);
    let lines = "'*' = { scopes = ['a'] }\nGET = { roles = ['admin', 'clerk'] }\n'GET /{order}' = { roles = ['admin'], scopes = ['b'] }";
    check(lines, 0, &[(Method::Get, signed_in("admin clerk", "a"))]);
    check(lines, 1, &[(Method::Post, signed_in("", "a"))]);
    check(lines, 2, &[(Method::Get, signed_in("admin", "a b"))]);
    check("'/' = { roles = ['ops'] }", 1, &[(Method::Post, signed_in("ops", ""))]);
    check("'GET /' = 'public'", 0, &[(Method::Get, Access::Public)]);
}

#[test]
fn a_method_is_closed_also_where_one_route_answers_all() {
    let admin = || signed_in("admin", "");
    let open_rest = |method| [(Method::Any, Access::Public), (method, admin())];
    check("POST = { roles = ['admin'] }", 3, &open_rest(Method::Post));
    check("'DELETE /all/{*x}' = { roles = ['admin'] }", 3, &open_rest(Method::Delete));
    // Another route answers these.
    check("PUT = { roles = ['admin'] }", 3, &[(Method::Any, Access::Public)]);
    check("PUT = { roles = ['admin'] }", 4, &[(Method::Put, admin())]);
    check("ANY = { roles = ['admin'] }", 3, &[(Method::Any, admin())]);
    check("ANY = { roles = ['admin'] }\nGET = 'signed-in'", 3, &[(Method::Any, admin()), (Method::Get, admin())]);
}

#[test]
fn head_is_get_without_the_content() {
    let routes = r#"{"method":"HEAD","path":"/","access":"public"}"#;
    let policy = join_routes(routes, "[plugin.orders.access]\nGET = 'signed-in'").expect("a policy");
    assert_eq!(policy.of_route(0)[0].access, Access::signed_in());
}

#[test]
fn refuses_a_line_that_would_open_something() {
    check_refusal(
        "'POST /' = 'public'",
        r#"b.toml:2: [plugin.orders.access] "POST /" = "public" would open what the plugin closes: POST / asks for a signed-in caller; remove that line or name a role"#,
    );
    check_refusal(
        "\n'/{id}' = { roles = ['guest', 'clerk'] }",
        r#"b.toml:3: [plugin.orders.access] "/{id}" = { roles = ["guest", "clerk"] } would let in whom the plugin keeps out: GET /{id} is for `admin`, `clerk` and not for `guest`; remove that line or name some of those"#,
    );
    assert!(join("'*' = 'public'").is_err());
}

#[test]
fn refuses_lines_that_do_not_go_together() {
    check_refusal(
        "'*' = 'signed-in'\n'GET /' = 'public'",
        r#"b.toml:3: [plugin.orders.access] "GET /" = "public" changes nothing: b.toml:2: [plugin.orders.access] "*" asks for more at GET /, and all lines about a route hold; remove one of the two"#,
    );
    check_refusal(
        "GET = { roles = ['clerk'] }\n'/' = { roles = ['admin'] }\n'/{id}' = { roles = ['clerk'] }",
        r#"b.toml:3: [plugin.orders.access] "/" and b.toml:2: [plugin.orders.access] "GET" name different roles for GET /, and all lines about a route hold; name in one of them only roles that the other one names"#,
    );
}

#[test]
fn refuses_a_line_about_no_route() {
    for (lines, hint) in [
        (
            "'GET /{id}/lines' = 'signed-in'",
            r#"its routes are GET /, POST /, GET /{id}, ANY /all/{*rest}, PUT /all/{*rest}"#,
        ),
        ("'ANY /al/{*rest}' = 'signed-in'", r#"did you mean "ANY /all/{*rest}"?"#),
        ("'/al/{*rest}' = 'signed-in'", r#"did you mean "/all/{*rest}"?"#),
        ("'DELETE /' = 'signed-in'", r#"its routes are"#),
    ] {
        let error = join(lines).expect_err("refused").to_string();
        assert!(error.contains("is about no route of the plugin: ") && error.contains(hint), "{error}");
    }
    let limited = "[plugin.orders.rate_limit.routes]\n'POST /{id}' = { per_caller = '1/s' }";
    let error = join_routes(ROUTES, limited).expect_err("refused").to_string();
    assert!(
        error.starts_with(r#"b.toml:2: [plugin.orders.rate_limit.routes] "POST /{id}" is about no route"#),
        "{error}"
    );
}

#[test]
fn the_order_of_the_lines_does_not_matter() {
    let (wide, narrow) = ("{ roles = ['a', 'b', 'c'] }", "{ roles = ['b'], scopes = ['s'] }");
    let middle = "{ roles = ['b', 'c'] }";
    for [any, path, method] in [[wide, middle, narrow], [narrow, wide, middle], [middle, narrow, wide]] {
        let lines = format!("'*' = {any}\n'/' = {path}\nPOST = {method}");
        let policy = join_routes(r#"{"method":"POST","path":"/"}"#, &format!("[plugin.orders.access]\n{lines}"));
        assert_eq!(policy.expect("a policy").of_route(0)[0].access, signed_in("b", "s"), "{lines}");
    }
}

fn caller(roles: &str, scopes: &str) -> Principal {
    Principal::new(PrincipalParts {
        subject: "u1".into(),
        kind: PrincipalKind::User,
        roles: names(roles),
        scopes: names(scopes),
        session: None,
        claims: "{}".into(),
    })
}

/// Whoever passes a policy passes the plugin and every line, whatever these are: for every plugin's word, two lines and
/// a caller, made of two roles and two scopes.
#[test]
fn what_is_joined_is_never_weaker_than_the_plugin_or_any_line() {
    let sets = ["", "a", "b", "a b"];
    let mut all = vec![Access::Public];
    all.extend(sets.iter().flat_map(|roles| sets.iter().map(|scopes| signed_in(roles, scopes))));
    let mut callers = vec![None];
    callers.extend(sets.iter().flat_map(|roles| sets.iter().map(|scopes| Some(caller(roles, scopes)))));
    let manifest = manifest(r#"{"method":"GET","path":"/"}"#);
    let route = &Answers::of_route(&manifest.routes[0]);
    let place = Place { file: String::new(), line: None, table: String::new(), key: String::new() };
    let rule = |access: &Access| AccessRule {
        place: place.clone(),
        written: String::new(),
        selects: RouteSelector { method: None, path: None },
        requires: access.clone(),
    };
    let (mut joined_count, mut refused) = (0, BTreeMap::<bool, u32>::new());
    for plugin in &all {
        for (first, second) in all.iter().flat_map(|first| all.iter().map(move |second| (first, second))) {
            let rules = [rule(first), rule(second)];
            let Ok(joined) = join_access(route, plugin, rules.iter()) else {
                *refused.entry(*plugin == Access::Public).or_default() += 1;
                continue;
            };
            joined_count += 1;
            for caller in &callers {
                let passes = |access: &Access| access.decide(caller.as_ref()) == Decision::Allow;
                let all_pass = passes(plugin) && passes(first) && passes(second);
                assert_eq!(passes(&joined), all_pass, "{plugin:?} {first:?} {second:?} {caller:?}");
            }
        }
    }
    assert!(joined_count > 1000 && refused.len() == 2, "{joined_count} {refused:?}");
}

#[test]
fn limits_are_those_of_the_lines_then_the_plugin_then_the_server() {
    let lines = r#"
        rate_limit.per_caller = "1/s"
        plugin.orders.rate_limit.per_address = "2/s"
        plugin.orders.rate_limit.routes = { POST = { per_caller = "3/s" }, "/" = { per_address = "4/s" } }
    "#;
    let policy = join_routes(ROUTES, lines).expect("a policy");
    let count = |route: usize| policy.of_route(route).iter().map(|policy| policy.limits.len()).collect::<Vec<_>>();
    assert_eq!((count(0), count(1), count(2)), (vec![3], vec![4], vec![2]));
    assert_eq!((count(3), count(4)), (vec![2, 3], vec![2]));
    let shared = |a: usize, b: usize| {
        let first = |route: usize| &policy.of_route(route)[0].limits[0];
        Arc::ptr_eq(first(a), first(b))
    };
    assert!(shared(0, 1) && !shared(0, 2));
    assert!(join_routes(ROUTES, "").expect("a policy").of_route(1)[0].limits.is_empty());
}

const SERVICES: &str = r#""grpc":[
    {"service":"orders.v1.Orders","methods":[{"name":"Place"},{"name":"Look","access":"public"}]},
    {"service":"orders.v1.Stock","methods":[{"name":"Count","access":{"roles":["clerk","admin"]}}]}
]"#;

fn join_services(lines: &str) -> Result<Policy, PolicyError> {
    let config = config(lines);
    let json = format!(
        r#"{{"api":"1.0","name":"orders","version":"1.0.0","routes":[{{"method":"GET","path":"/"}}],{SERVICES}}}"#
    );
    let manifest = Manifest::from_json(json.as_bytes()).expect("a valid manifest").manifest;
    let plugin = config.plugin.get(&PluginName::new("orders").expect("a name"));
    Policy::join(&manifest, plugin, &RateLimits::new(&config))
}

#[test]
fn a_method_of_grpc_is_a_post_to_its_path() {
    let access = |lines: &str| {
        let policy =
            join_services(&format!("[plugin.orders.access]\n{lines}")).unwrap_or_else(|error| panic!("{error}"));
        [0, 1, 2].map(|index| policy.of_method(index).expect("a method").access.clone())
    };
    let clerks = signed_in("clerk admin", "");
    assert_eq!(access(""), [signed_in("", ""), Access::Public, clerks.clone()]);
    assert_eq!(access("'*' = 'signed-in'"), [signed_in("", ""), signed_in("", ""), clerks.clone()]);
    let scoped = signed_in("", "a");
    assert_eq!(access("POST = { scopes = ['a'] }"), [scoped.clone(), scoped, signed_in("clerk admin", "a")]);
    let admins = signed_in("admin", "");
    assert_eq!(access("'/orders.v1.Orders/Look' = { roles = ['admin'] }"), [signed_in("", ""), admins.clone(), clerks]);
    assert_eq!(access("'POST /orders.v1.Stock/Count' = { roles = ['admin'] }")[2], admins);
    assert!(join_services("").expect("a policy").of_method(3).is_none());
}

#[test]
fn a_line_about_a_method_is_refused_as_one_about_a_route() {
    let refusal = |lines: &str| {
        let joined = join_services(&format!("[plugin.orders.access]\n{lines}"));
        joined.expect_err("refused").to_string()
    };
    let opens = refusal("'/orders.v1.Orders/Place' = 'public'");
    assert!(opens.contains("would open what the plugin closes: /orders.v1.Orders/Place asks"), "{opens}");
    let lets_in = refusal("'/orders.v1.Stock/Count' = { roles = ['ops'] }");
    assert!(lets_in.contains("/orders.v1.Stock/Count is for"), "{lets_in}");
    let misspelt = refusal("'/orders.v1.Orders/Plac' = 'signed-in'");
    assert!(misspelt.contains(r#"did you mean "/orders.v1.Orders/Place"?"#), "{misspelt}");
    assert!(refusal("'GET /orders.v1.Orders/Place' = 'signed-in'").contains("is about no route"));
}

#[test]
fn a_method_has_the_limits_of_the_lines_about_it() {
    let lines = r#"
        plugin.orders.rate_limit.per_address = "2/s"
        plugin.orders.rate_limit.routes = { "/orders.v1.Orders/Look" = { per_caller = "3/s" } }
    "#;
    let policy = join_services(lines).expect("a policy");
    assert_eq!([0, 1, 2].map(|index| policy.of_method(index).expect("a method").limits.len()), [1, 2, 1]);
}
