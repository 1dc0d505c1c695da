//! What is remembered of an issuer's keys, and when they are fetched again.
//!
//! [`Memory`] decides and is a function of what happened and of time; [`KeyCache`] carries it out, one fetch at a time.
//! Keys are used for ten minutes without a question, then fetched again; when that fails they are good for a day, as
//! HTTP's stale-if-error has it (RFC 5861 §4). A key id that is not among them is worth a fetch, but no more than one
//! in thirty seconds, however many tokens invent one (RFC 8725 §3.10).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{ExternalError, issuer::ExternalAlgorithm, key_set::KeySet};
use crate::{
    BoxFuture,
    jws::VerifyingKey,
    time::UnixMs,
    verify::{LEEWAY, VerifyError},
};

/// How long keys are used without asking.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// How long keys are used while the issuer cannot be asked.
const STALE_FOR: Duration = Duration::from_hours(24);
/// How long after a fetch, good or bad, the next one.
const FETCH_INTERVAL: Duration = Duration::from_secs(30);

/// Fetches the key set of an issuer.
pub trait FetchJwks: Send + Sync {
    /// Returns the key set of the configured issuer `issuer`, at most [`JWKS_BYTES_MAX`](crate::JWKS_BYTES_MAX) of it.
    ///
    /// The implementation bounds the time, follows no redirect, and asks where the operator or the issuer's metadata
    /// says, never where a token does.
    fn fetch_jwks<'a>(&'a self, issuer: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchJwksError>>;
}

/// A key set could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("the key set could not be fetched")]
pub struct FetchJwksError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What to do about fetching, for one token.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Step {
    /// What is there is all that there is to say.
    Answer,
    /// The key is there, and old: somebody should fetch meanwhile.
    AnswerAndFetch,
    /// Only a fetch can tell.
    FetchFirst,
}

/// What is known, and since when.
#[derive(Debug, Default)]
struct Memory {
    keys: Option<KeySet>,
    fetched_at: Option<UnixMs>,
    asked_at: Option<UnixMs>,
}

/// An issuer's keys.
pub(super) struct KeyCache {
    issuer: Arc<str>,
    algorithms: Box<[ExternalAlgorithm]>,
    fetch: Arc<dyn FetchJwks>,
    memory: Mutex<Memory>,
    /// Held by the fetch that is on its way.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

impl Memory {
    fn step(&self, has_key: bool, now: UnixMs) -> Step {
        match (has_key, self.may_ask(now)) {
            (_, false) => Step::Answer,
            (false, true) => Step::FetchFirst,
            (true, true) if is_within(self.fetched_at, FRESH_FOR, now) => Step::Answer,
            (true, true) => Step::AnswerAndFetch,
        }
    }

    fn may_ask(&self, now: UnixMs) -> bool {
        !is_within(self.asked_at, FETCH_INTERVAL, now)
    }

    /// Returns the keys that are good at `now`.
    fn usable(&self, now: UnixMs) -> Option<&KeySet> {
        self.keys.as_ref().filter(|_keys| is_within(self.fetched_at, STALE_FOR, now))
    }
}

/// Returns whether `moment` was less than `period` ago. What lies ahead, because the clock went back, was not.
fn is_within(moment: Option<UnixMs>, period: Duration, now: UnixMs) -> bool {
    moment.is_some_and(|moment| now.since(moment) < period && moment <= now.after(LEEWAY))
}

impl KeyCache {
    pub(super) fn new(issuer: Arc<str>, algorithms: Box<[ExternalAlgorithm]>, fetch: Arc<dyn FetchJwks>) -> Self {
        Self { issuer, algorithms, fetch, memory: Mutex::default(), fetching: Arc::default() }
    }

    /// Returns the key that a token names, asking the issuer where that is worth it.
    ///
    /// # Cancel safety
    /// A fetch that was begun goes on without its caller.
    pub(super) async fn find_key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: ExternalAlgorithm,
        now: UnixMs,
    ) -> Result<VerifyingKey, ExternalError> {
        let (step, found) = self.look(id, algorithm, now);
        if step != Step::Answer {
            self.start_fetch(now);
        }
        if let Ok(key) = found {
            return Ok(key);
        }
        // A fetch that is on its way, whoever began it, may bring the key.
        drop(self.fetching.lock().await);
        self.look(id, algorithm, now).1
    }

    fn look(
        &self,
        id: Option<&str>,
        algorithm: ExternalAlgorithm,
        now: UnixMs,
    ) -> (Step, Result<VerifyingKey, ExternalError>) {
        let memory = self.memory();
        let found = match memory.usable(now) {
            None => Err(ExternalError::KeysUnavailable),
            Some(keys) => keys.find(id, algorithm).cloned().ok_or(VerifyError::UnknownKey.into()),
        };
        (memory.step(found.is_ok(), now), found)
    }

    /// Fetches in a task of its own, unless a fetch is on its way or was just now: a caller that goes away does not
    /// make the next one start again.
    fn start_fetch(self: &Arc<Self>, now: UnixMs) {
        let Ok(turn) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        {
            let mut memory = self.memory();
            if !memory.may_ask(now) {
                return;
            }
            memory.asked_at = Some(now);
        }
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = turn;
            cache.fetch_once(now).await;
        });
    }

    async fn fetch_once(&self, now: UnixMs) {
        match self.fetch.fetch_jwks(&self.issuer).await {
            Err(FetchJwksError(error)) => {
                tracing::warn!(issuer = %self.issuer, error, "key set could not be fetched: keeping what is there");
            }
            Ok(bytes) => match KeySet::parse(&bytes, &self.algorithms) {
                None => tracing::warn!(issuer = %self.issuer, "key set has no usable key: keeping what is there"),
                Some(keys) => {
                    let mut memory = self.memory();
                    (memory.keys, memory.fetched_at) = (Some(keys), Some(now));
                }
            },
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").field("issuer", &self.issuer).field("memory", &self.memory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    fn memory(fetched_at: i64, asked_at: i64) -> Memory {
        Memory { keys: None, fetched_at: Some(UnixMs(fetched_at)), asked_at: Some(UnixMs(asked_at)) }
    }

    #[track_caller]
    fn check(memory: &Memory, has_key: bool, now: i64, expected: Step) {
        assert_eq!(memory.step(has_key, UnixMs(now)), expected);
    }

    #[test]
    fn asks_first_when_nothing_is_known() {
        check(&Memory::default(), false, 0, Step::FetchFirst);
        let asked = Memory { asked_at: Some(UnixMs(0)), ..Memory::default() };
        check(&asked, false, 30 * SECOND - 1, Step::Answer);
        check(&asked, false, 30 * SECOND, Step::FetchFirst);
    }

    #[test]
    fn keys_are_fresh_for_ten_minutes() {
        check(&memory(0, 0), true, 10 * MINUTE - 1, Step::Answer);
        check(&memory(0, 0), true, 10 * MINUTE, Step::AnswerAndFetch);
        check(&memory(0, 10 * MINUTE), true, 10 * MINUTE + 1, Step::Answer);
        check(&memory(0, 10 * MINUTE), true, 10 * MINUTE + 30 * SECOND, Step::AnswerAndFetch);
    }

    #[test]
    fn an_unknown_id_is_worth_one_fetch_in_thirty_seconds() {
        check(&memory(0, 0), false, 30 * SECOND - 1, Step::Answer);
        check(&memory(0, 0), false, 30 * SECOND, Step::FetchFirst);
        check(&memory(0, 30 * SECOND), false, 60 * SECOND - 1, Step::Answer);
    }

    #[test]
    fn keys_are_good_for_a_day_while_the_issuer_is_silent() {
        let keys = KeySet::parse(
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            &[ExternalAlgorithm::Ed25519],
        );
        let memory = Memory { keys, ..memory(0, 0) };
        assert!(memory.usable(UnixMs(24 * HOUR - 1)).is_some());
        assert!(memory.usable(UnixMs(24 * HOUR)).is_none());
    }

    #[test]
    fn a_clock_that_went_back_keeps_nothing_alive() {
        let ahead = memory(10 * HOUR, 10 * HOUR);
        check(&ahead, true, 0, Step::AnswerAndFetch);
        check(&ahead, false, 0, Step::FetchFirst);
        assert!(ahead.usable(UnixMs(0)).is_none());
    }
}
