//! Tokens that no server issued: signed with a server's own key, as a thief of its data folder could, or with another.
//!
//! It knows what anybody who reads the documents knows: how the key is kept, and what stands in a token.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::Database;

/// A key that signs whatever it is told.
pub(crate) struct Forge {
    kid: String,
    pkcs8: Vec<u8>,
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Forge {
    /// Steals the active key of a server.
    #[track_caller]
    pub(crate) fn of(data: &Path) -> Self {
        let (kid, wrapped) = Database::open(data).active_key();
        let master = fs::read_to_string(data.join("master.key")).expect("the master key lies in the folder");
        let master = STANDARD.decode(master.trim()).expect("it is base64");
        // A byte of version, the nonce, the encrypted document with its tag.
        let (nonce, sealed) = wrapped[1..].split_first_chunk::<NONCE_LEN>().expect("a wrapped key has a nonce");
        let mut opened = sealed.to_vec();
        let opener = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &master).expect("a master key has 32 bytes"));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let pkcs8 = opener.open_in_place(nonce, Aad::from(kid.as_bytes()), &mut opened).expect("the key opens");
        Self::with(kid, pkcs8)
    }

    /// Makes a key that nobody knows, under an id of the test's choice.
    #[track_caller]
    pub(crate) fn stranger(kid: &str) -> Self {
        let random = SystemRandom::new();
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("there is randomness");
        Self::with(kid.to_owned(), made.as_ref())
    }

    fn with(kid: String, pkcs8: &[u8]) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).expect("it is a key");
        Self { kid, pkcs8: pkcs8.to_owned(), key, random }
    }

    /// Returns the key's id.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the private key, as PKCS#8 writes it: its number is in the bytes from 36 to 68.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Returns the public key: a byte 4, then both coordinates.
    pub(crate) fn point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Returns the public key as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.point()[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    /// Returns the header that the server itself writes.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.kid})
    }

    /// Signs any header and any claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("a key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs claims under the header that the server itself writes.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }
}

/// Returns the claims of a token.
#[track_caller]
pub(crate) fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a token has claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("they are base64url")).expect("they are JSON")
}

/// Returns the time in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a token says when it was made, and the server looks at the real time")]
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("1970 is over");
    i64::try_from(since.as_secs()).expect("a date fits")
}
