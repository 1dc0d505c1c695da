//! What is believed no more although its time is not over: sessions, somebody's earlier tokens, API keys.
//!
//! The caller feeds it, from its own actions at once and from the database for those of other nodes. It is asked on
//! every request, so what it knows has a version: whoever was checked at this version needs no second look, and the
//! look costs one atomic load. It is bounded without forgetting a revocation: what is dropped for room leaves a floor
//! behind, and every token from before that floor is refused, which costs its holder a refresh. A revocation older
//! than any token can be is dropped without one. Sessions and API keys are compared without a clock; a subject's tokens
//! are compared by time, so where the clocks of nodes differ, revoke the subject's sessions too. It does not know how a
//! revocation came about.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{time::UnixMs, verify::LEEWAY};

/// Most revocations that are remembered, each kind for itself.
const HELD_MAX: usize = 65_536;
/// How far many revocations of one subject within a second can push what is believed again into the future: less than
/// a token may be issued ahead of a verifier's clock.
const AHEAD_MAX: Duration = LEEWAY.saturating_sub(Duration::from_secs(10));

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Every token of a session, whenever it was issued.
    Session(Arc<str>),
    /// Every token of a subject that was issued before: after a password change, another role, or a lock.
    Subject(Arc<str>),
    /// What is remembered about an API key: it is looked up again.
    ApiKey(Arc<str>),
}

/// Something that was revoked at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What.
    pub what: Revoked,
    /// When.
    pub at: UnixMs,
}

impl Revocation {
    /// A session ended.
    pub fn of_session(session: &str, at: UnixMs) -> Self {
        Self { what: Revoked::Session(session.into()), at }
    }

    /// What `subject` was given before is void.
    pub fn of_subject(subject: &str, at: UnixMs) -> Self {
        Self { what: Revoked::Subject(subject.into()), at }
    }

    /// The API key `id` was changed or ended.
    pub fn of_api_key(id: &str, at: UnixMs) -> Self {
        Self { what: Revoked::ApiKey(id.into()), at }
    }
}

/// What one token is, for the question whether it was revoked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenOf<'a> {
    pub(crate) subject: &'a str,
    pub(crate) session: Option<&'a str>,
    /// Second in which it was issued.
    pub(crate) issued: i64,
}

/// Everything that is revoked.
#[derive(Debug)]
pub struct Revocations {
    version: AtomicU64,
    held: RwLock<Held>,
    /// How long after its issue a token can be good.
    retention: Duration,
}

#[derive(Debug)]
struct Held {
    sessions: Dated,
    subjects: Dated,
    api_keys: Dated,
    /// Tokens that were issued before this second are refused, whoever's they are.
    floor: i64,
    /// What was remembered of API keys before this version is looked up again.
    floor_version: u64,
}

/// Names with their revocations, the oldest at hand.
#[derive(Debug)]
struct Dated {
    revoked: HashMap<Arc<str>, Noted>,
    oldest: BTreeSet<(UnixMs, Arc<str>)>,
    held_max: usize,
}

/// One revocation, and the version that brought it.
#[derive(Debug, Clone, Copy)]
struct Noted {
    at: UnixMs,
    /// First second whose tokens are believed again.
    from: i64,
    version: u64,
}

impl Revocations {
    /// Remembers each revocation for as long as a token can be good that was issued before it: `lifetime_max` is the
    /// longest life of any accepted token, outside issuers' included.
    pub fn new(lifetime_max: Duration) -> Self {
        Self::with_room(lifetime_max, HELD_MAX)
    }

    fn with_room(lifetime_max: Duration, held_max: usize) -> Self {
        // A clock may be wrong when the token is issued, and when it is checked.
        let retention = lifetime_max.saturating_add(LEEWAY.saturating_mul(2));
        let dated = || Dated { revoked: HashMap::new(), oldest: BTreeSet::new(), held_max };
        let held = Held { sessions: dated(), subjects: dated(), api_keys: dated(), floor: 0, floor_version: 0 };
        Self { version: AtomicU64::new(0), held: RwLock::new(held), retention }
    }

    /// Takes revocations, in any order and as often as they come. One from the future counts as one from now.
    pub fn apply(&self, revocations: impl IntoIterator<Item = Revocation>, now: UnixMs) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.forget(now, self.retention);
        let version = self.version() + 1;
        let mut has_news = false;
        for Revocation { what, at } in revocations {
            let at = at.min(now.after(LEEWAY));
            has_news |= held.insert(what, Noted { at, from: at.seconds_up(), version }, now);
        }
        if has_news {
            // While the lock is held: who sees the new version finds what it stands for.
            self.version.store(version, Ordering::SeqCst);
        }
    }

    /// Returns the first second whose tokens of `subject` are not revoked. Two revocations never have the same one, also
    /// within a second, so whoever sees the same number before and after knows that nothing came in between.
    pub fn earliest_issued(&self, subject: &str) -> i64 {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.floor.max(held.subjects.revoked.get(subject).map_or(0, |noted| noted.from))
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    pub(crate) fn is_revoked(&self, token: TokenOf<'_>) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let subject = held.subjects.revoked.get(token.subject);
        token.issued < held.floor
            || subject.is_some_and(|noted| token.issued < noted.from)
            || token.session.is_some_and(|session| held.sessions.revoked.contains_key(session))
    }

    /// Returns whether the API key `id` of `subject` has to be looked up again that was looked up at `version`.
    pub(crate) fn is_outdated(&self, id: &str, subject: &str, version: u64) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let is_news = |noted: Option<&Noted>| noted.is_some_and(|noted| noted.version > version);
        held.floor_version > version
            || is_news(held.api_keys.revoked.get(id))
            || is_news(held.subjects.revoked.get(subject))
    }
}

impl Held {
    /// Returns whether it is news.
    fn insert(&mut self, what: Revoked, noted: Noted, now: UnixMs) -> bool {
        let (dated, name) = match what {
            Revoked::Session(name) => (&mut self.sessions, name),
            Revoked::Subject(name) => (&mut self.subjects, name),
            Revoked::ApiKey(name) => (&mut self.api_keys, name),
        };
        let is_news = dated.insert(name, noted, now);
        if dated.revoked.len() > dated.held_max
            && let Some(dropped) = dated.drop_oldest()
        {
            self.floor = self.floor.max(dropped.from);
            self.floor_version = noted.version;
        }
        is_news
    }

    /// Drops what is older at `now` than any token can be.
    fn forget(&mut self, now: UnixMs, retention: Duration) {
        for dated in [&mut self.sessions, &mut self.subjects, &mut self.api_keys] {
            while dated.oldest.first().is_some_and(|(at, _)| now.since(*at) > retention) {
                dated.drop_oldest();
            }
        }
    }
}

impl Dated {
    fn insert(&mut self, name: Arc<str>, mut noted: Noted, now: UnixMs) -> bool {
        match self.revoked.get_mut(&name) {
            Some(held) if held.at >= noted.at => return false,
            Some(held) => {
                self.oldest.remove(&(held.at, Arc::clone(&name)));
                // Tokens from between the two may already be of the second that this one begins with.
                let next = (held.from + 1).min(now.after(AHEAD_MAX).seconds());
                noted.from = noted.from.max(next);
                *held = noted;
            }
            None => {
                self.revoked.insert(Arc::clone(&name), noted);
            }
        }
        self.oldest.insert((noted.at, name))
    }

    fn drop_oldest(&mut self) -> Option<Noted> {
        let (_at, name) = self.oldest.pop_first()?;
        self.revoked.remove(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: UnixMs = UnixMs(1_000_000);

    fn token<'a>(subject: &'a str, session: &'a str, issued: i64) -> TokenOf<'a> {
        TokenOf { subject, session: Some(session), issued }
    }

    #[test]
    fn a_session_is_revoked_whenever_its_tokens_were_issued() {
        let revocations = Revocations::new(HOUR);
        revocations.apply([Revocation::of_session("s1", UnixMs(5_000))], NOW);
        assert!(revocations.is_revoked(token("u1", "s1", 4)));
        assert!(revocations.is_revoked(token("u1", "s1", 9)));
        assert!(!revocations.is_revoked(token("u1", "s2", 4)));
    }

    #[test]
    fn a_subject_is_revoked_up_to_a_moment() {
        let revocations = Revocations::new(HOUR);
        revocations.apply([Revocation::of_subject("u1", UnixMs(5_001))], NOW);
        assert!(revocations.is_revoked(token("u1", "s1", 5)));
        assert!(!revocations.is_revoked(token("u1", "s1", 6)));
        assert!(!revocations.is_revoked(token("u2", "s1", 5)));
        assert_eq!((revocations.earliest_issued("u1"), revocations.earliest_issued("u2")), (6, 0));
    }

    #[test]
    fn an_earlier_revocation_never_replaces_a_later_one() {
        let revocations = Revocations::new(HOUR);
        let later_first = [5_000, 1_000].map(|at| Revocation::of_subject("u1", UnixMs(at)));
        revocations.apply(later_first, NOW);
        assert!(revocations.is_revoked(token("u1", "s1", 4)));
    }

    #[test]
    fn a_token_from_between_two_revocations_in_one_second_is_revoked() {
        let (revocations, now) = (Revocations::new(HOUR), UnixMs(5_900));
        revocations.apply([Revocation::of_subject("u1", UnixMs(5_100))], now);
        let between = revocations.earliest_issued("u1");
        assert!(!revocations.is_revoked(token("u1", "s1", between)));
        revocations.apply([Revocation::of_subject("u1", UnixMs(5_200))], now);
        assert!(revocations.is_revoked(token("u1", "s1", between)));
        revocations.apply((0..700).map(|n| Revocation::of_subject("u1", UnixMs(5_201 + n))), now);
        assert_eq!(revocations.earliest_issued("u1"), now.after(AHEAD_MAX).seconds());
    }

    #[test]
    fn the_version_changes_with_news_only() {
        let revocations = Revocations::new(HOUR);
        let first = revocations.version();
        revocations.apply([Revocation::of_session("s1", UnixMs(1))], NOW);
        let second = revocations.version();
        assert_ne!(first, second);
        revocations.apply([Revocation::of_session("s1", UnixMs(1))], NOW);
        revocations.apply([], NOW);
        assert_eq!(revocations.version(), second);
    }

    #[test]
    fn what_is_dropped_for_room_stays_revoked() {
        let revocations = Revocations::with_room(HOUR, 10);
        revocations.apply((0..100).map(|n| Revocation::of_session(&format!("s{n}"), UnixMs(n * 1000))), NOW);
        let held = revocations.held.read().expect("no panic");
        assert_eq!((held.sessions.revoked.len(), held.sessions.oldest.len()), (10, 10));
        drop(held);
        for n in 0..100 {
            let session = format!("s{n}");
            assert!(revocations.is_revoked(token("u", &session, n - 1)), "{session}");
        }
        assert!(!revocations.is_revoked(token("u", "another", 100)));
    }

    #[test]
    fn an_api_key_is_outdated_by_what_came_later_whatever_the_clocks_say() {
        let revocations = Revocations::with_room(HOUR, 10);
        let is_outdated = |version| revocations.is_outdated("k1", "u1", version);
        let first = revocations.version();
        assert!(!is_outdated(first));
        revocations.apply([Revocation::of_api_key("k1", UnixMs(1))], NOW);
        let second = revocations.version();
        assert!(is_outdated(first) && !is_outdated(second));
        revocations.apply([Revocation::of_subject("u1", UnixMs(2)), Revocation::of_api_key("k2", UnixMs(3))], NOW);
        let third = revocations.version();
        assert!(is_outdated(second) && !is_outdated(third));
        revocations.apply((0..100).map(|n| Revocation::of_api_key(&format!("other{n}"), UnixMs(n))), NOW);
        assert!(is_outdated(third) && !is_outdated(revocations.version()));
    }

    #[test]
    fn what_no_token_can_outlive_is_forgotten() {
        let revocations = Revocations::new(HOUR);
        revocations.apply([Revocation::of_session("s1", UnixMs(0))], UnixMs(0));
        let over = UnixMs(0).after(HOUR + 2 * LEEWAY);
        revocations.apply([Revocation::of_session("s2", UnixMs(1))], over);
        assert!(revocations.is_revoked(token("u1", "s1", 0)));
        revocations.apply([], UnixMs(over.0 + 1));
        assert!(!revocations.is_revoked(token("u1", "s1", 0)));
        assert!(revocations.is_revoked(token("u1", "s2", 0)));
    }

    #[test]
    fn one_from_the_future_does_not_lock_anybody_out_for_long() {
        let revocations = Revocations::new(HOUR);
        revocations.apply([Revocation::of_subject("u1", UnixMs(i64::MAX))], NOW);
        assert_eq!(revocations.earliest_issued("u1"), NOW.after(LEEWAY).seconds());
    }
}
