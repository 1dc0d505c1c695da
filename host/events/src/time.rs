//! A moment, as a value.
//!
//! It does not know what time it is now: that is handed in.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
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
    fn never_overflows() {
        assert_eq!(UnixMs(i64::MAX).after(Duration::MAX), UnixMs(i64::MAX));
        assert_eq!(UnixMs(i64::MIN).since(UnixMs(i64::MAX)), Duration::ZERO);
        assert_eq!(UnixMs(7).since(UnixMs(4)), Duration::from_millis(3));
    }
}
