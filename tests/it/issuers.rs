//! Outside issuers: whom the host believes about whom, and what becomes of it when they are down, slow, huge or change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Forge, Issuer, PASSWORD, Preload, Random, Reply, Server, Setup, Stopwatch, check_neighbour, claims_of,
    unix_seconds, wait_until,
};

/// A server that believes an issuer, and whoever has the issuer's key.
struct World {
    clock: Preload,
    issuer: Issuer,
    key: Forge,
    server: Server,
    ahead: i64,
}

impl World {
    #[track_caller]
    fn new() -> Self {
        let (clock, key) = (Preload::new(), Forge::stranger("key-1"));
        let issuer = Issuer::start(&key);
        let server = Setup::new().plugins(&["hello"]).config(&issuer.config()).preload(&clock).start();
        Self { clock, issuer, key, server, ahead: 0 }
    }

    /// Moves the server's time of day on.
    fn wait(&mut self, seconds: i64) {
        self.ahead += seconds;
        self.clock.set_clock_ahead(Duration::from_secs(u64::try_from(self.ahead).expect("time goes on")));
    }

    /// Returns Alice's claims at the server's time.
    fn claims(&self) -> Value {
        self.issuer.claims(unix_seconds() + self.ahead)
    }

    /// Makes a token that was never seen before.
    fn token(&self) -> String {
        self.token_of(&self.key)
    }

    fn token_of(&self, key: &Forge) -> String {
        let mut claims = self.claims();
        claims["jti"] = json!(unique().to_string());
        key.token(&claims)
    }

    #[track_caller]
    fn ask(&self, token: &str) -> Answer {
        self.server.get_as(token, "/api/auth/me")
    }

    #[track_caller]
    fn check_believed(&self, key: &Forge) {
        self.server.check_believed(&self.token_of(key));
    }

    /// Checks that a new token cannot be checked, and that nobody else notices.
    #[track_caller]
    fn check_unavailable(&self) {
        for path in ["/api/auth/me", "/api/status"] {
            let answer = self.server.get_as(&self.token(), path);
            answer.check_problem(503, "identity_unavailable");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        assert_eq!(self.server.get("/hello/Ada").status, 200);
    }

    #[track_caller]
    fn check_claims(&self, change: impl FnOnce(&mut Value)) {
        let mut claims = self.claims();
        change(&mut claims);
        self.ask(&self.key.token(&claims)).check_invalid_token();
    }
}

/// Returns a number that nobody had before.
fn unique() -> u64 {
    Random::unseeded().1
}

#[test]
fn somebody_of_an_issuer_is_who_it_says_with_the_rights_that_the_operator_gives() {
    let world = World::new();
    let me = world.server.check_believed(&world.token());
    assert_eq!((&me["subject"], &me["kind"]), (&json!(format!("{}|alice", world.issuer.name())), &json!("external")));
    assert_eq!((&me["roles"], &me["scopes"]), (&json!(["clerk"]), &json!(["orders:read"])), "{me}");
    // What a token says of itself is nothing.
    let mut claims = world.claims();
    claims["roles"] = json!(["admin"]);
    claims["scope"] = json!("orders:write");
    claims["groups"] = json!(["admin"]);
    let me = world.server.check_believed(&world.key.token(&claims));
    assert_eq!((&me["roles"], &me["scopes"]), (&json!([]), &json!([])), "{me}");
    assert_eq!(world.issuer.asked(), 1, "keys are remembered");
}

#[test]
fn somebody_of_an_issuer_is_nobody_here_and_no_administrator() {
    let world = World::new();
    let token = world.token();
    for path in ["/api/users", "/api/plugins", "/api/keys", "/api/audit"] {
        world.server.get_as(&token, path).check_problem(403, "forbidden");
    }
    let key = world.server.send_as(&token, "POST", "/api/api-keys", &json!({"name": "a", "scopes": []}));
    assert!(matches!(key.status, 403 | 404), "{}", key.text());
    let change = json!({"current": PASSWORD, "new": "eight mooses in a lift"});
    let change = world.server.send_as(&token, "PUT", "/api/auth/password", &change);
    assert!(matches!(change.status, 403 | 404), "{}", change.text());
    // Not even under an account's id: that one is of this host.
    let subject = world.server.add_user("ada", "admin", "")["subject"].clone();
    let mut claims = world.claims();
    claims["sub"] = subject;
    world.server.get_as(&world.key.token(&claims), "/api/users").check_problem(403, "forbidden");
}

#[test]
fn a_token_that_breaks_a_rule_is_refused_and_costs_no_fetch() {
    let world = World::new();
    let now = unix_seconds();
    for (name, value) in [
        ("aud", json!("backplane")),
        ("aud", json!("Shop")),
        ("aud", json!([])),
        ("iss", json!(world.issuer.name() + "/")),
        ("iss", json!("https://other.example")),
        ("iss", json!("backplane")),
        ("iss", json!([world.issuer.name()])),
        ("exp", json!(now - 100)),
        ("exp", json!(now.to_string())),
        ("exp", json!(now + 100 * 86_400)),
        ("nbf", json!(now + 3000)),
        ("iat", json!(now + 3000)),
    ] {
        world.check_claims(|claims| claims[name] = value);
    }
    assert_eq!(world.issuer.asked(), 0, "what is wrong without a key needs none");
    let sign = |header: Value| world.key.sign(&header.to_string(), &world.claims().to_string());
    for header in [
        json!({"alg": "none", "typ": "at+jwt", "kid": "key-1"}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": "key-1"}),
        json!({"alg": "RS256", "typ": "at+jwt", "kid": "key-1"}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "key-1"}),
        json!({"alg": "ES256", "typ": "JWT", "kid": "key-1"}),
        json!({"alg": "ES256", "kid": "key-1"}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1", "jku": world.issuer.name()}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1", "jwk": Forge::stranger("x").jwk()}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1", "crit": ["exp"]}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "", }),
    ] {
        world.ask(&sign(header)).check_invalid_token();
    }
    world.ask(&Forge::stranger("key-1").token(&world.claims())).check_invalid_token();
    for subject in [json!(""), json!(null), json!(["alice"]), json!("a\u{0}b"), json!("x".repeat(300))] {
        world.check_claims(|claims| claims["sub"] = subject);
    }
    world.check_believed(&world.key);
}

#[test]
fn the_two_kinds_of_token_do_not_mix() {
    let world = World::new();
    let own = Forge::of(&world.server.data());
    // The host's key for what the issuer would say, and the issuer's for what the host would.
    world.ask(&own.token(&world.claims())).check_invalid_token();
    let mut claims = claims_of(&world.server.sign_in("admin").access);
    world.ask(&world.key.token(&claims)).check_invalid_token();
    claims["iss"] = json!(world.issuer.name());
    claims["aud"] = json!("shop");
    world.ask(&own.token(&claims)).check_invalid_token();
    // Under the host's key id with the issuer's key.
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": own.kid()}).to_string();
    world.ask(&world.key.sign(&header, &world.claims().to_string())).check_invalid_token();
    world.check_believed(&world.key);
}

#[test]
fn an_issuer_that_is_down_makes_its_own_tokens_wait_and_nobody_elses() {
    let mut world = World::new();
    world.issuer.reply(Reply::Text(String::new()));
    let own = world.server.sign_in("admin").access;
    world.check_unavailable();
    world.server.check_believed(&own);
    assert_eq!(world.issuer.asked(), 1, "it is asked once in half a minute, however many tokens come");
    world.issuer.reply(Reply::Keys(vec![world.key.jwk()]));
    world.wait(31);
    world.check_believed(&world.key);
    world.server.check_health();
}

#[test]
fn an_issuer_that_goes_down_is_believed_for_a_day() {
    let mut world = World::new();
    world.check_believed(&world.key);
    world.issuer.reply(Reply::Text("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned()));
    for _ in 0..3 {
        world.wait(2 * 3600);
        world.check_believed(&world.key);
        let asked = world.issuer.asked();
        wait_until("it to be asked again", || world.issuer.asked() >= asked.min(2));
    }
    world.wait(24 * 3600);
    world.check_unavailable();
}

#[test]
fn an_issuer_that_is_slow_delays_its_own_tokens_for_seconds_and_nobody_else() {
    let world = World::new();
    world.issuer.reply(Reply::Silence);
    let token = world.token();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let watch = Stopwatch::start();
                    world.ask(&token).check_problem(503, "identity_unavailable");
                    watch.elapsed()
                })
            })
            .collect();
        wait_until("the issuer to be asked", || world.issuer.asked() > 0);
        let own = world.server.sign_in("admin").access;
        for _ in 0..20 {
            let watch = Stopwatch::start();
            check_neighbour(&world.server);
            world.server.check_believed(&own);
            assert!(watch.elapsed() < Duration::from_secs(3), "{:?}", watch.elapsed());
        }
        for waiting in waiting {
            let waited = waiting.join().expect("a thread that answers");
            assert!(waited < Duration::from_secs(30), "{waited:?}");
        }
    });
    assert_eq!(world.issuer.asked(), 1, "all wait for one fetch");
}

#[test]
fn an_issuer_whose_key_set_does_not_end_is_cut_off() {
    let mut world = World::new();
    world.issuer.reply(Reply::Flood);
    world.check_unavailable();
    let taken = world.issuer.taken();
    assert!(taken < 32 << 20, "{taken} bytes were taken");
    world.issuer.reply(Reply::Keys(vec![world.key.jwk()]));
    world.wait(31);
    world.check_believed(&world.key);
}

#[test]
fn what_is_no_key_set_changes_nothing() {
    let body = |status: &str, more: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n{body}")
    };
    let mut world = World::new();
    world.check_believed(&world.key);
    let stranger = Forge::stranger("stranger");
    let elsewhere = Issuer::start(&stranger);
    let location = format!("location: {}/jwks\r\n", elsewhere.name());
    let mut private = stranger.jwk();
    private["kty"] = json!("oct");
    private["k"] = json!("c2VjcmV0");
    for text in [
        body("200 OK", "", ""),
        body("200 OK", "", "not JSON"),
        body("200 OK", "", "[]"),
        body("200 OK", "", r#"{"keys":[]}"#),
        body("200 OK", "", r#"{"keys":{}}"#),
        body("200 OK", "", r#"{"keys":[{"kty":"EC"}]}"#),
        body("200 OK", "", &json!({"keys": [private]}).to_string()),
        body("404 Not Found", "", &json!({"keys": [stranger.jwk()]}).to_string()),
        body("302 Found", &location, ""),
        body("301 Moved Permanently", &location, ""),
        "not HTTP at all\r\n\r\n".to_owned(),
    ] {
        world.issuer.reply(Reply::Text(text.clone()));
        let asked = world.issuer.asked();
        world.wait(31);
        world.ask(&world.token_of(&stranger)).check_invalid_token();
        assert!(world.issuer.asked() > asked, "it was not asked for {text}");
        world.check_believed(&world.key);
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
    world.server.check_health();
}

#[test]
fn an_issuer_that_changes_its_keys_is_believed_about_the_new_ones_and_no_more_about_the_old() {
    let mut world = World::new();
    world.check_believed(&world.key);
    let next = Forge::stranger("key-2");
    world.issuer.reply(Reply::Keys(vec![next.jwk(), world.key.jwk()]));
    // An id that is not known is worth a question, and not more than one in half a minute.
    world.ask(&world.token_of(&next)).check_invalid_token();
    world.wait(31);
    world.check_believed(&next);
    world.check_believed(&world.key);
    world.issuer.reply(Reply::Keys(vec![next.jwk()]));
    world.wait(601);
    // Somebody fetches meanwhile.
    wait_until("the old key to be forgotten", || world.ask(&world.token()).status == 401);
    world.check_believed(&next);
}

#[test]
fn ids_that_nobody_has_make_nobody_ask_all_the_time() {
    let mut world = World::new();
    world.check_believed(&world.key);
    world.wait(31);
    std::thread::scope(|scope| {
        for number in 0..30 {
            let world = &world;
            let invented = Forge::stranger(&format!("invented-{number}"));
            scope.spawn(move || world.ask(&world.token_of(&invented)).check_invalid_token());
        }
    });
    assert_eq!(world.issuer.asked(), 2, "once for the keys, once for all inventions");
}

#[test]
fn an_issuer_that_cannot_be_is_refused_with_the_line_to_change() {
    for (config, reason) in [
        ("issuer = \"http://id.example\"\njwks_url = \"https://id.example/jwks\"", "issuer"),
        ("issuer = \"https://id.example\"\njwks_url = \"http://id.example/jwks\"", "jwks_url"),
        ("issuer = \"https://id.example\"\njwks_url = \"https://id.example/jwks\"\naudiences = []", "audience"),
        ("issuer = \"https://id.example\"\njwks_url = \"https://id.example/jwks\"\nalgorithms = [\"none\"]", "none"),
        ("issuer = \"https://id.example\"\njwks_url = \"https://id.example/jwks\"\nalgorithms = [\"HS256\"]", "HS256"),
        ("issuer = \"https://id.example\"\njwks_url = \"https://id.example/jwks\"\naudiance = [\"a\"]", "audiance"),
    ] {
        let config = format!("[auth.external.company]\n{config}\n");
        let said = Setup::new().config(&config).refusal();
        assert!(said.contains(reason) && said.contains("auth.external.company"), "{config}: {said}");
    }
}
