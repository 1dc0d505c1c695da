//! The time of day, as a value: whoever needs it is handed a clock, and a test hands out its own.

use jiff::Timestamp;

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
}
