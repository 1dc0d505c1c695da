//! What a refresh token that is presented means, as a function of its row and the time.

use std::time::Duration;

use super::RefreshRow;
use crate::time::UnixMs;

/// How often a token may be used again within its grace.
const GRACE_USES_MAX: u32 = 3;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// From sign-in to the end, however busy; 30 days by default.
    pub lifetime: Duration,
    /// From one use to the next at most; 7 days by default.
    pub idle: Duration,
    /// How long a lost answer can be asked for again; 10 seconds by default.
    pub grace: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { lifetime: 30 * day, idle: 7 * day, grace: Duration::from_secs(10) }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Replace it.
    Rotate,
    /// It, or a sibling of it, was used before: revoke the family.
    Reused,
    Expired,
    Revoked,
}

impl RefreshPolicy {
    pub(super) fn decide(&self, row: &RefreshRow, now: UnixMs) -> Verdict {
        if row.family.revoked_at.is_some() {
            return Verdict::Revoked;
        }
        if now >= row.family.expires_at {
            return Verdict::Expired;
        }
        match row.used_at {
            // Somebody else goes on with another answer to the same token, however long ago that was given.
            _ if row.sibling_used => Verdict::Reused,
            None if now >= row.issued_at.after(self.idle) => Verdict::Expired,
            None => Verdict::Rotate,
            Some(used_at) if self.is_lost_answer(row, used_at, now) => Verdict::Rotate,
            Some(_) => Verdict::Reused,
        }
    }

    /// The answer may not have arrived: it was sent just now, and nobody has used what was in it.
    fn is_lost_answer(&self, row: &RefreshRow, used_at: UnixMs, now: UnixMs) -> bool {
        now.since(used_at) < self.grace && !row.successor_used && row.uses <= GRACE_USES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::Family;

    const DAY: i64 = 24 * 3_600_000;
    const ISSUED: i64 = 100 * DAY;

    fn row() -> RefreshRow {
        let family = Family {
            id: "f".into(),
            subject: "u".into(),
            client_id: "c".into(),
            expires_at: UnixMs(ISSUED + 20 * DAY),
            revoked_at: None,
        };
        RefreshRow {
            digest: [0; 32],
            family,
            issued_at: UnixMs(ISSUED),
            used_at: None,
            uses: 0,
            successor_used: false,
            sibling_used: false,
        }
    }

    fn used() -> RefreshRow {
        RefreshRow { used_at: Some(UnixMs(ISSUED)), uses: 1, ..row() }
    }

    #[track_caller]
    fn check(row: &RefreshRow, after_ms: i64, expected: Verdict) {
        assert_eq!(RefreshPolicy::default().decide(row, UnixMs(ISSUED + after_ms)), expected);
    }

    #[test]
    fn an_unused_token_is_good_for_seven_days() {
        check(&row(), 0, Verdict::Rotate);
        check(&row(), 7 * DAY - 1, Verdict::Rotate);
        check(&row(), 7 * DAY, Verdict::Expired);
    }

    #[test]
    fn a_family_ends_however_busy_it_is() {
        let late = RefreshRow { issued_at: UnixMs(ISSUED + 20 * DAY - 2), ..row() };
        check(&late, 20 * DAY - 1, Verdict::Rotate);
        check(&late, 20 * DAY, Verdict::Expired);
    }

    #[test]
    fn a_used_token_is_good_for_ten_seconds_more() {
        check(&used(), 0, Verdict::Rotate);
        check(&used(), 9_999, Verdict::Rotate);
        check(&used(), 10_000, Verdict::Reused);
        check(&RefreshRow { successor_used: true, ..used() }, 1, Verdict::Reused);
        check(&RefreshRow { uses: 3, ..used() }, 1, Verdict::Rotate);
        check(&RefreshRow { uses: 4, ..used() }, 1, Verdict::Reused);
    }

    #[test]
    fn a_token_is_not_good_once_its_sibling_was_used() {
        check(&RefreshRow { sibling_used: true, ..row() }, 0, Verdict::Reused);
        check(&RefreshRow { sibling_used: true, ..used() }, 1, Verdict::Reused);
    }

    #[test]
    fn a_reuse_is_noticed_long_after() {
        check(&used(), 19 * DAY, Verdict::Reused);
        // Also of one that would be too old by itself.
        check(&RefreshRow { sibling_used: true, ..row() }, 19 * DAY, Verdict::Reused);
        check(&RefreshRow { sibling_used: true, ..row() }, 20 * DAY, Verdict::Expired);
    }

    #[test]
    fn nothing_revives_a_revoked_family() {
        let mut row = row();
        row.family.revoked_at = Some(UnixMs(ISSUED));
        check(&row, 0, Verdict::Revoked);
        check(&RefreshRow { used_at: Some(UnixMs(ISSUED)), uses: 1, ..row }, 20 * DAY, Verdict::Revoked);
    }
}
