//! What can go wrong with publishing, and what the caller is told about it.

use std::fmt;

use crate::Problem;
use crate::bindings::http::backplane::plugin::events as wire;

/// Why an event was not published. Nothing has changed then.
///
/// `?` makes a problem of it, as it does of [`kv::Error`](crate::kv::Error): what a request's own content can bring about
/// is answered with 413 or 422, what is a fault of the plugin with 500, and what to write instead is in the log.
///
/// | Error | Problem |
/// |---|---|
/// | `InvalidKey` | 422 `invalid_event_key` |
/// | `PayloadTooLarge` | 413 `event_too_large` |
/// | `TransactionTooLarge` | 422 `transaction_too_large`, logged |
/// | `Unavailable` | 503 `state_unavailable` |
/// | every other | 500 `internal`, logged |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// This is an `#[init]` function, or a route with `transaction = "none"`.
    NoTransaction,
    /// The route only reads, as GET, HEAD and OPTIONS do unless they have `transaction = "write"`.
    ReadOnly,
    /// The topic is not one.
    InvalidTopic,
    /// The plugin does not say that it publishes this.
    TopicNotDeclared,
    /// The key is empty, longer than 256 bytes, or has a control character.
    InvalidKey,
    /// The content type is not a media type of at most 128 bytes, or says JSON where the payload is none.
    InvalidContent,
    /// The payload has more than 256 KiB.
    PayloadTooLarge,
    /// The call publishes more than 1000 events or 4 MiB, or all that run more than the host keeps for them.
    TransactionTooLarge,
    /// The store failed for this call before. It is answered with status 503, whatever the handler returns.
    Unavailable,
    /// The payload has no JSON form. Says why.
    Unwritable(String),
}

#[doc(hidden)]
impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::NoTransaction => Self::NoTransaction,
            wire::Error::ReadOnly => Self::ReadOnly,
            wire::Error::InvalidTopic => Self::InvalidTopic,
            wire::Error::TopicNotDeclared => Self::TopicNotDeclared,
            wire::Error::InvalidKey => Self::InvalidKey,
            wire::Error::InvalidContent => Self::InvalidContent,
            wire::Error::PayloadTooLarge => Self::PayloadTooLarge,
            wire::Error::TransactionTooLarge => Self::TransactionTooLarge,
            wire::Error::Unavailable => Self::Unavailable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTransaction => {
                "nothing can be published here: `#[init]` has no transaction, and this route has \
                 `transaction = \"none\"` if it is one; write \"write\""
            }
            Self::ReadOnly => "this route may only read: write `transaction = \"write\"` on it, or make it a POST",
            Self::InvalidTopic => {
                "a topic is 1 to 8 segments of `a-z`, `0-9`, `-` and `_` with dots between them, of at most 64 bytes \
                 each and 128 together"
            }
            Self::TopicNotDeclared => {
                "the plugin does not say that it publishes this topic: name it in `#[plugin(publishes(\"...\"))]`"
            }
            Self::InvalidKey => "the key of an event has 1 to 256 bytes and no control character",
            Self::InvalidContent => {
                "the content type is a media type of at most 128 bytes, and what it calls JSON has to be JSON"
            }
            Self::PayloadTooLarge => "an event carries at most 256 KiB: publish where the rest is to be found",
            Self::TransactionTooLarge => "one call publishes at most 1000 events and 4 MiB: do it in several calls",
            Self::Unavailable => "the store has failed for this call",
            Self::Unwritable(fault) => fault,
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
            Error::InvalidKey => {
                Self::new(422, "invalid_event_key", "a key has 1 to 256 bytes, and no control character")
            }
            Error::PayloadTooLarge => {
                Self::new(413, "event_too_large", "what would be published has more than 256 KiB")
            }
            Error::TransactionTooLarge => {
                Self::new(422, "transaction_too_large", "the request is about more than one transaction may hold")
                    .with_source(Fault(error))
            }
            Error::Unavailable => {
                Self::new(503, "state_unavailable", "the plugin's state cannot be used now; try again later")
            }
            Error::NoTransaction
            | Error::ReadOnly
            | Error::InvalidTopic
            | Error::TopicNotDeclared
            | Error::InvalidContent
            | Error::Unwritable(_) => Self::internal(Fault(error)),
        }
    }
}
