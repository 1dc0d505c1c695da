//! Tests of manifest parsing: text in, verdict out.

use super::*;

fn manifest(rest: &str) -> String {
    format!(r#"{{"api":"1.0","name":"orders","version":"1.2.3"{rest}}}"#)
}

fn check(text: &str) -> String {
    match Manifest::from_json(text.as_bytes()) {
        Ok(Parsed { warnings, .. }) => format!("ok {}", warnings.join("; ")),
        Err(error) => error.to_string(),
    }
}

fn check_route(path: &str) -> String {
    check(&manifest(&format!(r#","routes":[{{"method":"GET","path":"{path}"}}]"#)))
}

#[test]
fn reads_defaults() {
    let text = manifest(r#","routes":[{"method":"GET","path":"/{id}"},{"method":"POST","path":"/"}]"#);
    let parsed = Manifest::from_json(text.as_bytes()).expect("the manifest is valid");
    assert_eq!(parsed.warnings, Vec::<String>::new());
    let [show, create] = &parsed.manifest.routes[..] else { panic!("two routes") };
    assert_eq!((show.transaction, &show.access), (Transaction::Read, &Access::SignedIn));
    assert_eq!(create.transaction, Transaction::Write);
    assert_eq!(parsed.manifest.instance, InstanceMode::Fresh);
}

#[test]
fn reads_every_form_of_access() {
    for (access, expected) in [
        (r#""public""#, Access::Public),
        (r#""signed-in""#, Access::SignedIn),
        (r#"{"roles":["clerk"]}"#, Access::Restricted { roles: vec!["clerk".into()], scopes: vec![] }),
        (r#"{"scopes":["orders:read"]}"#, Access::Restricted { roles: vec![], scopes: vec!["orders:read".into()] }),
    ] {
        let text = manifest(&format!(r#","routes":[{{"method":"GET","path":"/","access":{access}}}]"#));
        let parsed = Manifest::from_json(text.as_bytes()).expect("the manifest is valid");
        assert_eq!(parsed.manifest.routes[0].access, expected);
    }
    let verdict = check(&manifest(r#","routes":[{"method":"GET","path":"/","access":"anyone"}]"#));
    assert!(verdict.contains("`routes[0].access` must be"), "{verdict}");
}

#[test]
fn warns_of_unknown_fields_and_goes_on() {
    let verdict = check(&manifest(r#","colour":"red","routes":[{"method":"GET","path":"/","speed":1}]"#));
    assert!(verdict.starts_with("ok"), "{verdict}");
    assert!(verdict.contains("`colour`") && verdict.contains("`routes[0].speed`"), "{verdict}");
}

#[test]
fn names_the_host_that_an_unsupported_api_needs() {
    for (api, needed) in [("1.1", "needs host >= api 1.1"), ("2.0", "host >= api 2.0"), ("0.9", "a host of api 0.x")] {
        let verdict = check(&format!(r#"{{"api":"{api}","shape":"unknown"}}"#));
        assert!(verdict.contains(needed), "{verdict}");
    }
    assert!(check(r#"{"name":"x"}"#).contains("`api` is missing"));
    assert!(check(r#"{"api":1}"#).contains("major.minor"));
}

#[test]
fn refuses_what_is_not_json() {
    assert!(check("{").contains("not valid"));
    assert!(check("[]").contains("`api` is missing"));
    assert!(check(&" ".repeat(MANIFEST_BYTES_MAX + 1)).contains("more than 65536"));
}

#[test]
fn refuses_two_routes_that_match_the_same_requests() {
    let twice = r#","routes":[{"method":"GET","path":"/{a}"},{"method":"GET","path":"/{b}"}]"#;
    assert!(check(&manifest(twice)).contains("routes[1]` lists GET /{b} a second time"));
    let other_method = r#","routes":[{"method":"GET","path":"/{a}"},{"method":"PUT","path":"/{a}"}]"#;
    assert!(check(&manifest(other_method)).starts_with("ok"));
}

#[test]
fn refuses_bad_paths() {
    for path in
        ["", "orders", "//", "/a/", "/a//b", "/{", "/{}", "/{1}", "/a{b}", "/{*r}/x", "/{a}/{a}", "/..", "/a b", "/%41"]
    {
        assert!(check_route(path).contains("routes[0].path"), "{path}: {}", check_route(path));
    }
    for path in ["/", "/a", "/{id}", "/a/{id}/b", "/{*rest}", "/a/{id}/{*rest}", "/v1.0/~x"] {
        assert!(check_route(path).starts_with("ok"), "{path}: {}", check_route(path));
    }
}

#[test]
fn refuses_headers_that_carry_credentials() {
    for header in ["authorization", "cookie", "Accept", "a b", ""] {
        let text = manifest(&format!(r#","routes":[{{"method":"GET","path":"/","headers":["{header}"]}}]"#));
        assert!(check(&text).contains("routes[0].headers"), "{header}");
    }
}

#[test]
fn refuses_a_default_of_another_type() {
    let verdict = check(&manifest(r#","config":[{"key":"limit","type":"integer","default":"5"}]"#));
    assert!(verdict.contains("config[0].default"), "{verdict}");
}

#[test]
fn reads_toml_like_json() {
    let text = "api = '1.0'\nname = 'orders'\nversion = '1.2.3'\n[[routes]]\nmethod = 'GET'\npath = '/'\n";
    let from_toml = Manifest::from_toml(text).expect("valid TOML");
    let json = manifest(r#","routes":[{"method":"GET","path":"/"}]"#);
    assert_eq!(from_toml, Manifest::from_json(json.as_bytes()).expect("valid JSON"));
}
