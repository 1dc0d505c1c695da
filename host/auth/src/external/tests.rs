//! Tokens of outside issuers: believed, refused, and what they make this host fetch.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::{
    AuthenticateError, Authenticator, Names,
    testing::{Host, NOW, Stores},
};

const ID: &str = "https://id.example";

/// An outside issuer with one key of each kind.
struct Issuer {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let rsa = STANDARD.decode(include_str!("test_key.txt").replace('\n', "")).expect("base64");
        Self {
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).expect("a key"),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key"),
            rsa: RsaKeyPair::from_pkcs8(&rsa).expect("a key"),
        }
    }

    /// The key set, with ids that begin with `prefix`.
    fn jwks(&self, prefix: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.ec.public_key().as_ref();
        let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": format!("{prefix}ec"), "x": encode(&point[1..33]),
                "y": encode(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": format!("{prefix}ed"), "x": encode(self.ed.public_key().as_ref())},
            {"kty": "RSA", "kid": format!("{prefix}rsa"), "n": encode(&n), "e": encode(&e)},
        ]})
        .to_string()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (message, random) = (signed.as_bytes(), SystemRandom::new());
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(padding, &random, message, &mut signature).expect("signs");
            signature
        };
        let signature = match header["alg"].as_str() {
            Some("EdDSA" | "Ed25519") => self.ed.sign(message).as_ref().to_vec(),
            Some("RS256") => rsa(&RSA_PKCS1_SHA256),
            Some("PS256") => rsa(&RSA_PSS_SHA256),
            _ => self.ec.sign(&random, message).expect("signs").as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token of Alice that is accepted at `now`.
    fn token(&self, kid: &str, now: UnixMs) -> String {
        self.sign(&header("ES256", kid), &claims(now))
    }
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "typ": "at+jwt", "kid": kid})
}

fn claims(now: UnixMs) -> Value {
    let now = now.seconds();
    json!({"iss": ID, "aud": "api", "sub": "alice", "iat": now, "exp": now + 3600, "groups": ["staff"]})
}

fn configured() -> ExternalIssuer {
    let rule = ClaimRule {
        claim: "/groups".into(),
        value: "staff".into(),
        roles: Names::new(["clerk"]).expect("a name"),
        scopes: Names::new(["orders:read"]).expect("a name"),
    };
    ExternalIssuer::new(ID.into(), vec!["api".into()], ExternalAlgorithm::ALL.into())
        .expect("valid")
        .with_rules(vec![rule])
}

struct Bench {
    issuer: Issuer,
    stores: Stores,
    authenticator: Arc<Authenticator>,
}

fn bench_with(configured: ExternalIssuer) -> Bench {
    let (issuer, stores) = (Issuer::new(), Stores::default());
    stores.set_jwks(Some(&issuer.jwks("")));
    let authenticator = Arc::new(Host::new().authenticator(&stores, vec![configured]));
    Bench { issuer, stores, authenticator }
}

fn bench() -> Bench {
    bench_with(configured())
}

impl Bench {
    async fn authenticate(&self, token: &str, now: UnixMs) -> Result<Arc<Principal>, AuthenticateError> {
        self.authenticator.authenticate(format!("Bearer {token}").as_bytes(), now).await
    }

    #[track_caller]
    fn check(&self, token: &str, now: UnixMs, expected: Result<(), VerifyError>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        match (runtime.block_on(self.authenticate(token, now)), expected) {
            (Ok(_), Ok(())) => {}
            (Err(AuthenticateError::Token(error)), Err(expected)) => assert_eq!(error, expected, "{token}"),
            (other, expected) => panic!("{other:?}, not {expected:?}: {token}"),
        }
    }

    #[track_caller]
    fn check_claims(&self, change: impl FnOnce(&mut Value), expected: Result<(), VerifyError>) {
        let mut claims = claims(NOW);
        change(&mut claims);
        self.check(&self.issuer.sign(&header("ES256", "ec"), &claims), NOW, expected);
    }
}

fn later(seconds: i64) -> UnixMs {
    UnixMs(NOW.0 + seconds * 1000)
}

#[tokio::test]
async fn somebody_is_issuer_and_subject_with_what_the_rules_give() {
    let bench = bench();
    let mut said = claims(NOW);
    said["scope"] = json!("orders:write superuser");
    let alice = bench.authenticate(&bench.issuer.sign(&header("ES256", "ec"), &said), NOW).await.expect("believed");
    assert_eq!((alice.subject(), alice.kind()), ("https://id.example|alice", PrincipalKind::External));
    assert_eq!((alice.roles().to_scope().as_str(), alice.scopes().to_scope().as_str()), ("clerk", "orders:read"));
    assert_eq!(alice.session(), None);
    let mut seen = said;
    seen["scope"] = json!("orders:read");
    assert_eq!(serde_json::from_str::<Value>(alice.claims()).expect("JSON"), seen);
}

#[test]
fn every_allowed_algorithm_is_believed_with_its_key() {
    let bench = bench();
    for (algorithm, kid) in [("ES256", "ec"), ("EdDSA", "ed"), ("Ed25519", "ed"), ("RS256", "rsa"), ("PS256", "rsa")] {
        bench.check(&bench.issuer.sign(&header(algorithm, kid), &claims(NOW)), NOW, Ok(()));
    }
    for (algorithm, kid) in [("ES256", "rsa"), ("EdDSA", "ec"), ("RS256", "ec"), ("PS256", "ed")] {
        let token = bench.issuer.sign(&header(algorithm, kid), &claims(NOW));
        bench.check(&token, NOW, Err(VerifyError::UnknownKey));
    }
}

#[test]
fn an_algorithm_that_is_not_allowed_is_refused() {
    let only = ExternalIssuer::new(ID.into(), vec!["api".into()], vec![ExternalAlgorithm::Es256]).expect("valid");
    let bench = bench_with(only);
    bench.check(&bench.issuer.token("ec", NOW), NOW, Ok(()));
    for (algorithm, kid) in
        [("RS256", "rsa"), ("PS256", "rsa"), ("EdDSA", "ed"), ("none", "ec"), ("HS256", "ec"), ("RS512", "rsa")]
    {
        let token = bench.issuer.sign(&header(algorithm, kid), &claims(NOW));
        bench.check(&token, NOW, Err(VerifyError::Algorithm));
    }
}

#[test]
fn a_published_key_is_no_shared_secret() {
    let bench = bench();
    let jwks = bench.issuer.jwks("");
    let set: Value = serde_json::from_str(&jwks).expect("JSON");
    let modulus = URL_SAFE_NO_PAD.decode(set["keys"][2]["n"].as_str().expect("text")).expect("base64url");
    for secret in
        [jwks.as_bytes(), &modulus, bench.issuer.ec.public_key().as_ref(), bench.issuer.ed.public_key().as_ref()]
    {
        for (named, kid) in [("HS256", "rsa"), ("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
            let (head, body) = (header(named, kid).to_string(), claims(NOW).to_string());
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            let expected = if named == "HS256" { VerifyError::Algorithm } else { VerifyError::Signature };
            bench.check(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)), NOW, Err(expected));
        }
    }
}

#[test]
fn issuer_audience_and_times_are_checked() {
    let bench = bench();
    let now = NOW.seconds();
    for issuer in ["https://id.example/", "https://ID.example", "https://id.example.evil", "https://host.example", "x"]
    {
        bench.check_claims(|claims| claims["iss"] = json!(issuer), Err(VerifyError::Issuer));
    }
    bench.check_claims(|claims| claims["aud"] = json!("other"), Err(VerifyError::Audience));
    bench.check_claims(|claims| claims["aud"] = json!(["other", "api"]), Ok(()));
    bench.check_claims(|claims| claims["exp"] = json!(now - 30), Err(VerifyError::Expired));
    bench.check_claims(|claims| claims["nbf"] = json!(now + 31), Err(VerifyError::NotYetValid));
    bench.check_claims(|claims| claims["iat"] = json!(now + 31), Err(VerifyError::IssuedInTheFuture));
    bench.check_claims(|claims| claims["exp"] = json!(now + 86_400), Ok(()));
    bench.check_claims(|claims| claims["exp"] = json!(now + 86_401), Err(VerifyError::InvalidClaim("exp")));
    for name in ["iss", "aud", "sub", "exp", "iat"] {
        let remove = |claims: &mut Value| drop(claims.as_object_mut().expect("an object").remove(name));
        bench.check_claims(remove, Err(VerifyError::MissingClaim(name)));
    }
    bench.check_claims(|claims| claims["sub"] = json!("a\nb"), Err(VerifyError::InvalidClaim("sub")));
}

#[test]
fn a_token_that_is_for_somebody_else_costs_no_fetch() {
    let bench = bench();
    bench.check_claims(|claims| claims["iss"] = json!("https://other.example"), Err(VerifyError::Issuer));
    bench.check_claims(|claims| claims["aud"] = json!("other"), Err(VerifyError::Audience));
    bench.check_claims(|claims| claims["exp"] = json!(1), Err(VerifyError::Expired));
    assert_eq!(bench.stores.fetches(), 0);
}

#[test]
fn a_header_brings_no_key_and_asks_for_nothing() {
    let bench = bench();
    for name in REFUSED_HEADER_NAMES {
        let mut header = header("ES256", "ec");
        header[*name] = json!("https://attacker.example");
        bench.check(&bench.issuer.sign(&header, &claims(NOW)), NOW, Err(VerifyError::Header));
    }
    // What only describes the key is ignored (RFC 7515 §4).
    let mut described = header("ES256", "ec");
    (described["x5t"], described["org.example"]) = (json!("AAAA"), json!(1));
    bench.check(&bench.issuer.sign(&described, &claims(NOW)), NOW, Ok(()));
    for kid in [json!(7), json!(""), json!("x".repeat(257))] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        bench.check(&bench.issuer.sign(&header, &claims(NOW)), NOW, Err(VerifyError::Header));
    }
}

#[test]
fn an_id_token_is_no_access_token() {
    for (types, expected) in [(AcceptedTypes::AccessToken, Err(VerifyError::Type)), (AcceptedTypes::Unmarked, Ok(()))] {
        let bench = bench_with(configured().with_types(types));
        for header in [json!({"alg": "ES256", "typ": "JWT", "kid": "ec"}), json!({"alg": "ES256", "kid": "ec"})] {
            bench.check(&bench.issuer.sign(&header, &claims(NOW)), NOW, expected);
        }
        let logout = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "ec"});
        bench.check(&bench.issuer.sign(&logout, &claims(NOW)), NOW, Err(VerifyError::Type));
    }
}

#[tokio::test]
async fn the_keys_of_one_issuer_do_not_speak_for_another() {
    let (host, stores, ours, theirs) = (Host::new(), Stores::default(), Issuer::new(), Issuer::new());
    stores.set_jwks(Some(&ours.jwks("")));
    let authenticator = host.authenticator(&stores, vec![configured()]);
    let forged = theirs.token("ec", NOW);
    let refused = authenticator.authenticate(format!("Bearer {forged}").as_bytes(), NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::Token(VerifyError::Signature))));
    // This host's own key does not speak for an issuer, nor an issuer for this host.
    let ours_as_theirs = host.sign(&host.header().to_string(), &claims(NOW).to_string());
    let refused = authenticator.authenticate(format!("Bearer {ours_as_theirs}").as_bytes(), NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::Token(VerifyError::Issuer))));
    let theirs_as_ours = ours.sign(&header("ES256", "ec"), &crate::testing::claims());
    let refused = authenticator.authenticate(format!("Bearer {theirs_as_ours}").as_bytes(), NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::Token(VerifyError::Issuer))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tokens_at_once_make_one_fetch() {
    let bench = Arc::new(bench());
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.expect("no panic"));
    }
    assert_eq!(bench.stores.fetches(), 1);
}

#[tokio::test]
async fn invented_key_ids_make_one_fetch_in_thirty_seconds() {
    let bench = bench();
    bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.expect("believed");
    for second in 0..90 {
        for number in 0..3 {
            let token = bench.issuer.token(&format!("invented-{number}"), NOW);
            let refused = bench.authenticate(&token, later(second)).await;
            assert!(matches!(refused, Err(AuthenticateError::Token(VerifyError::UnknownKey))));
        }
    }
    assert_eq!(bench.stores.fetches(), 3);
}

#[tokio::test]
async fn a_new_key_is_found_without_waiting_for_the_old_ones_to_age() {
    let bench = bench();
    bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.expect("believed");
    bench.stores.set_jwks(Some(&bench.issuer.jwks("new-")));
    let token = bench.issuer.token("new-ec", NOW);
    assert!(bench.authenticate(&token, later(29)).await.is_err());
    assert!(bench.authenticate(&token, later(30)).await.is_ok());
    // What was withdrawn is believed no more.
    assert!(bench.authenticate(&bench.issuer.token("ec", later(31)), later(31)).await.is_err());
}

/// Waits until the fetch that goes on beside the requests is done.
async fn fetched(bench: &Bench, times: usize) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.stores.fetches(), times);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_believed_for_a_day() {
    let bench = bench();
    bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.expect("believed");
    bench.stores.set_jwks(None);
    let day = 24 * 3600;
    for (at, fetches) in [(599, 1), (600, 2), (3600, 3), (day - 1, 4)] {
        let now = later(at);
        bench.authenticate(&bench.issuer.token("ec", now), now).await.expect("believed");
        fetched(&bench, fetches).await;
    }
    let now = later(day);
    let token = bench.issuer.token("ec", now);
    assert!(matches!(bench.authenticate(&token, now).await, Err(AuthenticateError::Unavailable(_))));
    bench.stores.set_jwks(Some(&bench.issuer.jwks("")));
    // The last question was a second before that day ended.
    assert!(matches!(bench.authenticate(&token, later(day + 28)).await, Err(AuthenticateError::Unavailable(_))));
    bench.authenticate(&token, later(day + 29)).await.expect("believed again");
}

#[tokio::test]
async fn old_keys_are_fetched_again_beside_the_request() {
    let bench = bench();
    bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.expect("believed");
    bench.stores.set_jwks(Some(&bench.issuer.jwks("new-")));
    bench.authenticate(&bench.issuer.token("ec", later(600)), later(600)).await.expect("believed with the old key");
    fetched(&bench, 2).await;
    assert!(bench.authenticate(&bench.issuer.token("new-ec", later(601)), later(601)).await.is_ok());
    assert_eq!(bench.stores.fetches(), 2);
}

#[tokio::test]
async fn an_answer_without_keys_replaces_nothing() {
    let bench = bench();
    bench.authenticate(&bench.issuer.token("ec", NOW), NOW).await.expect("believed");
    let too_long = format!("{}{}", bench.issuer.jwks("new-"), " ".repeat(JWKS_BYTES_MAX));
    for (number, answer) in ["", "<html>", r#"{"keys":[]}"#, &too_long].into_iter().enumerate() {
        let now = later(600 + 30 * i64::try_from(number).expect("few"));
        bench.stores.set_jwks(Some(answer));
        bench.authenticate(&bench.issuer.token("ec", now), now).await.expect("believed");
        fetched(&bench, number + 2).await;
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_lose_the_fetch() {
    let bench = bench();
    let token = bench.issuer.token("ec", NOW);
    {
        let first = bench.authenticate(&token, NOW);
        tokio::pin!(first);
        // Polled once: the fetch is on its way, and its caller goes.
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending())).await
        );
    }
    fetched(&bench, 1).await;
    bench.authenticate(&token, later(1)).await.expect("believed");
    assert_eq!(bench.stores.fetches(), 1);
}
