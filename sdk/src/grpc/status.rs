//! How a call fails.

use std::borrow::Cow;
use std::error::Error;

use crate::Problem;
use crate::bindings::grpc::exports::backplane::plugin::grpc_handler as wire;
use crate::problem::Cause;

/// A code of gRPC (<https://grpc.io/docs/guides/status-codes/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the constructors of `Status` say what each is for")]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Why a call is not answered with a message; the call's transaction is rolled back.
///
/// `code`, `reason` and `message` go to the caller, the reason in a `google.rpc.ErrorInfo`. A `source` does not: it is
/// written to the operator's log. `?` makes a status of whatever it makes a [`Problem`] of, and of a problem by its HTTP
/// status:
///
/// | HTTP status | Code |
/// |---|---|
/// | 400, 415, 422 | `InvalidArgument` |
/// | 401 | `Unauthenticated` |
/// | 403 | `PermissionDenied` |
/// | 404, 410 | `NotFound` |
/// | 405, 501, 505 | `Unimplemented` |
/// | 408, 504 | `DeadlineExceeded` |
/// | 409 | `Aborted` |
/// | 413, 429, 431, 507 | `ResourceExhausted` |
/// | 503 | `Unavailable` |
/// | others from 400 to 499 | `FailedPrecondition` |
/// | others | `Internal` |
///
/// ```
/// use backplane_sdk::grpc::{self, Code, Status};
/// use backplane_sdk::prelude::*;
///
/// fn find_quantity(stored: Option<&str>) -> grpc::Result<u32> {
///     let text = stored.or_not_found("no such item")?;   // NotFound, `not_found`
///     Ok(text.parse::<u32>()?)                           // Internal, `internal`, logged
/// }
/// assert_eq!(find_quantity(None).unwrap_err().code(), Code::NotFound);
/// assert_eq!(find_quantity(Some("x")).unwrap_err().code(), Code::Internal);
/// ```
#[derive(Debug)]
pub struct Status {
    code: Code,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    cause: Option<Cause>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident $code:ident;)*) => {
        impl Status {
            $(
                $(#[$doc])*
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }

        impl Code {
            /// Returns the code of a number, `Unknown` for what is none.
            pub fn from_i32(number: i32) -> Self {
                [$(Self::$code),*].into_iter().find(|code| *code as i32 == number).unwrap_or(Self::Unknown)
            }

            /// Returns the reason of a status that says no other: the code in lower case.
            fn reason(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($name),)*
                }
            }
        }
    };
}

constructors! {
    /// The call was given up, usually by the caller.
    cancelled Cancelled;
    /// Nobody knows what happened.
    unknown Unknown;
    /// What was sent makes no sense, whatever the state of things.
    invalid_argument InvalidArgument;
    /// The time ran out.
    deadline_exceeded DeadlineExceeded;
    /// There is nothing of that name, or this caller may not know of it.
    not_found NotFound;
    /// What was to be made is there.
    already_exists AlreadyExists;
    /// This caller may not do that.
    permission_denied PermissionDenied;
    /// A quota is used up.
    resource_exhausted ResourceExhausted;
    /// The call does not fit the present state, and will not until somebody changes that.
    failed_precondition FailedPrecondition;
    /// Another call was in the way: trying again may help.
    aborted Aborted;
    /// What was sent is beyond the end of something.
    out_of_range OutOfRange;
    /// There is no such method.
    unimplemented Unimplemented;
    /// A fault of the plugin.
    internal Internal;
    /// It cannot be done now: trying again may help.
    unavailable Unavailable;
    /// Data is lost or damaged.
    data_loss DataLoss;
    /// The caller has to say who calls.
    unauthenticated Unauthenticated;
}

impl Status {
    /// Makes a status of a code and a sentence for people. Its reason is the code's name in lower case.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: code.reason().into(), message: message.into(), cause: None }
    }

    /// Replaces the reason by one that the plugin's own callers can tell apart: `a-z`, `0-9` and `_`.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Adds the error behind the status, for the log and never for the caller.
    #[must_use]
    #[track_caller]
    pub fn with_source(mut self, source: impl Error + 'static) -> Self {
        self.cause = Some(Cause::new(source));
        self
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the machine-readable reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the sentence that the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the problem that says the same over HTTP, for a route that shares a function with a method. Its HTTP status
    /// is what the host answers to a call in JSON: docs/errors.md.
    ///
    /// ```
    /// use backplane_sdk::grpc::Status;
    ///
    /// let problem = Status::already_exists("there is one").with_reason("name_taken").into_problem();
    /// assert_eq!((problem.status(), problem.code(), problem.message()), (409, "name_taken", "there is one"));
    /// ```
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let Self { code, reason, message, cause } = self;
        Problem::new(http_status_of(code), reason, message).with_cause(cause)
    }

    /// Logs the source, if there is one, and gives the rest to the host.
    pub(crate) fn report(self) -> wire::Status {
        if let Some(cause) = &self.cause {
            cause.log(&self.reason);
        }
        let Self { code, reason, message, .. } = self;
        wire::Status { code: code as u32, reason: reason.into_owned(), message: message.into_owned() }
    }
}

/// Whatever makes a problem makes a status.
impl<E> From<E> for Status
where
    Problem: From<E>,
{
    #[track_caller]
    fn from(error: E) -> Self {
        let (status, reason, message, cause) = Problem::from(error).into_parts();
        Self { code: code_of(status), reason, message, cause }
    }
}

/// As the host does it: docs/errors.md.
fn code_of(status: u16) -> Code {
    match status {
        400 | 415 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 410 => Code::NotFound,
        405 | 501 | 505 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        413 | 429 | 431 | 507 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        400..=499 => Code::FailedPrecondition,
        _ => Code::Internal,
    }
}

/// As the host does it with a call in JSON: docs/errors.md.
fn http_status_of(code: Code) -> u16 {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Cancelled => 499,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first two cells of each row of a table in docs/errors.md.
    fn documented(heading: &str) -> Vec<(&str, &str)> {
        let text = include_str!("../../../docs/errors.md");
        let (_, section) = text.split_once(heading).expect("docs/errors.md has the section");
        let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let cells = |row: &'static str| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            cells.next().zip(cells.next()).expect("a row has two cells")
        };
        rows.take_while(|line| line.starts_with('|')).map(cells).collect()
    }

    #[test]
    fn codes_are_those_of_the_documentation() {
        let rows = documented("### By HTTP status");
        for (status, code) in &rows {
            let status = status.parse().expect("an HTTP status");
            assert_eq!(code_of(status).reason().to_ascii_uppercase(), *code, "{status}");
        }
        assert!(rows.len() > 10, "{} rows", rows.len());
    }

    #[test]
    fn http_statuses_are_those_of_the_documentation() {
        let rows = documented("### In JSON");
        let mut left: Vec<_> = (1..=16).map(Code::from_i32).collect();
        for (name, status) in rows {
            let place = left.iter().position(|code| code.reason().to_ascii_uppercase() == name);
            let code = left.swap_remove(place.expect("each code stands there once"));
            assert_eq!(http_status_of(code).to_string(), status, "{name}");
        }
        assert_eq!(left, []);
    }

    #[test]
    fn a_status_that_becomes_a_problem_keeps_its_source() {
        let status = Status::unavailable("later").with_source(std::fmt::Error);
        let (status, code, message, cause) = status.into_problem().into_parts();
        assert_eq!((status, &*code, &*message), (503, "unavailable", "later"));
        assert!(cause.is_some());
    }

    #[test]
    fn a_problem_keeps_its_code_and_message() {
        let status = Status::from(Problem::conflict("another was faster").with_code("overtaken"));
        assert_eq!(
            (status.code(), status.reason(), status.message()),
            (Code::Aborted, "overtaken", "another was faster")
        );
    }

    #[test]
    fn an_error_of_the_store_is_what_it_is_over_http() {
        let status = Status::from(crate::kv::Error::Unavailable);
        assert_eq!((status.code(), status.reason()), (Code::Unavailable, "state_unavailable"));
    }
}
