//! A whole host in memory, for this crate's tests: keys, an issuer, an authenticator, and stand-ins behind the ports.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    ACCESS_TOKEN_LIFETIME, AccessGrant, Authenticator, AuthenticatorParts, BoxFuture, ExternalIssuer, FetchJwks,
    FetchJwksError, FindApiKey, FindApiKeyError, KeyChange, KeyRing, MasterKey, Names, Provider, Revocations,
    RotationPolicy, StoredApiKey, StoredKey, TokenIssuer, TokenNames, UnixMs,
    jws::Jws,
    verify::{OwnTokens, Verified, VerifyError},
};

pub(crate) const NOW: UnixMs = UnixMs(1_700_000_000_000);
const ISSUER: &str = "https://host.example";
const AUDIENCE: &str = "backplane";

fn names() -> TokenNames {
    TokenNames { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() }
}

pub(crate) fn grant() -> AccessGrant {
    AccessGrant {
        subject: "u1".into(),
        session: "s1".into(),
        client_id: "console".into(),
        roles: Names::new(["clerk", "admin"]).expect("names"),
        scopes: Names::new(["orders:read", "orders:write"]).expect("names"),
    }
}

/// The claims of a token that is accepted at [`NOW`].
pub(crate) fn claims() -> Value {
    let now = NOW.seconds();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "console", "sid": "s1", "jti": "j1",
        "iat": now, "exp": now + 600, "roles": ["clerk"], "scope": "orders:read",
    })
}

pub(crate) struct Host {
    pub(crate) rows: Vec<StoredKey>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) issuer: TokenIssuer,
}

impl Host {
    pub(crate) fn new() -> Self {
        let (provider, random) = (Provider::install().expect("installs"), SystemRandom::new());
        let master = MasterKey::from_base64(&"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()).expect("a key");
        let ring = Arc::new(KeyRing::new(provider, master, RotationPolicy::default(), random.clone()));
        let changes = ring.plan_rotation(&[], NOW).expect("a plan");
        let rows: Vec<_> = changes
            .into_iter()
            .map(|change| match change {
                KeyChange::Insert(row) => row,
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        ring.publish(&rows).expect("opens");
        let revocations = Arc::new(Revocations::new(std::time::Duration::from_hours(24)));
        let issuer =
            TokenIssuer::new(Arc::clone(&ring), Arc::clone(&revocations), random, names(), ACCESS_TOKEN_LIFETIME);
        Self { rows, ring, revocations, issuer }
    }

    /// Issues a token as the host does.
    pub(crate) fn token(&self) -> String {
        self.issuer.issue(&grant(), NOW).expect("a token").token.expose_secret().to_owned()
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.ring.active_kid()})
    }

    /// Signs any header and any claims with the host's active key: what a thief of the key could do, or a mistake.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let sign = |key: &crate::key_ring::SigningKey| {
            jsonwebtoken::crypto::sign(signed.as_bytes(), &key.encoding, jsonwebtoken::Algorithm::ES256)
        };
        let signature = self.ring.with_active_key(sign).expect("a key").expect("signs");
        format!("{signed}.{signature}")
    }

    pub(crate) fn verify(&self, token: &str, now: UnixMs) -> Result<Verified, VerifyError> {
        let own = OwnTokens { ring: Arc::clone(&self.ring), names: names() };
        let jws = Jws::parse(token)?;
        let key = own.find_key(&jws.header)?.ok_or(VerifyError::UnknownKey)?;
        own.verify(&jws, &key, now)
    }

    pub(crate) fn authenticator(&self, stores: &Stores, external: Vec<ExternalIssuer>) -> Authenticator {
        let parts = AuthenticatorParts {
            ring: Arc::clone(&self.ring),
            names: names(),
            external,
            fetch_jwks: Arc::new(stores.clone()),
            find_api_key: Arc::new(stores.clone()),
            revocations: Arc::clone(&self.revocations),
        };
        Authenticator::new(Provider::install().expect("installs"), parts)
    }
}

/// What is behind the ports, and how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct Stores(Arc<StoresInner>);

#[derive(Default)]
struct StoresInner {
    api_keys: Mutex<HashMap<String, StoredApiKey>>,
    jwks: Mutex<Option<Vec<u8>>>,
    fetches: AtomicUsize,
    lookups: AtomicUsize,
    used: Mutex<Vec<String>>,
}

impl Stores {
    pub(crate) fn put_api_key(&self, key: StoredApiKey) {
        self.0.api_keys.lock().expect("no panic").insert(key.id.clone(), key);
    }

    /// What the issuer answers from now on; nothing is a failure.
    pub(crate) fn set_jwks(&self, jwks: Option<&str>) {
        *self.0.jwks.lock().expect("no panic") = jwks.map(|jwks| jwks.as_bytes().to_vec());
    }

    pub(crate) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// The API keys that were used, in order.
    pub(crate) fn used(&self) -> Vec<String> {
        self.0.used.lock().expect("no panic").clone()
    }

    pub(crate) fn lookups(&self) -> usize {
        self.0.lookups.load(Ordering::SeqCst)
    }
}

impl FindApiKey for Stores {
    fn find_api_key<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredApiKey>, FindApiKeyError>> {
        self.0.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.0.api_keys.lock().expect("no panic").get(id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn note_used(&self, id: &str, _at: UnixMs) {
        self.0.used.lock().expect("no panic").push(id.to_owned());
    }
}

impl FetchJwks for Stores {
    fn fetch_jwks<'a>(&'a self, _issuer: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchJwksError>> {
        Box::pin(async {
            self.0.fetches.fetch_add(1, Ordering::SeqCst);
            // Others get their turn while the answer is on its way.
            tokio::task::yield_now().await;
            let jwks = self.0.jwks.lock().expect("no panic").clone();
            jwks.ok_or_else(|| FetchJwksError("the issuer is down".into()))
        })
    }
}
