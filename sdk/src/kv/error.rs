//! What can go wrong with state, and what the caller is told about it.

use std::fmt;

use crate::Problem;
use crate::bindings::http::backplane::plugin::kv as wire;

/// Why the plugin's state was not read or written. Nothing has changed then.
///
/// `?` makes a problem of it: what a request's own content can bring about is answered with 422, what is a fault of the
/// plugin with 500, and what to write instead is in the log. It is no [`std::error::Error`], because every one of those
/// becomes a 500; match on it where the plugin has something better to say.
///
/// | Error | Problem |
/// |---|---|
/// | `InvalidKey` | 422 `invalid_key` |
/// | `ValueTooLarge` | 422 `value_too_large` |
/// | `TransactionTooLarge` | 422 `transaction_too_large`, logged |
/// | `Unavailable` | 503 `state_unavailable` |
/// | every other | 500 `internal`, logged |
///
/// ```
/// # use backplane_sdk::prelude::*;
/// fn keep(note: &str) -> Result<()> {
///     match kv::bucket("notes").set_text("latest", note) {
///         Err(kv::Error::ValueTooLarge) => Err(Problem::unprocessable("a note has at most 1 MiB")),
///         other => Ok(other?),
///     }
/// }
/// # assert!(keep("short").is_ok());
/// # assert!(keep(&"long".repeat(1 << 19)).is_err_and(|problem| problem.code() == "unprocessable"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// This is an `#[init]` function, or a route with `transaction = "none"`.
    NoTransaction,
    /// The route only reads, as GET, HEAD and OPTIONS do unless they have `transaction = "write"`.
    ReadOnly,
    /// The bucket's name is not one.
    InvalidBucket,
    /// The key is empty, longer than 512 bytes, or has a U+0000; or a list's prefix or position is too long.
    InvalidKey,
    /// The value has more than 1 MiB.
    ValueTooLarge,
    /// The call reads or writes more than one transaction may, or all that run more than the host keeps for them.
    TransactionTooLarge,
    /// The value is not a decimal 64-bit integer, or the sum would not be one.
    NotAnInteger,
    /// The store cannot be read now. The call is answered with status 503, whatever the handler returns.
    Unavailable,
    /// What the key holds is not what it was read as. Says where and why.
    Unreadable(String),
    /// The value has no JSON form. Says where and why.
    Unwritable(String),
}

#[doc(hidden)]
impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::NoTransaction => Self::NoTransaction,
            wire::Error::ReadOnly => Self::ReadOnly,
            wire::Error::InvalidBucket => Self::InvalidBucket,
            wire::Error::InvalidKey => Self::InvalidKey,
            wire::Error::ValueTooLarge => Self::ValueTooLarge,
            wire::Error::TransactionTooLarge => Self::TransactionTooLarge,
            wire::Error::NotAnInteger => Self::NotAnInteger,
            wire::Error::Unavailable => Self::Unavailable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTransaction => {
                "no state here: `#[init]` has no transaction, and this route has `transaction = \"none\"` \
                 if it is one; write \"read\" or \"write\""
            }
            Self::ReadOnly => "this route may only read: write `transaction = \"write\"` on it, or make it a POST",
            Self::InvalidBucket => {
                "a bucket's name has 1 to 64 characters of `a-z`, `0-9`, `.`, `_` and `-`, \
                 and starts with a letter or a digit"
            }
            Self::InvalidKey => "a key has 1 to 512 bytes and no U+0000",
            Self::ValueTooLarge => "a value has at most 1 MiB",
            Self::TransactionTooLarge => {
                "one call writes at most 10000 keys and 4 MiB, and where it writes, reads at most 10000 keys and 1000 \
                 lists: do it in several calls, or write `transaction = \"read\"` where nothing is written"
            }
            Self::NotAnInteger => {
                "`increment` needs a decimal 64-bit integer: the key holds something else, or the sum is too large"
            }
            Self::Unavailable => "the store cannot be read now",
            Self::Unreadable(fault) | Self::Unwritable(fault) => fault,
        })
    }
}

/// The error as a problem's source, for the log.
#[derive(Debug)]
struct Fault(Error);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl From<Error> for Problem {
    #[track_caller]
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidKey => Self::new(422, "invalid_key", "a key has 1 to 512 bytes, and no NUL character"),
            Error::ValueTooLarge => Self::new(422, "value_too_large", "what would be stored has more than 1 MiB"),
            Error::TransactionTooLarge => {
                Self::new(422, "transaction_too_large", "the request is about more than one transaction may hold")
                    .with_source(Fault(error))
            }
            Error::Unavailable => {
                Self::new(503, "state_unavailable", "the plugin's state cannot be read now; try again later")
            }
            Error::NoTransaction
            | Error::ReadOnly
            | Error::InvalidBucket
            | Error::NotAnInteger
            | Error::Unreadable(_)
            | Error::Unwritable(_) => Self::internal(Fault(error)),
        }
    }
}
