//! When keys change, as a function of rows and time.
//!
//! A key is published before it signs, for longer than anybody caches the key set, and verifies after it signed, for
//! longer than any token lives: a rotation logs nobody out (NIST SP 800-57 part 1 §5.3.6 for the periods).

use std::time::Duration;

use super::{KeyState, StoredKey};
use crate::{time::UnixMs, token::ACCESS_TOKEN_LIFETIME_MAX, verify::LEEWAY};

/// How long a key is in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key signs; 30 days by default.
    pub active_for: Duration,
    /// How long a key is published before it signs; 24 hours by default.
    pub published_for: Duration,
}

impl Default for RotationPolicy {
    fn default() -> Self {
        Self { active_for: Duration::from_hours(30 * 24), published_for: Duration::from_hours(24) }
    }
}

/// How long a key stays after it signed its last token: that token's life, both ways of a wrong clock, and an hour.
const KEPT_FOR: Duration =
    ACCESS_TOKEN_LIFETIME_MAX.saturating_add(LEEWAY.saturating_mul(2)).saturating_add(Duration::from_hours(1));

/// One step of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create(KeyState),
    Move { kid: String, to: KeyState },
    Delete { kid: String },
}

impl RotationPolicy {
    pub(super) fn plan(&self, rows: &[StoredKey], now: UnixMs) -> Vec<Step> {
        let mut steps: Vec<Step> = rows.iter().filter(|row| is_over(row, now)).map(delete).collect();
        let mut active = in_state(rows, KeyState::Active);
        let next = in_state(rows, KeyState::Next).first().copied();
        // Two nodes that made the first key at once: the same one of the two stays everywhere.
        let newest = active.pop();
        steps.extend(active.into_iter().map(|row| move_to(row, KeyState::Retired)));
        match (newest, next) {
            (None, Some(next)) => steps.push(move_to(next, KeyState::Active)),
            (None, None) => steps.push(Step::Create(KeyState::Active)),
            (Some(active), Some(next)) => {
                let is_due = now.since(active.changed_at) >= self.active_for;
                if is_due && now.since(next.changed_at) >= self.published_for {
                    steps.push(move_to(active, KeyState::Retired));
                    steps.push(move_to(next, KeyState::Active));
                }
            }
            (Some(active), None) => {
                if now.since(active.changed_at) >= self.active_for.saturating_sub(self.published_for) {
                    steps.push(Step::Create(KeyState::Next));
                }
            }
        }
        steps
    }
}

fn is_over(row: &StoredKey, now: UnixMs) -> bool {
    matches!(row.state, KeyState::Retired | KeyState::Revoked) && now.since(row.changed_at) >= KEPT_FOR
}

/// Returns the rows in `state`, oldest first.
fn in_state(rows: &[StoredKey], state: KeyState) -> Vec<&StoredKey> {
    let mut found: Vec<_> = rows.iter().filter(|row| row.state == state).collect();
    found.sort_by(|one, other| one.order().cmp(&other.order()));
    found
}

fn delete(row: &StoredKey) -> Step {
    Step::Delete { kid: row.kid.clone() }
}

fn move_to(row: &StoredKey, to: KeyState) -> Step {
    Step::Move { kid: row.kid.clone(), to }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    fn key(kid: &str, state: KeyState, changed_at: i64) -> StoredKey {
        let (algorithm, wrapped) = ("ES256".to_owned(), Vec::new());
        StoredKey { kid: kid.to_owned(), algorithm, wrapped, state, changed_at: UnixMs(changed_at) }
    }

    /// Writes a plan as `+active -old a>retired`.
    fn plan(rows: &[StoredKey], now: i64) -> String {
        let steps = RotationPolicy::default().plan(rows, UnixMs(now)).into_iter().map(|step| match step {
            Step::Create(state) => format!("+{}", state.as_str()),
            Step::Delete { kid } => format!("-{kid}"),
            Step::Move { kid, to } => format!("{kid}>{}", to.as_str()),
        });
        steps.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn follows_a_key_through_its_life() {
        use KeyState::{Active, Next, Retired, Revoked};
        assert_eq!(plan(&[], 0), "+active");
        assert_eq!(plan(&[key("a", Active, 0)], 29 * DAY - 1), "");
        assert_eq!(plan(&[key("a", Active, 0)], 29 * DAY), "+next");
        let both = [key("a", Active, 0), key("b", Next, 29 * DAY)];
        assert_eq!(plan(&both, 30 * DAY - 1), "");
        assert_eq!(plan(&both, 30 * DAY), "a>retired b>active");
        let after = [key("a", Retired, 30 * DAY), key("b", Active, 30 * DAY)];
        assert_eq!(plan(&after, 30 * DAY + 2 * HOUR), "");
        assert_eq!(plan(&after, 30 * DAY + 3 * HOUR), "-a");
        assert_eq!(plan(&[key("a", Revoked, 0), key("b", Active, 0)], 3 * HOUR), "-a");
    }

    #[test]
    fn a_key_never_signs_before_it_was_published_long_enough() {
        let late = [key("a", KeyState::Active, 0), key("b", KeyState::Next, 40 * DAY)];
        assert_eq!(plan(&late, 41 * DAY - 1), "");
        assert_eq!(plan(&late, 41 * DAY), "a>retired b>active");
    }

    #[test]
    fn without_an_active_key_the_next_one_signs_at_once() {
        assert_eq!(plan(&[key("a", KeyState::Revoked, 5), key("b", KeyState::Next, 4)], 5), "b>active");
        assert_eq!(plan(&[key("a", KeyState::Revoked, 5)], 5), "+active");
    }

    #[test]
    fn of_two_active_keys_the_newer_stays() {
        let rows = [key("b", KeyState::Active, 1), key("a", KeyState::Active, 1), key("c", KeyState::Active, 0)];
        assert_eq!(plan(&rows, 2), "c>retired a>retired");
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        assert_eq!(plan(&[key("a", KeyState::Active, DAY), key("b", KeyState::Retired, DAY)], 0), "");
    }
}
