//! The keys that access tokens are signed with.
//!
//! A key is `next` (published, not used yet), `active` (signs), `retired` (verifies what it signed) or `revoked`
//! (believed no more). Its id is its thumbprint (RFC 7638), so an id names one key for ever. Private keys leave this
//! crate wrapped under a master key, with the id as what they are bound to: a row that was swapped or made by somebody
//! without the master key does not open. Whoever verifies reads one immutable snapshot and takes no lock.
//!
//! Rows come in and changes of rows go out; who keeps them, and how two nodes agree, is not known here.

mod master_key;
mod rotation;
mod signing_key;
mod snapshot;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use ring::rand::SystemRandom;

pub use self::{
    master_key::{MasterKey, MasterKeyError},
    rotation::RotationPolicy,
    snapshot::InvalidKeyRow,
};
use self::{rotation::Step, signing_key::create_row, snapshot::Snapshot};
use crate::{jws::VerifyingKey, provider::Provider, random::NoRandomness, time::UnixMs};

pub(crate) use self::signing_key::{ALGORITHM_NAME, SigningKey};

/// What a signing key is used for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published so that others know it, and not used yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more; what it signed is believed.
    Retired,
    /// What it signed is believed no more.
    Revoked,
}

impl KeyState {
    /// Returns the state as a row holds it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    /// Returns the state that a row holds, when it is one.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retired, Self::Revoked].into_iter().find(|state| state.as_str() == text)
    }
}

/// A signing key as a row. Whoever has the row has no key: that takes the master key too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Thumbprint of the public key (RFC 7638), 43 characters.
    pub kid: String,
    /// `ES256`.
    pub algorithm: String,
    /// The private key, encrypted.
    pub wrapped: Vec<u8>,
    /// What it is used for.
    pub state: KeyState,
    /// When it came to be in that state.
    pub changed_at: UnixMs,
}

/// A change of the rows. Changes that came out together are written together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A row is new.
    Insert(StoredKey),
    /// A row that is in state `from` goes to another; a row in any other state voids all the changes.
    Move {
        /// Which row.
        kid: String,
        /// In which state it must be.
        from: KeyState,
        /// In which state it will be.
        to: KeyState,
        /// When.
        at: UnixMs,
    },
    /// A row goes.
    Delete {
        /// Which row.
        kid: String,
    },
}

/// Why no changes could be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanKeysError {
    /// No key has the id that is to be revoked.
    #[error("no signing key has the id `{kid}`")]
    UnknownKey {
        /// What was asked for.
        kid: String,
    },
    /// A key has to be made and cannot be.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The keys of this host.
#[derive(Debug)]
pub struct KeyRing {
    master: MasterKey,
    policy: RotationPolicy,
    random: SystemRandom,
    snapshot: ArcSwap<Snapshot>,
    /// Another number for every snapshot, so that what was verified under an earlier one can be told.
    epoch: AtomicU64,
}

impl KeyRing {
    /// Makes a ring without keys: it signs and verifies nothing until [`publish`](Self::publish).
    pub fn new(_proof: Provider, master: MasterKey, policy: RotationPolicy, random: SystemRandom) -> Self {
        Self { master, policy, random, snapshot: ArcSwap::default(), epoch: AtomicU64::new(0) }
    }

    /// Works out what has to change in `rows` at `now`, nothing most of the time.
    ///
    /// The caller writes the changes in one transaction, reads the rows again and publishes them. When another node was
    /// quicker, the transaction fails and there is nothing to repair.
    ///
    /// # Errors
    /// When a key has to be made and there is no randomness.
    pub fn plan_rotation(&self, rows: &[StoredKey], now: UnixMs) -> Result<Vec<KeyChange>, PlanKeysError> {
        self.carry_out(self.policy.plan(rows, now), rows, now)
    }

    /// Works out how another key signs from now on: the one that waits, else a new one. What was signed before stays
    /// good, so nobody is logged out.
    ///
    /// # Errors
    /// When a key has to be made and there is no randomness.
    pub fn plan_replacement(&self, rows: &[StoredKey], now: UnixMs) -> Result<Vec<KeyChange>, PlanKeysError> {
        let is_active = |row: &&StoredKey| row.state == KeyState::Active;
        let active: Vec<_> = rows.iter().filter(is_active).map(|row| row.kid.clone()).collect();
        self.plan_with(rows, &active, KeyState::Retired, now)
    }

    /// Works out how to stop believing the key `kid` at once, with another key in its place when it is the active one.
    ///
    /// What it signed is refused as soon as the rows are published; its holders refresh.
    ///
    /// # Errors
    /// When there is no such key, or a key has to be made and there is no randomness.
    pub fn plan_revocation(&self, rows: &[StoredKey], kid: &str, now: UnixMs) -> Result<Vec<KeyChange>, PlanKeysError> {
        let unknown = || PlanKeysError::UnknownKey { kid: kid.to_owned() };
        match rows.iter().find(|row| row.kid == kid).ok_or_else(unknown)?.state {
            KeyState::Revoked => Ok(Vec::new()),
            KeyState::Next | KeyState::Active | KeyState::Retired => {
                self.plan_with(rows, &[kid.to_owned()], KeyState::Revoked, now)
            }
        }
    }

    /// Moves `kids` to the state `to`, and then does what the policy does with what is left.
    fn plan_with(
        &self,
        rows: &[StoredKey],
        kids: &[String],
        to: KeyState,
        now: UnixMs,
    ) -> Result<Vec<KeyChange>, PlanKeysError> {
        let (mut after, mut changes) = (rows.to_vec(), Vec::new());
        for row in after.iter_mut().filter(|row| kids.contains(&row.kid)) {
            let from = std::mem::replace(&mut row.state, to);
            row.changed_at = now;
            changes.push(KeyChange::Move { kid: row.kid.clone(), from, to, at: now });
        }
        changes.extend(self.carry_out(self.policy.plan(&after, now), &after, now)?);
        Ok(changes)
    }

    fn carry_out(&self, steps: Vec<Step>, rows: &[StoredKey], at: UnixMs) -> Result<Vec<KeyChange>, PlanKeysError> {
        let state_of = |kid: &str| rows.iter().find(|row| row.kid == kid).map(|row| row.state);
        let mut changes = Vec::with_capacity(steps.len());
        for step in steps {
            changes.push(match step {
                Step::Create(state) => KeyChange::Insert(create_row(&self.master, &self.random, state, at)?),
                Step::Delete { kid } => KeyChange::Delete { kid },
                Step::Move { kid, to } => {
                    let Some(from) = state_of(&kid) else { continue };
                    KeyChange::Move { kid, from, to, at }
                }
            });
        }
        Ok(changes)
    }

    /// Makes `rows` what signs and verifies from now on. The same rows again change nothing. Of two calls at once the
    /// later one to end counts: one task of the process publishes.
    ///
    /// # Errors
    /// When a row does not open with the master key; the keys stay as they were.
    pub fn publish(&self, rows: &[StoredKey]) -> Result<(), InvalidKeyRow> {
        if self.snapshot.load().is_of(rows) {
            return Ok(());
        }
        let snapshot = Snapshot::open(rows, &self.master)?;
        self.snapshot.store(Arc::new(snapshot));
        // After the snapshot: whoever notes the epoch first and verifies then is at worst verified once more.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Returns the public keys as a JSON Web Key Set (RFC 7517 §5), those that sign soon included.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.snapshot.load().jwks)
    }

    /// Returns the id of the key that signs, when there is one.
    pub fn active_kid(&self) -> Option<String> {
        self.snapshot.load().active.as_ref().map(|key| key.kid.clone())
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) fn find_verifying_key(&self, kid: &str) -> Option<VerifyingKey> {
        self.snapshot.load().verifying.get(kid).cloned()
    }

    pub(crate) fn with_active_key<T>(&self, sign: impl FnOnce(&SigningKey) -> T) -> Option<T> {
        self.snapshot.load().active.as_ref().map(sign)
    }
}

#[cfg(test)]
mod tests;
