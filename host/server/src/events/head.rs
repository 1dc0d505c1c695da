//! The newest place of the log, as the store's writer leaves it.

use std::sync::atomic::{AtomicI64, Ordering};

use backplane_events::Seq;

/// The newest place.
#[derive(Debug, Default)]
pub(super) struct Head(AtomicI64);

impl Head {
    /// Says that the log ends here now, or further.
    pub(super) fn note(&self, newest: i64) {
        self.0.fetch_max(newest, Ordering::SeqCst);
    }

    /// Returns the newest place: whoever was answered finds no earlier one.
    pub(super) fn newest(&self) -> Seq {
        Seq(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_never_goes_back() {
        let head = Head::default();
        head.note(5);
        head.note(3);
        assert_eq!(head.newest(), Seq(5));
    }
}
