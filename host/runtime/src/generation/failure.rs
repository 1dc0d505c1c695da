//! What the failure of a handler means for its event, and what is kept of it.

use std::time::Duration;

use crate::{
    bindings::{
        backplane::plugin::types,
        exports::backplane::plugin::event_handler::{Failure, Retry},
    },
    invoke::InvokeError,
    keyspace::{CommitError, EventFailure, EventFailureKind, Problem},
};

/// Longest code of a guest's problem.
const CODE_BYTES_MAX: usize = 64;
/// Longest message of a problem.
const MESSAGE_BYTES_MAX: usize = 1024;
/// The longest delay that a handler may ask for.
const DELAY_MAX: Duration = Duration::from_hours(24);

impl Problem {
    /// Brings what a guest says within the contract's bounds.
    pub(crate) fn new(code: &str, mut message: String) -> Self {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_code = (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(allowed);
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        Self { code: if is_code { code } else { "plugin_error" }.to_owned(), message }
    }
}

impl From<types::Problem> for Problem {
    fn from(problem: types::Problem) -> Self {
        Self::new(&problem.code, problem.message)
    }
}

impl From<Failure> for EventFailure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.retry {
            Retry::Later => EventFailureKind::Retry { after: None },
            Retry::AfterMs(ms) => EventFailureKind::Retry { after: Some(Duration::from_millis(ms).min(DELAY_MAX)) },
            Retry::Never => EventFailureKind::Final,
        };
        Self { kind, problem: failure.problem.into() }
    }
}

impl EventFailure {
    /// Returns what a handler's end means for its event, where that is the handler's fault.
    pub(super) fn of_end(error: &InvokeError) -> Option<Self> {
        let (kind, code) = match error {
            InvokeError::Trapped { .. } | InvokeError::InitRefused { .. } => (EventFailureKind::Trap, "trap"),
            InvokeError::OutOfMemory { .. } => (EventFailureKind::Trap, "out_of_memory"),
            InvokeError::CpuExceeded => (EventFailureKind::Trap, "cpu_exceeded"),
            InvokeError::DeadlineExceeded => (EventFailureKind::Retry { after: None }, "timeout"),
            InvokeError::Busy
            | InvokeError::ResponseTooLarge { .. }
            | InvokeError::Conflict
            | InvokeError::StateUnavailable(_)
            | InvokeError::Commit(_)
            | InvokeError::Lost => return None,
        };
        let message = match error.backtrace() {
            [] => error.to_string(),
            calls => format!("{error}, at {}", calls.join(" < ")),
        };
        Some(Self { kind, problem: Problem::new(code, message) })
    }

    /// Returns what a refused commit means for the event that was handled, where it is about what its handler wrote.
    pub(super) fn of_commit(error: &CommitError) -> Option<Self> {
        let code = match error {
            CommitError::QuotaExceeded { .. } => "quota_exceeded",
            CommitError::NotAnInteger { .. } => "not_an_integer",
            CommitError::EventLogFull { .. } => "event_log_full",
            CommitError::Conflict
            | CommitError::Replayed
            | CommitError::Stale
            | CommitError::Refused(_)
            | CommitError::Busy
            | CommitError::Unavailable(_)
            | CommitError::Unknown => return None,
        };
        let problem = Problem::new(code, error.to_string());
        Some(Self { kind: EventFailureKind::Retry { after: None }, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_bounded() {
        let failure = |code: &str, message: String, retry| {
            EventFailure::from(Failure { problem: types::Problem { status: 0, code: code.into(), message }, retry })
        };
        let kept = failure("no_stock", "none left".into(), Retry::AfterMs(1500));
        assert_eq!(kept.kind, EventFailureKind::Retry { after: Some(Duration::from_millis(1500)) });
        assert_eq!(kept.problem, Problem { code: "no_stock".into(), message: "none left".into() });
        let odd = failure("No stock!", "é".repeat(1000), Retry::AfterMs(u64::MAX));
        assert_eq!(
            (odd.kind, odd.problem.code.as_str()),
            (EventFailureKind::Retry { after: Some(DELAY_MAX) }, "plugin_error")
        );
        assert_eq!(odd.problem.message, "é".repeat(512));
        assert_eq!(failure("a", String::new(), Retry::Never).kind, EventFailureKind::Final);
        assert_eq!(failure(&"a".repeat(65), String::new(), Retry::Later).problem.code, "plugin_error");
    }

    #[test]
    fn what_is_not_the_handlers_fault_fails_no_event() {
        let kind = |error: &InvokeError| EventFailure::of_end(error).map(|failure| failure.kind);
        let backtrace = vec!["f".to_owned(), "g".to_owned()];
        let trapped = InvokeError::Trapped { reason: "unreachable".into(), backtrace: backtrace.clone() };
        let failure = EventFailure::of_end(&trapped).expect("a fault");
        assert_eq!(failure.problem.message, "guest failed: unreachable, at f < g");
        assert_eq!(failure.kind, EventFailureKind::Trap);
        assert_eq!(kind(&InvokeError::OutOfMemory { backtrace }), Some(EventFailureKind::Trap));
        assert_eq!(kind(&InvokeError::CpuExceeded), Some(EventFailureKind::Trap));
        assert_eq!(kind(&InvokeError::DeadlineExceeded), Some(EventFailureKind::Retry { after: None }));
        for error in [InvokeError::Busy, InvokeError::Lost, InvokeError::Conflict] {
            assert_eq!(kind(&error), None, "{error:?}");
        }
        for error in [CommitError::Stale, CommitError::Unknown, CommitError::Busy] {
            assert_eq!(EventFailure::of_commit(&error), None, "{error:?}");
        }
        let full = EventFailure::of_commit(&CommitError::EventLogFull { max: 7 }).expect("a failure");
        assert_eq!(
            (full.kind, full.problem.code.as_str()),
            (EventFailureKind::Retry { after: None }, "event_log_full")
        );
    }
}
