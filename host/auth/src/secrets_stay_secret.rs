//! What must not be in any log: every type that holds a secret, printed, and searched for the secret.

use std::{fmt::Debug, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    HashedPassword, KeyRing, MasterKey, NewRefreshToken, Opening, PasswordHashing, PasswordRules, Provider,
    RefreshPolicy, RefreshRow, RefreshStore, RefreshStoreError, RefreshTokens, RotationPolicy, RotationRequest,
    RotationResult, SetupToken, UnixMs, create_api_key,
    refresh::Family,
    testing::{Host, NOW, Stores},
};

/// Secrets, in every form in which a `Debug` could show them.
#[derive(Default)]
struct Needles(Vec<(&'static str, String)>);

impl Needles {
    fn text(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 8, "{what} would be found anywhere");
        self.0.push((what, text.to_owned()));
    }

    fn bytes(&mut self, what: &'static str, bytes: &[u8]) {
        let list = format!("{bytes:?}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [&list[1..list.len() - 1], &hex, &STANDARD.encode(bytes), &bytes.escape_ascii().to_string()] {
            self.text(what, form);
        }
    }

    #[track_caller]
    fn check(&self, shown: &dyn Debug) {
        for form in [format!("{shown:?}"), format!("{shown:#?}").replace(['\n', ' '], "").replace(',', ", ")] {
            for (what, needle) in &self.0 {
                assert!(!form.contains(needle.as_str()), "{what} is shown in {form}");
            }
        }
    }
}

/// A store that keeps nothing.
struct Nowhere;

impl RefreshStore for Nowhere {
    fn open_family(&self, _: Family, _: NewRefreshToken) -> crate::BoxFuture<'_, Result<(), RefreshStoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn find(&self, _: [u8; 32]) -> crate::BoxFuture<'_, Result<Option<RefreshRow>, RefreshStoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn rotate(&self, _: RotationRequest) -> crate::BoxFuture<'_, Result<RotationResult, RefreshStoreError>> {
        Box::pin(async { Ok(RotationResult::Stale) })
    }

    fn revoke_family<'a>(&'a self, _: &'a str, _: UnixMs) -> crate::BoxFuture<'a, Result<(), RefreshStoreError>> {
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn keys_are_not_shown() {
    let mut needles = Needles::default();
    let random = SystemRandom::new();
    let bytes: [u8; 32] = crate::random::random_bytes(&random).expect("randomness");
    let master = MasterKey::from_base64(&STANDARD.encode(bytes).into()).expect("a key");
    needles.bytes("the master key", &bytes);
    needles.check(&master);
    let ring = KeyRing::new(Provider::install().expect("installs"), master, RotationPolicy::default(), random);
    let rows: Vec<_> = ring
        .plan_rotation(&[], NOW)
        .expect("a plan")
        .into_iter()
        .filter_map(|change| match change {
            crate::KeyChange::Insert(row) => Some(row),
            _ => None,
        })
        .collect();
    ring.publish(&rows).expect("opens");
    ring.with_active_key(|key| needles.bytes("the signing key", key.encoding.as_bytes())).expect("a key");
    ring.with_active_key(|key| needles.check(key)).expect("a key");
    needles.check(&ring);
    needles.check(&rows);
    assert!(!ring.jwks().contains("\"d\""));
}

#[tokio::test]
async fn credentials_are_not_shown() {
    let mut needles = Needles::default();
    let (host, stores) = (Host::new(), Stores::default());
    let token = host.issuer.issue(&crate::testing::grant(), NOW).expect("a token");
    let text = token.token.expose_secret().to_owned();
    needles.text("the token", &text);
    needles.text("the token's signature", text.rsplit('.').next().expect("a signature"));
    needles.check(&token);
    let authenticator = host.authenticator(&stores, Vec::new());
    let header = format!("Bearer {text}");
    needles.check(&authenticator.authenticate(header.as_bytes(), NOW).await.expect("believed"));
    for refused in [format!("{header}A"), format!("{header} x"), header.replace('.', ","), format!("Basic {text}")] {
        let error = authenticator.authenticate(refused.as_bytes(), NOW).await.expect_err("refused");
        needles.check(&error);
        needles.check(&error.to_string());
    }

    let key = create_api_key(&SystemRandom::new()).expect("a key");
    needles.text("the API key", &key.text.expose_secret()[16..59]);
    needles.check(&key);
    let header = format!("Bearer {}", key.text.expose_secret());
    let error = authenticator.authenticate(header.as_bytes(), NOW).await.expect_err("not stored");
    needles.check(&error);
    needles.check(&error.to_string());

    let (text, token) = SetupToken::create(&SystemRandom::new()).expect("a token");
    needles.text("the set-up token", &text.expose_secret()[4..47]);
    needles.check(&(text, token));

    let sessions = RefreshTokens::new(Arc::new(Nowhere), RefreshPolicy::default(), SystemRandom::new());
    let opening: Opening = sessions.open("u1", "console", NOW).await.expect("opens");
    needles.text("the refresh token", &opening.token.expose_secret()[4..47]);
    needles.check(&opening);
    let error = sessions.rotate(&opening.token, NOW).await.expect_err("not stored");
    needles.check(&error);
    needles.check(&error.to_string());
}

#[tokio::test]
async fn passwords_are_not_shown() {
    let mut needles = Needles::default();
    let hashing = PasswordHashing::new(SystemRandom::new()).expect("hashes");
    let password = SecretString::from("correct horse battery");
    needles.text("the password", password.expose_secret());
    let checked = PasswordRules::default().check(&password, "ada").expect("strong");
    needles.check(&checked);
    let hashed: HashedPassword = hashing.hash(&checked).await.expect("hashes");
    needles.text("the hash", &hashed.0);
    needles.text("the hash", "$argon2id$");
    needles.check(&hashed);
    needles.check(&hashing);
    needles.check(&hashing.verify(&password, Some(&hashed)).await);
    let long = SecretString::from("correct horse battery".repeat(10));
    let error = PasswordRules::default().check(&long, "ada").expect_err("long");
    needles.check(&error);
    needles.check(&error.to_string());
}

/// The search finds what it looks for.
#[test]
fn a_secret_that_is_shown_is_found() {
    let secret = [7_u8, 200, 13, 99, 1, 2, 3, 4];
    let mut needles = Needles::default();
    needles.bytes("a secret", &secret);
    for shown in [&secret.to_vec() as &dyn Debug, &Some(secret), &STANDARD.encode(secret), &"07c80d6301020304"] {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| needles.check(shown))).is_err(), "{shown:?}");
    }
}
