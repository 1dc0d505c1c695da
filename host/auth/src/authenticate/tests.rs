//! The one door: what is let in, what is remembered, and what is noticed although it was remembered.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::{
    KeyState, Names, PrincipalKind, SystemRandom,
    api_key::NewApiKey,
    create_api_key,
    revocations::Revocation,
    testing::{Host, NOW, Stores, claims, grant},
};

struct Bench {
    host: Host,
    stores: Stores,
    authenticator: Authenticator,
}

fn bench() -> Bench {
    let (host, stores) = (Host::new(), Stores::default());
    let authenticator = host.authenticator(&stores, Vec::new());
    Bench { host, stores, authenticator }
}

impl Bench {
    async fn authenticate(&self, credential: &str, now: UnixMs) -> Result<Arc<Principal>, AuthenticateError> {
        self.authenticator.authenticate(format!("Bearer {credential}").as_bytes(), now).await
    }

    async fn refusal(&self, credential: &str, now: UnixMs) -> VerifyError {
        match self.authenticate(credential, now).await {
            Err(AuthenticateError::Token(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    /// Makes an API key of `u1`.
    fn api_key(&self) -> (String, StoredApiKey) {
        let NewApiKey { text, id, digest } = create_api_key(&SystemRandom::new()).expect("a key");
        let (roles, scopes) = (Names::new(["clerk"]).expect("a name"), Names::default());
        let key = StoredApiKey { id, digest, subject: "u1".into(), roles, scopes, expires_at: None, revoked_at: None };
        self.stores.put_api_key(key.clone());
        (text.expose_secret().to_owned(), key)
    }
}

fn later(milliseconds: i64) -> UnixMs {
    UnixMs(NOW.0 + milliseconds)
}

#[tokio::test]
async fn a_header_is_bearer_and_one_credential() {
    let bench = bench();
    let token = bench.host.token();
    for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
        assert!(bench.authenticator.authenticate(good.as_bytes(), NOW).await.is_ok(), "{good}");
    }
    let basic = "Basic dTpw".to_owned();
    for bad in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        basic,
        format!("Bearer\t{token}"),
        format!(" Bearer {token}"),
        format!("Bearer {token} "),
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer token={token};"),
        format!("Bearer {token}\r\nX: y"),
        format!("Bearer {token}\0"),
        format!("Bearer é{token}"),
        format!("Bearer: {token}"),
    ] {
        let refused = bench.authenticator.authenticate(bad.as_bytes(), NOW).await;
        assert!(matches!(refused, Err(AuthenticateError::Scheme)), "{bad:?} {refused:?}");
    }
    let refused = bench.authenticator.authenticate(b"Bearer \xff\xfe", NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::Scheme)));
    assert_eq!(bench.refusal(&"A".repeat(TOKEN_BYTES_MAX + 1), NOW).await, VerifyError::TooLong);
}

#[tokio::test]
async fn a_token_is_verified_once_a_minute() {
    let bench = bench();
    let token = bench.host.token();
    let first = bench.authenticate(&token, NOW).await.expect("believed");
    let again = bench.authenticate(&token, later(59_999)).await.expect("believed");
    assert!(Arc::ptr_eq(&first, &again));
    let anew = bench.authenticate(&token, later(60_000)).await.expect("believed");
    assert!(!Arc::ptr_eq(&first, &anew));
}

#[tokio::test]
async fn what_was_remembered_ends_with_the_token() {
    let bench = bench();
    let mut claims = claims();
    claims["exp"] = json!(NOW.seconds() + 10);
    let token = bench.host.sign(&bench.host.header().to_string(), &claims.to_string());
    let first = bench.authenticate(&token, NOW).await.expect("believed");
    assert!(Arc::ptr_eq(&first, &bench.authenticate(&token, later(9_999)).await.expect("believed")));
    // Within the leeway it is verified each time, and remembered no more.
    assert!(!Arc::ptr_eq(&first, &bench.authenticate(&token, later(10_000)).await.expect("believed")));
    assert_eq!(bench.refusal(&token, later(40_000)).await, VerifyError::Expired);
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_nothing_last_longer() {
    let bench = bench();
    let token = bench.host.token();
    bench.authenticate(&token, later(30_000)).await.expect("believed");
    assert_eq!(bench.refusal(&token, later(-3_600_000)).await, VerifyError::IssuedInTheFuture);
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let bench = bench();
    let token = bench.host.token();
    assert_eq!(bench.refusal(&format!("{token}A"), NOW).await, VerifyError::Signature);
    assert!(bench.authenticator.cache.is_empty());
    bench.authenticate(&token, NOW).await.expect("believed");
    assert!(!bench.authenticator.cache.is_empty());
}

#[tokio::test]
async fn a_revoked_session_is_out_at_the_next_request() {
    let bench = bench();
    let (token, other) = (bench.host.token(), crate::AccessGrant { session: "s2".into(), ..grant() });
    let other = bench.host.issuer.issue(&other, NOW).expect("a token");
    bench.authenticate(&token, NOW).await.expect("believed");
    bench.host.revocations.apply([Revocation::of_session("s1", NOW)], NOW);
    assert_eq!(bench.refusal(&token, later(1)).await, VerifyError::Revoked);
    assert_eq!(bench.refusal(&token, later(61_000)).await, VerifyError::Revoked);
    bench.authenticate(other.token.expose_secret(), later(1)).await.expect("another session of the same user");
}

#[tokio::test]
async fn what_a_user_was_given_before_is_out_and_what_comes_after_is_in() {
    let bench = bench();
    let before = bench.host.token();
    let first = bench.authenticate(&before, NOW).await.expect("believed");
    let now = later(500);
    bench.host.revocations.apply([Revocation::of_subject("u1", now)], now);
    assert_eq!(bench.refusal(&before, now).await, VerifyError::Revoked);
    let after = bench.host.issuer.issue(&grant(), now).expect("a token");
    bench.authenticate(after.token.expose_secret(), now).await.expect("believed");
    // Somebody else's revocation changes nothing, and costs one look.
    bench.host.revocations.apply([Revocation::of_subject("u2", now)], now);
    bench.authenticate(after.token.expose_secret(), now).await.expect("believed");
    assert_eq!(first.subject(), "u1");
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_out_at_the_next_request() {
    let bench = bench();
    let token = bench.host.token();
    bench.authenticate(&token, NOW).await.expect("believed");
    let mut rows = bench.host.rows.clone();
    rows[0].state = KeyState::Retired;
    bench.host.ring.publish(&rows).expect("opens");
    bench.authenticate(&token, later(1)).await.expect("a retired key is believed");
    rows[0].state = KeyState::Revoked;
    bench.host.ring.publish(&rows).expect("opens");
    assert_eq!(bench.refusal(&token, later(2)).await, VerifyError::UnknownKey);
}

#[tokio::test]
async fn an_api_key_is_looked_up_and_noted_as_used_once_a_minute() {
    let bench = bench();
    let (text, StoredApiKey { id, .. }) = bench.api_key();
    for at in [0, 1, 59_999] {
        let caller = bench.authenticate(&text, later(at)).await.expect("believed");
        assert_eq!((caller.kind(), caller.subject()), (PrincipalKind::ApiKey, "u1"));
        assert_eq!(caller.claims(), format!(r#"{{"scope":"{}"}}"#, caller.scopes().to_scope()));
    }
    assert_eq!((bench.stores.lookups(), bench.stores.used()), (1, vec![id.clone()]));
    bench.authenticate(&text, later(60_000)).await.expect("believed");
    assert_eq!((bench.stores.lookups(), bench.stores.used()), (2, vec![id.clone(), id]));
}

#[tokio::test]
async fn an_api_key_is_not_used_by_somebody_who_knows_its_id_only() {
    let bench = bench();
    let (_, key) = bench.api_key();
    let (text, _) = bench.api_key();
    bench.stores.put_api_key(StoredApiKey { digest: key.digest, id: text[3..15].to_owned(), ..key });
    let refused = bench.authenticate(&text, NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::ApiKey(ApiKeyError::Unknown))));
    assert_eq!(bench.stores.used(), [""; 0]);
}

#[tokio::test]
async fn a_changed_api_key_is_looked_up_again_at_once() {
    let bench = bench();
    let (text, key) = bench.api_key();
    bench.authenticate(&text, NOW).await.expect("believed");
    let roles = Names::new(["admin"]).expect("a name");
    bench.stores.put_api_key(StoredApiKey { roles, ..key.clone() });
    bench.host.revocations.apply([Revocation::of_api_key(&key.id, later(1))], later(1));
    let changed = bench.authenticate(&text, later(2)).await.expect("believed");
    assert!(changed.roles().contains("admin"));
    bench.stores.put_api_key(StoredApiKey { revoked_at: Some(later(2000)), ..key });
    bench.host.revocations.apply([Revocation::of_subject("u1", later(2000))], later(2000));
    let refused = bench.authenticate(&text, later(2001)).await;
    assert!(matches!(refused, Err(AuthenticateError::ApiKey(ApiKeyError::Revoked))));
}

#[tokio::test]
async fn an_api_key_that_ends_is_out_although_it_was_remembered() {
    let bench = bench();
    let (text, key) = bench.api_key();
    bench.stores.put_api_key(StoredApiKey { expires_at: Some(later(5_000)), ..key });
    bench.authenticate(&text, later(4_999)).await.expect("believed");
    let refused = bench.authenticate(&text, later(5_000)).await;
    assert!(matches!(refused, Err(AuthenticateError::ApiKey(ApiKeyError::Expired))));
}

#[tokio::test]
async fn a_misspelled_api_key_costs_no_look_into_the_store() {
    let bench = bench();
    let (text, _) = bench.api_key();
    for wrong in [&text[..text.len() - 1], "bp_", "bp_x", &format!("{text}.eyJ.x")] {
        let refused = bench.authenticate(wrong, NOW).await;
        assert!(matches!(refused, Err(AuthenticateError::ApiKey(ApiKeyError::Malformed))), "{wrong}");
    }
    assert_eq!(bench.stores.lookups(), 0);
    let (unknown, _) = self::bench().api_key();
    let refused = bench.authenticate(&unknown, NOW).await;
    assert!(matches!(refused, Err(AuthenticateError::ApiKey(ApiKeyError::Unknown))));
}

/// Revocations from one side, requests from the other: once `apply` has returned, no request gets through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_starts_after_a_revocation_gets_through() {
    let bench = Arc::new(bench());
    for round in 0..200 {
        let session = format!("round-{round}");
        let grant = crate::AccessGrant { session: session.clone(), ..grant() };
        let token = bench.host.issuer.issue(&grant, NOW).expect("a token").token;
        let before = {
            let (bench, token) = (Arc::clone(&bench), token.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    drop(bench.authenticate(token.expose_secret(), NOW).await);
                }
            })
        };
        tokio::task::yield_now().await;
        bench.host.revocations.apply([Revocation::of_session(&session, NOW)], NOW);
        assert_eq!(bench.refusal(token.expose_secret(), NOW).await, VerifyError::Revoked);
        before.await.expect("no panic");
        assert_eq!(bench.refusal(token.expose_secret(), NOW).await, VerifyError::Revoked);
    }
}
