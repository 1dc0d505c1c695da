//! The brakes on sign-ins: guessing a password gets slow, and nobody is locked out for good (ASVS 5.0 §6.1.1).
//!
//! Two buckets, one for the account and one for the address, bound how fast attempts come. Beyond that an account's
//! failures in a row cost a growing delay, up to 15 minutes, which attempts during the delay do not make longer. An
//! attempt counts as failed from its beginning until it is said to have succeeded, so many at once are no way around,
//! nor is going away before the answer. An address from which the account has signed in before has a count of its own:
//! strangers cannot keep the owner out.
//!
//! What is remembered is bounded; under a flood the entries that are used least go. Names are held as keyed hashes, and
//! an account that does not exist is treated as one that does. Who may sign in is not known here. Time is tokio's.

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::Quota;
use moka::sync::Cache;
use tokio::time::Instant;

use crate::{
    bucket::{Bucket, Empty},
    origin::origin_of,
};

/// How many failures in a row cost nothing: typing errors.
const FREE_FAILURES: u32 = 5;
/// The delay after the next one; it doubles with each.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// The longest delay.
const DELAY_MAX: Duration = Duration::from_mins(15);
/// How long without an attempt until an account's failures are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);
/// How long an address counts as one of an account's own.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);
/// Most accounts, most addresses, most pairs of the two.
const ENTRIES_MAX: u64 = 50_000;

/// How fast attempts may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Attempts on one account in a minute; 10 by default, as many at once.
    pub account_per_minute: NonZero<u32>,
    /// Attempts from one address (IPv4) or network (IPv6, 64 bits) in a minute; 30 by default, as many at once.
    pub address_per_minute: NonZero<u32>,
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        let per_minute = |attempts| NonZero::new(attempts).unwrap_or(NonZero::<u32>::MIN);
        Self { account_per_minute: per_minute(10), address_per_minute: per_minute(30) }
    }
}

/// An attempt comes too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins: try again in {} s", retry_after.as_secs() + 1)]
pub struct Delayed {
    /// How long to wait.
    pub retry_after: Duration,
}

impl From<Empty> for Delayed {
    fn from(Empty { retry_after }: Empty) -> Self {
        Self { retry_after }
    }
}

type Key = u64;

/// Slows sign-ins down.
#[derive(Debug)]
pub struct SignInThrottle {
    limits: ThrottleLimits,
    hasher: RandomState,
    accounts: Cache<Key, Arc<Bucket>>,
    addresses: Cache<Key, Arc<Bucket>>,
    failures: Cache<Key, Arc<Mutex<Failures>>>,
    /// Pairs of account and address that belong together, and when they last signed in.
    known: Cache<Key, Instant>,
}

/// Failures in a row.
#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// An attempt that was let through; it has failed unless it is said to have succeeded.
#[derive(Debug)]
#[must_use = "an attempt that is dropped has failed"]
pub struct Attempt<'a> {
    throttle: &'a SignInThrottle,
    failures: Arc<Mutex<Failures>>,
    pair: Key,
}

impl SignInThrottle {
    /// Lets attempts through as fast as `limits` say.
    pub fn new(limits: ThrottleLimits) -> Self {
        Self::with_room(limits, ENTRIES_MAX)
    }

    fn with_room(limits: ThrottleLimits, entries_max: u64) -> Self {
        Self {
            limits,
            hasher: RandomState::new(),
            accounts: Cache::new(entries_max),
            addresses: Cache::new(entries_max),
            failures: Cache::new(entries_max),
            known: Cache::new(entries_max),
        }
    }

    /// Lets an attempt on `account` from `address` through, or says when to come back. The account is what the client
    /// says, and need not exist.
    ///
    /// # Errors
    /// When the account or the address makes too many attempts, or the account's failures cost a delay.
    pub fn admit(&self, account: &str, address: IpAddr) -> Result<Attempt<'_>, Delayed> {
        let (account, address) = (account.to_lowercase(), origin_of(address));
        let now = Instant::now();
        let address_bucket =
            self.addresses.get_with(self.key(&address), || self.bucket(self.limits.address_per_minute));
        address_bucket.take()?;
        let pair = self.key(&(&account, address));
        let account_key = self.key(&account);
        // A stranger's failures and the owner's are two counts.
        let is_known = self.known.get(&pair).is_some_and(|seen| now.duration_since(seen) < KNOWN_FOR);
        let counted = if is_known { pair } else { account_key };
        self.accounts.get_with(counted, || self.bucket(self.limits.account_per_minute)).take()?;
        let new = || Arc::new(Mutex::new(Failures { count: 0, last: now }));
        let failures = self.failures.get_with(counted, new);
        lock(&failures).begin(now)?;
        Ok(Attempt { throttle: self, failures, pair })
    }

    fn bucket(&self, per_minute: NonZero<u32>) -> Arc<Bucket> {
        Arc::new(Bucket::new(Quota::per_minute(per_minute)))
    }

    fn key(&self, of: &impl std::hash::Hash) -> Key {
        self.hasher.hash_one(of)
    }
}

impl Attempt<'_> {
    /// The password was right: the failures before it are forgotten, and the address is one of the account's own.
    pub fn succeeded(self) {
        lock(&self.failures).count = 0;
        self.throttle.known.insert(self.pair, Instant::now());
    }

    /// The password was not compared, and that is not the fault of who sent it: it counts as no failure.
    pub fn not_checked(self) {
        let mut failures = lock(&self.failures);
        failures.count = failures.count.saturating_sub(1);
    }
}

impl Failures {
    /// Counts an attempt as failed, unless it comes too early.
    fn begin(&mut self, now: Instant) -> Result<(), Delayed> {
        let since = now.duration_since(self.last);
        if since >= FORGOTTEN_AFTER {
            self.count = 0;
        }
        let retry_after = self.delay().saturating_sub(since);
        if retry_after > Duration::ZERO {
            return Err(Delayed { retry_after });
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        Ok(())
    }

    /// Returns how long after the last attempt the next one may come.
    fn delay(&self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(beyond) => FIRST_DELAY.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(DELAY_MAX),
        }
    }
}

fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}
