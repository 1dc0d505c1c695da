//! Failures: what the caller may see, and what only the operator may.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

use crate::bindings::event::exports::backplane::plugin::event_handler::{Failure, Retry};
use crate::bindings::http::backplane::plugin::types;
use crate::log;

/// What a handler returns, `Problem` being the usual error.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// A failure, answered as `application/problem+json`; the request's transaction is rolled back.
///
/// Where an event was not handled, nobody is answered: the problem is kept for the operator, and the event is tried again
/// unless it says [`fatal`](Problem::fatal).
///
/// `status`, `code` and `message` go to the caller. A `source` does not: it is written to the operator's log,
/// with the line of code where it became a problem. `?` makes a problem of every [`std::error::Error`]: status
/// 500, code `internal`, the error as its source. So an error is never shown to a caller by accident.
///
/// ```
/// use backplane_sdk::prelude::*;
///
/// fn find_quantity(stored: Option<&str>) -> Result<u32> {
///     let text = stored.or_not_found("no such item")?;   // 404 `not_found`
///     Ok(text.parse()?)                                  // 500 `internal`, logged
/// }
/// # assert_eq!(find_quantity(None).unwrap_err().status(), 404);
/// # assert_eq!(find_quantity(Some("x")).unwrap_err().status(), 500);
/// ```
#[derive(Debug)]
pub struct Problem {
    status: u16,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    retry: AfterFailure,
    cause: Option<Cause>,
}

/// An error and the line that met it.
#[derive(Debug)]
pub(crate) struct Cause {
    source: Box<dyn Error>,
    location: &'static Location<'static>,
}

impl Cause {
    #[track_caller]
    pub(crate) fn new(source: impl Error + 'static) -> Self {
        Self { source: Box::new(source), location: Location::caller() }
    }

    /// Writes it to the operator's log, with the code that the caller sees.
    pub(crate) fn log(&self, code: &str) {
        log::error!(at = self.location, code = code, "{}", chain(self.source.as_ref()));
    }
}

/// What is to happen to an event that was not handled. One word, because every problem carries it and few need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AfterFailure(u32);

impl AfterFailure {
    const LATER: Self = Self(0);
    const NEVER: Self = Self(u32::MAX);
    /// The longest that a host lets an event wait, 24 hours, in milliseconds.
    const MILLIS_MAX: u32 = 86_400_000;

    fn after(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(1, Self::MILLIS_MAX))
    }
}

impl From<AfterFailure> for Retry {
    fn from(after: AfterFailure) -> Self {
        match after {
            AfterFailure::LATER => Self::Later,
            AfterFailure::NEVER => Self::Never,
            AfterFailure(ms) => Self::AfterMs(ms.into()),
        }
    }
}

impl Problem {
    /// Makes a problem of a status from 400 to 599, a stable code of `a-z`, `0-9` and `_`, and a sentence for
    /// people. The host answers 500 and `plugin_error` in place of a status or a code that it cannot send.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry: AfterFailure::LATER, cause: None }
    }

    /// 400 `bad_request`: the request makes no sense as it is.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// 403 `forbidden`: this caller may not do that.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, "forbidden", message)
    }

    /// 404 `not_found`: there is nothing of that name, or this caller may not know of it.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 409 `conflict`: the request does not fit the present state.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(409, "conflict", message)
    }

    /// 422 `unprocessable`: the request is well formed, and what it says is not acceptable.
    pub fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(422, "unprocessable", message)
    }

    /// 500 `internal`: a fault of the plugin. The caller learns nothing of the source; the log does.
    #[track_caller]
    pub fn internal(source: impl Error + 'static) -> Self {
        Self::new(500, "internal", "the plugin could not answer this request").with_source(source)
    }

    /// Replaces the code by one that the plugin's own callers can tell apart.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// Adds the error behind the problem, for the log and never for the caller.
    #[must_use]
    #[track_caller]
    pub fn with_source(mut self, source: impl Error + 'static) -> Self {
        self.cause = Some(Cause::new(source));
        self
    }

    /// Says when an event that was not handled is tried again: after this time, at most 24 hours, in place of a delay
    /// that grows with the attempts. It means nothing but for events.
    ///
    /// ```
    /// # use backplane_sdk::prelude::*;
    /// # use std::time::Duration;
    /// fn require_open(is_open: bool) -> Result<()> {
    ///     match is_open {
    ///         true => Ok(()),
    ///         false => Err(Problem::new(503, "closed", "the shop opens later").retry_after(Duration::from_mins(10))),
    ///     }
    /// }
    /// # assert!(require_open(true).is_ok());
    /// # assert!(require_open(false).is_err());
    /// ```
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry = AfterFailure::after(time);
        self
    }

    /// Says that an event that was not handled is not tried again: it becomes a dead letter, for a person to look at. It
    /// means nothing but for events.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.retry = AfterFailure::NEVER;
        self
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the machine-readable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the sentence that the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Sets the error behind the problem, which was met elsewhere.
    pub(crate) fn with_cause(self, cause: Option<Cause>) -> Self {
        Self { cause, ..self }
    }

    /// Returns status, code, message and cause.
    pub(crate) fn into_parts(self) -> (u16, Cow<'static, str>, Cow<'static, str>, Option<Cause>) {
        (self.status, self.code, self.message, self.cause)
    }

    /// Does as [`report`](Self::report), and says what is to happen to the event.
    pub(crate) fn report_event(self) -> Failure {
        let retry = self.retry.into();
        Failure { problem: self.report(), retry }
    }

    /// Logs the source, if there is one, and gives the rest to the host.
    pub(crate) fn report(self) -> types::Problem {
        if let Some(cause) = &self.cause {
            cause.log(&self.code);
        }
        types::Problem { status: self.status, code: self.code.into_owned(), message: self.message.into_owned() }
    }
}

/// Writes an error and everything behind it as one line: `outer: inner: innermost`.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a `String` cannot fail.
        let _ = write!(line, ": {source}");
        next = source.source();
    }
    line
}

impl<E: Error + 'static> From<E> for Problem {
    #[track_caller]
    fn from(source: E) -> Self {
        Self::internal(source)
    }
}

/// Turns an absent value into a problem.
pub trait OptionExt<T> {
    /// Returns the value, or the problem `not_found` of status 404.
    ///
    /// # Errors
    /// The problem, when there is no value.
    fn or_not_found(self, message: impl Into<Cow<'static, str>>) -> Result<T>;
}

impl<T> OptionExt<T> for Option<T> {
    fn or_not_found(self, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.ok_or_else(|| Problem::not_found(message))
    }
}
