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
fn reads_what_is_published_and_handled() {
    let text = manifest(
        r#","publishes":["orders.*","audit"],
        "subscriptions":[{"pattern":"payments.settled"},{"pattern":"*","handler":"log","attempts":100}],
        "schedules":[{"handler":"tidy","every_ms":300000,"missed":"once"},
                     {"handler":"report","cron":"0 3 * * *","zone":"Europe/Berlin"},{"handler":"beat","cron":"@daily"}]"#,
    );
    let Parsed { manifest, warnings } = Manifest::from_json(text.as_bytes()).expect("the manifest is valid");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(manifest.publishes.iter().map(TopicPattern::as_str).collect::<Vec<_>>(), ["orders.*", "audit"]);
    let handled = |n: usize| (manifest.subscriptions[n].handler.as_str(), manifest.subscriptions[n].attempts);
    assert_eq!((handled(0), handled(1)), (("", 12), ("log", 100)));
    let cron = |pattern: &str, zone: &str| Timing::Cron { pattern: pattern.to_owned(), zone: zone.to_owned() };
    let schedule = |n: usize| (manifest.schedules[n].timing.clone(), manifest.schedules[n].missed);
    assert_eq!(schedule(0), (Timing::Every { every: Duration::from_mins(5) }, Missed::Once));
    assert_eq!(schedule(1), (cron("0 3 * * *", "Europe/Berlin"), Missed::Skip));
    assert_eq!(schedule(2).0, cron("@daily", "UTC"));
}

#[test]
fn writes_events_and_schedules_as_it_reads_them() {
    let rest = r#","subscriptions":[{"pattern":"a.*","handler":"f","attempts":3}],"publishes":["b"],
        "schedules":[{"handler":"g","every_ms":1000,"missed":"skip"},
                     {"handler":"h","cron":"* * * * *","zone":"UTC","missed":"once"}]"#;
    let given: serde_json::Value = serde_json::from_str(&manifest(rest)).expect("JSON");
    let parsed = Manifest::from_json(manifest(rest).as_bytes()).expect("the manifest is valid").manifest;
    let written = serde_json::to_value(parsed).expect("JSON");
    for field in ["publishes", "subscriptions", "schedules"] {
        assert_eq!(written[field], given[field], "{field}");
    }
}

#[test]
fn refuses_topics_subscriptions_and_schedules_that_cannot_be() {
    let many = format!(r#""publishes":[{}]"#, vec![r#""a""#; PUBLISHES_MAX + 1].join(","));
    for (rest, place) in [
        (r#""publishes":["a.*.b"]"#, "publishes[0]"),
        (&many, "`publishes` has 101"),
        (r#""subscriptions":[{"handler":"f"}]"#, "subscriptions[0]"),
        (r#""subscriptions":[{"pattern":"A"}]"#, "subscriptions[0].pattern"),
        (r#""subscriptions":[{"pattern":"a"},{"pattern":"a"}]"#, "subscriptions[1]` lists `a` a second"),
        (r#""subscriptions":[{"pattern":"a","attempts":0}]"#, "subscriptions[0].attempts"),
        (r#""subscriptions":[{"pattern":"a","attempts":101}]"#, "subscriptions[0].attempts"),
        (r#""schedules":[{"every_ms":1000}]"#, "schedules[0]"),
        (r#""schedules":[{"handler":"","every_ms":1000}]"#, "schedules[0].handler"),
        (r#""schedules":[{"handler":"f"}]"#, "one of `every_ms` and `cron`"),
        (r#""schedules":[{"handler":"f","every_ms":1000,"cron":"* * * * *"}]"#, "one of `every_ms` and `cron`"),
        (r#""schedules":[{"handler":"f","every_ms":999}]"#, "schedules[0].every_ms"),
        (r#""schedules":[{"handler":"f","every_ms":31622400001}]"#, "schedules[0].every_ms"),
        (r#""schedules":[{"handler":"f","cron":"x","missed":"twice"}]"#, "schedules[0]"),
        (r#""schedules":[{"handler":"f","cron":"x"},{"handler":"f","cron":"y"}]"#, "schedules[1]` lists `f` a second"),
    ] {
        let verdict = check(&manifest(&format!(",{rest}")));
        assert!(verdict.contains(place), "{rest}: {verdict}");
    }
    let odd = check(&manifest(r#","subscriptions":[{"pattern":"a","colour":1}],"schedules":[]"#));
    assert!(odd.starts_with("ok") && odd.contains("`subscriptions[0].colour`"), "{odd}");
}

#[test]
fn reads_toml_like_json() {
    let text = "api = '1.0'\nname = 'orders'\nversion = '1.2.3'\n[[routes]]\nmethod = 'GET'\npath = '/'\n";
    let from_toml = Manifest::from_toml(text).expect("valid TOML");
    let json = manifest(r#","routes":[{"method":"GET","path":"/"}]"#);
    assert_eq!(from_toml, Manifest::from_json(json.as_bytes()).expect("valid JSON"));
}
