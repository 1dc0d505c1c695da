//! Credentials that were verified a moment ago.
//!
//! The key is the digest of the credential, so that the cache holds nothing that opens a door. What is in it counts
//! for a minute and never past its own expiry, by the clock of the caller; the cache's own clock drops it too, whatever
//! the caller's does. It is bounded by number and by size. Whether something was revoked since is not known here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use ring::digest;

use crate::{principal::Principal, revocations::TokenOf, time::UnixMs, verify::Verified};

/// How long a verified credential is believed without verifying it again.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Most credentials; one with large claims counts as several.
const ENTRIES_MAX: u64 = 50_000;
/// What one entry may weigh.
const ENTRY_BYTES: usize = 1024;

/// SHA-256 of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(credential: &str) -> Self {
        let mut bytes = [0; 32];
        for (byte, digested) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, credential.as_bytes()).as_ref()) {
            *byte = *digested;
        }
        Self(bytes)
    }
}

/// What kind of credential it was.
#[derive(Debug)]
pub(super) enum Source {
    /// A token of this host, verified with the keys of that epoch.
    Own {
        /// Of the key ring.
        epoch: u64,
    },
    /// A token of an outside issuer.
    External,
    /// An API key.
    ApiKey {
        /// The part before the secret.
        id: Box<str>,
    },
}

/// A credential that was verified.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) principal: Arc<Principal>,
    pub(super) source: Source,
    issued: i64,
    believed_from: UnixMs,
    believed_until: UnixMs,
    /// The version of the revocations at which it was not revoked.
    checked_at: AtomicU64,
}

impl Cached {
    pub(super) fn new(verified: Verified, source: Source, version: u64, now: UnixMs) -> Self {
        Self {
            principal: verified.principal,
            source,
            issued: verified.issued,
            believed_from: now,
            believed_until: now.after(BELIEVED_FOR).min(UnixMs::from_seconds(verified.expires)),
            checked_at: AtomicU64::new(version),
        }
    }

    pub(super) fn checked_at(&self) -> u64 {
        self.checked_at.load(Ordering::Relaxed)
    }

    pub(super) fn note_checked_at(&self, version: u64) {
        self.checked_at.store(version, Ordering::Relaxed);
    }

    pub(super) fn token(&self) -> TokenOf<'_> {
        TokenOf { subject: self.principal.subject(), session: self.principal.session(), issued: self.issued }
    }

    /// In units of [`ENTRY_BYTES`].
    fn weight(&self) -> u32 {
        let names = self.principal.roles().iter().chain(self.principal.scopes().iter());
        let bytes = self.principal.claims().len() + names.map(|name| name.len() + 16).sum::<usize>();
        u32::try_from(bytes / ENTRY_BYTES).unwrap_or(u32::MAX).saturating_add(1)
    }
}

pub(super) struct CredentialCache(Cache<Digest, Arc<Cached>>);

impl CredentialCache {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(ENTRIES_MAX)
            .weigher(|_digest, cached: &Arc<Cached>| cached.weight())
            .time_to_live(BELIEVED_FOR)
            .build();
        Self(cache)
    }

    /// Returns what is believed at `now`.
    pub(super) fn find(&self, digest: &Digest, now: UnixMs) -> Option<Arc<Cached>> {
        self.0.get(digest).filter(|cached| (cached.believed_from..cached.believed_until).contains(&now))
    }

    pub(super) fn insert(&self, digest: Digest, cached: Cached) {
        if cached.believed_from < cached.believed_until {
            self.0.insert(digest, Arc::new(cached));
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.run_pending_tasks();
        self.0.entry_count() == 0
    }
}
