//! What a client is told when a plugin fails: one exhaustive table.

use std::{fmt, time::Duration};

use backplane_runtime::{InvokeError, Problem, keyspace::CommitError};

use super::{Target, json::PrintError, response::ResponseFault};
use crate::{
    identity::challenge,
    problem::{ApiError, codes},
};

/// Longest message of a guest's problem, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest code of a guest's problem, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// When to come again after something that passes by itself.
const SOON: Duration = Duration::from_secs(1);
/// What a client is told where the reason is for the operator.
const FAILED: &str = "the plugin failed; the server's log has the reason under this request id";
/// What a client is told about a response that is none.
const INVALID: &str = "the plugin's response is not valid HTTP";

/// The reason with the place, for the log.
#[derive(Debug, thiserror::Error)]
#[error("plugin {plugin} {version}, handler {handler}{}", Calls(backtrace))]
struct CallFailed<E: std::error::Error + 'static> {
    plugin: String,
    version: String,
    handler: String,
    /// Names of the guest's functions, innermost first.
    backtrace: Vec<String>,
    source: E,
}

/// A backtrace in one line.
struct Calls<'a>(&'a [String]);

impl fmt::Display for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ", at {}", self.0.join(" < ")) }
    }
}

/// Turns a call without an answer into the client's error.
pub(super) fn from_invoke(target: &Target, error: InvokeError, queue_timeout: Duration) -> ApiError {
    let answer = match &error {
        InvokeError::Busy => {
            return ApiError::new(codes::PLUGIN_BUSY, "the plugin has no room for another call now")
                .with_retry_after(queue_timeout);
        }
        InvokeError::Lost => return ApiError::internal(in_place(target, Vec::new(), error)),
        InvokeError::Trapped { .. } | InvokeError::InitRefused { .. } => ApiError::new(codes::PLUGIN_FAILED, FAILED),
        InvokeError::ResponseTooLarge { .. } => {
            ApiError::new(codes::PLUGIN_INVALID_RESPONSE, "the plugin's response is longer than it may be")
        }
        InvokeError::OutOfMemory { .. } => {
            ApiError::new(codes::PLUGIN_OUT_OF_MEMORY, "the plugin needed more memory than it may have")
        }
        InvokeError::DeadlineExceeded => {
            ApiError::new(codes::PLUGIN_TIMEOUT, "the plugin did not answer within its time")
        }
        InvokeError::CpuExceeded => ApiError::new(codes::PLUGIN_TIMEOUT, "the plugin used up its CPU time"),
        InvokeError::Conflict => conflict(),
        InvokeError::StateUnavailable(_) => unavailable(),
        InvokeError::Commit(error) => from_commit(error),
    };
    answer.with_source(in_place(target, error.backtrace().to_vec(), error))
}

/// Tells what came of the transaction of a call that was answered.
fn from_commit(error: &CommitError) -> ApiError {
    match error {
        // A second request under the same key is answered with what the first one was; here that is gone by now.
        CommitError::Conflict | CommitError::Replayed | CommitError::Stale => conflict(),
        CommitError::QuotaExceeded { resource, max } => ApiError::new(
            codes::QUOTA_EXCEEDED,
            format!("the plugin may keep {max} {resource}, and this would be more"),
        ),
        CommitError::EventLogFull { max } => ApiError::new(
            codes::QUOTA_EXCEEDED,
            format!("the log of events may hold {max} bytes, and is full; nothing was changed"),
        ),
        CommitError::NotAnInteger { .. } => ApiError::new(codes::PLUGIN_FAILED, FAILED),
        CommitError::Refused(_) => ApiError::new(codes::PLUGIN_INVALID_RESPONSE, INVALID),
        CommitError::Busy => {
            ApiError::new(codes::STORE_BUSY, "too many writes are waiting; nothing was changed").with_retry_after(SOON)
        }
        CommitError::Unavailable(_) => unavailable(),
        CommitError::Unknown => ApiError::new(
            codes::OUTCOME_UNKNOWN,
            "the request may have been committed; send it again with the same `idempotency-key` if it had one",
        ),
    }
}

fn conflict() -> ApiError {
    ApiError::new(codes::TRANSACTION_CONFLICT, "other calls changed the same state; nothing was changed by this one")
        .with_retry_after(SOON)
}

fn unavailable() -> ApiError {
    ApiError::new(codes::STATE_UNAVAILABLE, "the plugin's state cannot be read or written now; nothing was changed")
        .with_retry_after(SOON)
}

/// Turns a kept answer that cannot be read into the client's error.
pub(super) fn state_unavailable<E: std::error::Error + Send + Sync + 'static>(target: &Target, error: E) -> ApiError {
    unavailable().with_source(in_place(target, Vec::new(), error))
}

/// Turns a response that is none into the client's error.
pub(super) fn invalid_response(target: &Target, fault: ResponseFault) -> ApiError {
    ApiError::new(codes::PLUGIN_INVALID_RESPONSE, INVALID).with_source(in_place(target, Vec::new(), fault))
}

/// Turns a message that cannot be said in JSON into the client's error. It was committed before that was known.
pub(super) fn invalid_message(target: &Target, fault: PrintError) -> ApiError {
    let detail = "the call was made, and the plugin's answer is no message of this method, or too long for JSON";
    ApiError::new(codes::PLUGIN_INVALID_RESPONSE, detail).with_source(in_place(target, Vec::new(), fault))
}

/// Turns a guest's own problem into the client's error, within the contract's bounds.
pub(super) fn from_problem(mut problem: Problem) -> ApiError {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let valid = (1..=CODE_BYTES_MAX).contains(&problem.code.len()) && problem.code.bytes().all(allowed);
    let code = if valid { problem.code } else { "plugin_error".to_owned() };
    problem.message.truncate(problem.message.floor_char_boundary(MESSAGE_BYTES_MAX));
    challenge::completed(ApiError::from_plugin(problem.status, code, problem.message))
}

fn in_place<E: std::error::Error + 'static>(target: &Target, backtrace: Vec<String>, source: E) -> CallFailed<E> {
    let manifest = target.generation.manifest();
    CallFailed {
        plugin: manifest.name.to_string(),
        version: manifest.version.to_string(),
        handler: target.function().to_owned(),
        backtrace,
        source,
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::header::RETRY_AFTER;

    use super::*;

    /// Returns status, code and whether the client is told when to come again.
    fn told(error: &CommitError) -> (u16, String, bool) {
        let error = from_commit(error);
        let (status, code) = (error.status().as_u16(), error.code().to_owned());
        (status, code, error.into_response().headers().contains_key(RETRY_AFTER))
    }

    #[test]
    fn every_outcome_of_a_commit_has_its_code() {
        let source = || Box::new(ResponseFault::Status(42));
        for (error, status, code, again) in [
            (CommitError::Conflict, 503, "transaction_conflict", true),
            (CommitError::Replayed, 503, "transaction_conflict", true),
            (CommitError::QuotaExceeded { resource: "keys", max: 1 }, 507, "quota_exceeded", false),
            (CommitError::EventLogFull { max: 1 }, 507, "quota_exceeded", false),
            (CommitError::Stale, 503, "transaction_conflict", true),
            (CommitError::NotAnInteger { bucket: "b".into(), key: "k".into() }, 500, "plugin_failed", false),
            (CommitError::Refused(source()), 500, "plugin_invalid_response", false),
            (CommitError::Busy, 503, "store_busy", true),
            (CommitError::Unavailable(source()), 503, "state_unavailable", true),
            (CommitError::Unknown, 503, "outcome_unknown", false),
        ] {
            assert_eq!(told(&error), (status, code.to_owned(), again), "{error:?}");
        }
    }
}
