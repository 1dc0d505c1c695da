//! The keys as they are at one moment: whole, immutable, and nothing in it that is not believed.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{
    KeyState, StoredKey,
    master_key::MasterKey,
    signing_key::{ALGORITHM_NAME, SigningKey},
};
use crate::jws::VerifyingKey;

/// A row that does not hold the key that it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing key `{kid}` does not open with this master key: restore the one that it was made under, or revoke it")]
pub struct InvalidKeyRow {
    /// Which row.
    pub kid: String,
}

/// What signs and verifies.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The rows that it was made of, by id and state.
    rows: Vec<(String, KeyState)>,
    pub(super) verifying: HashMap<String, VerifyingKey>,
    pub(super) active: Option<SigningKey>,
    pub(super) jwks: Arc<str>,
}

/// A public key as a JSON Web Key (RFC 7517 §4, RFC 7518 §6.2.1).
#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    crv: &'static str,
    x: &'a str,
    y: &'a str,
    kid: &'a str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { rows: Vec::new(), verifying: HashMap::new(), active: None, jwks: render(&[]) }
    }
}

impl Snapshot {
    pub(super) fn open(rows: &[StoredKey], master: &MasterKey) -> Result<Self, InvalidKeyRow> {
        let mut newest: Option<&StoredKey> = None;
        let mut keys = Vec::new();
        for row in rows.iter().filter(|row| row.state != KeyState::Revoked) {
            let key = SigningKey::open(row, master).ok_or_else(|| InvalidKeyRow { kid: row.kid.clone() })?;
            keys.push(key);
            if row.state == KeyState::Active && newest.is_none_or(|other| row.order() > other.order()) {
                newest = Some(row);
            }
        }
        keys.sort_by(|one, other| one.kid.cmp(&other.kid));
        let jwks = render(&keys);
        let verifying = keys.iter().map(|key| (key.kid.clone(), key.verifying.clone())).collect();
        let active = newest.and_then(|row| keys.into_iter().find(|key| key.kid == row.kid));
        Ok(Self { rows: outline(rows), verifying, active, jwks })
    }

    /// Returns whether it was made of these rows.
    pub(super) fn is_of(&self, rows: &[StoredKey]) -> bool {
        self.rows == outline(rows)
    }
}

impl StoredKey {
    /// Which of several keys in one state counts as the newest, the same on every node.
    pub(super) fn order(&self) -> (crate::time::UnixMs, &str) {
        (self.changed_at, &self.kid)
    }
}

fn outline(rows: &[StoredKey]) -> Vec<(String, KeyState)> {
    let mut outline: Vec<_> = rows.iter().map(|row| (row.kid.clone(), row.state)).collect();
    outline.sort_by(|one, other| one.0.cmp(&other.0));
    outline
}

fn render(keys: &[SigningKey]) -> Arc<str> {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: Vec<Jwk<'a>>,
    }

    let keys = keys.iter().map(|SigningKey { kid, x, y, .. }| Jwk {
        kty: "EC",
        crv: "P-256",
        x,
        y,
        kid,
        usage: "sig",
        alg: ALGORITHM_NAME,
    });
    let set = serde_json::to_string(&Set { keys: keys.collect() });
    set.expect("texts in structs are always JSON").into()
}
