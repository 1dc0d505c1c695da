//! The time of day, as a value: whoever needs it is handed a clock, and a test hands out its own.

use backplane_auth::UnixMs;
use jiff::Timestamp;

/// Returns the time that the store has as `unix_ms`.
pub fn timestamp(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or_default()
}

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// The operating system's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place where the time of day comes from")]
    pub const SYSTEM: Self = Self(Timestamp::now);

    /// Returns the time now.
    pub fn now(self) -> Timestamp {
        (self.0)()
    }

    /// Returns the time now as the store and the tokens have it.
    pub fn unix_ms(self) -> UnixMs {
        UnixMs(self.now().as_millisecond())
    }
}
