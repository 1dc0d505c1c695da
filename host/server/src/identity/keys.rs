//! The signing keys: rows in the store, and what the process signs and verifies with.
//!
//! Whatever reads rows and publishes them does so in its turn, so that the keys of the process never go back to an
//! earlier state. A change that another process was quicker with is worked out again.

use std::sync::Arc;

use backplane_auth::{InvalidKeyRow, KeyChange, KeyRing, PlanKeysError, StoredKey, UnixMs};
use backplane_store::{
    Store, StoreError,
    identity::{
        audit::NewEntry,
        signing_keys::{self, ApplyKeysError},
    },
};
use tokio::sync::Mutex;

use super::{
    Identity,
    trail::{self, Attempt},
};
use crate::adapters::{DamagedRow, Reading, key_change, signing_key};

/// How often a change is worked out anew when another process is quicker.
const TRIES: usize = 3;

/// The keys of the process, and where they are kept.
pub(super) struct SigningKeys {
    /// What signs and verifies.
    ring: Arc<KeyRing>,
    store: Arc<Store>,
    reading: Reading,
    /// Held from reading rows to publishing them.
    turn: Mutex<()>,
}

/// Why keys were not read, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A row does not open with the master key.
    #[error(transparent)]
    Invalid(#[from] InvalidKeyRow),
    /// A row is not as this server writes it.
    #[error(transparent)]
    Damaged(#[from] DamagedRow),
    /// What has to change cannot be worked out.
    #[error(transparent)]
    Plan(#[from] PlanKeysError),
    /// There would be too many keys.
    #[error("there are as many signing keys as there may be: wait until retired ones are deleted")]
    TooMany,
    /// Other processes change the keys all the time.
    #[error("others change the signing keys at the same time")]
    Contended,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ApplyKeysError> for KeysError {
    fn from(error: ApplyKeysError) -> Self {
        match error {
            ApplyKeysError::TooMany => Self::TooMany,
            ApplyKeysError::Store(error) => Self::Store(error),
        }
    }
}

/// Works out what has to change in rows.
type Plan<'a> = dyn Fn(&KeyRing, &[StoredKey]) -> Result<Vec<KeyChange>, PlanKeysError> + Send + Sync + 'a;

impl Identity {
    /// Returns the public keys as a JSON Web Key Set (RFC 7517 §5).
    pub fn jwks(&self) -> Arc<str> {
        self.keys.ring.jwks()
    }

    /// Returns the signing keys as they are kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list_keys(&self) -> Result<Vec<StoredKey>, KeysError> {
        self.keys.load().await
    }

    /// Makes and moves signing keys when their time has come.
    ///
    /// # Errors
    /// When they cannot be read or changed.
    pub async fn rotate_keys_if_due(&self) -> Result<(), KeysError> {
        self.keys.rotate_if_due(self.clock.unix_ms()).await
    }

    /// Signs with another key from now on, and returns the keys. What was signed before stays good.
    ///
    /// # Errors
    /// When they cannot be read or changed.
    pub async fn replace_key(&self, attempt: &Attempt) -> Result<Vec<StoredKey>, KeysError> {
        let now = self.clock.unix_ms();
        self.keys.replace(now, attempt.entry(trail::OK, now)).await
    }

    /// Stops believing a key at once, and returns the keys.
    ///
    /// # Errors
    /// When there is no such key, or they cannot be read or changed.
    pub async fn revoke_key(&self, kid: &str, attempt: &Attempt) -> Result<Vec<StoredKey>, KeysError> {
        let now = self.clock.unix_ms();
        let entry = NewEntry { action: "key.revoke".to_owned(), ..attempt.entry(trail::OK, now) };
        self.keys.revoke(kid, now, entry).await
    }
}

impl SigningKeys {
    pub(super) fn new(ring: Arc<KeyRing>, store: Arc<Store>, reading: Reading) -> Self {
        Self { ring, store, reading, turn: Mutex::new(()) }
    }

    /// Takes the rows as they are now, whoever changed them, and returns them.
    pub(super) async fn load(&self) -> Result<Vec<StoredKey>, KeysError> {
        let _turn = self.turn.lock().await;
        let rows = self.read().await?;
        self.ring.publish(&rows)?;
        Ok(rows)
    }

    /// Makes and moves keys as time goes by: nothing most of the time.
    pub(super) async fn rotate_if_due(&self, now: UnixMs) -> Result<(), KeysError> {
        self.change(&|ring, rows| ring.plan_rotation(rows, now), None).await.map(drop)
    }

    /// Signs with another key from now on, and returns the keys.
    pub(super) async fn replace(&self, now: UnixMs, entry: NewEntry) -> Result<Vec<StoredKey>, KeysError> {
        self.change(&|ring, rows| ring.plan_replacement(rows, now), Some(entry)).await
    }

    /// Stops believing a key, and returns the keys.
    pub(super) async fn revoke(&self, kid: &str, now: UnixMs, entry: NewEntry) -> Result<Vec<StoredKey>, KeysError> {
        self.change(&|ring, rows| ring.plan_revocation(rows, kid, now), Some(entry)).await
    }

    /// Stops believing the keys that do not open with the master key, and returns their ids.
    pub(super) async fn revoke_unreadable(&self, now: UnixMs, entry: &NewEntry) -> Result<Vec<String>, KeysError> {
        let mut revoked = Vec::new();
        loop {
            match self.load().await {
                Err(KeysError::Invalid(InvalidKeyRow { kid })) if !revoked.contains(&kid) => {
                    let entry = NewEntry { target: Some(kid.clone()), ..entry.clone() };
                    match self.revoke(&kid, now, entry).await {
                        // The next one is among what was read again.
                        Ok(_) | Err(KeysError::Invalid(_)) => revoked.push(kid),
                        Err(error) => return Err(error),
                    }
                }
                loaded => return loaded.map(|_rows| revoked),
            }
        }
    }

    async fn change(&self, plan: &Plan<'_>, entry: Option<NewEntry>) -> Result<Vec<StoredKey>, KeysError> {
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let rows = self.read().await?;
            let changes = plan(&self.ring, &rows)?;
            if self.apply(changes, entry.clone()).await? {
                let rows = self.read().await?;
                self.ring.publish(&rows)?;
                return Ok(rows);
            }
        }
        Err(KeysError::Contended)
    }

    /// Writes all changes and the entry, or nothing when a row is not as expected.
    async fn apply(&self, changes: Vec<KeyChange>, entry: Option<NewEntry>) -> Result<bool, KeysError> {
        if changes.is_empty() && entry.is_none() {
            return Ok(true);
        }
        let changes: Vec<_> = changes.into_iter().map(key_change).collect();
        let applied = self.store.write(move |connection| {
            if !signing_keys::apply(connection, &changes)? {
                return Ok(false);
            }
            entry.map_or(Ok(()), |entry| trail::append(connection, entry))?;
            Ok::<_, KeysError>(true)
        });
        applied.await
    }

    async fn read(&self) -> Result<Vec<StoredKey>, KeysError> {
        let rows = self.reading.read(|connection| Ok::<_, KeysError>(signing_keys::list(connection)?)).await?;
        Ok(rows.into_iter().map(signing_key).collect::<Result<_, _>>()?)
    }
}
