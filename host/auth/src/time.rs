//! A moment, as a value.
//!
//! Rows hold milliseconds and tokens hold seconds; this type is the one place where the two meet. It does not know
//! what time it is now: that is handed in.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Returns the moment at which second `seconds` begins.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Returns the second that this moment is in, as a `NumericDate` holds it (RFC 7519 §2).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the first second that does not begin before this moment.
    pub(crate) const fn seconds_up(self) -> i64 {
        self.0.saturating_add(999).div_euclid(1000)
    }

    /// Returns the moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the time from `earlier` to this moment, zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_second_that_it_is_in_and_to_the_next() {
        assert_eq!((UnixMs(1999).seconds(), UnixMs(1999).seconds_up()), (1, 2));
        assert_eq!((UnixMs(2000).seconds(), UnixMs(2000).seconds_up()), (2, 2));
        assert_eq!(UnixMs(-1).seconds(), -1);
    }

    #[test]
    fn never_overflows() {
        assert_eq!(UnixMs(i64::MAX).after(Duration::MAX), UnixMs(i64::MAX));
        assert_eq!(UnixMs(i64::MIN).since(UnixMs(i64::MAX)), Duration::ZERO);
        assert_eq!(UnixMs(7).since(UnixMs(4)), Duration::from_millis(3));
    }
}
