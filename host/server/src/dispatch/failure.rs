//! What a client is told when a plugin fails: one exhaustive table.

use std::{fmt, time::Duration};

use backplane_runtime::{InvokeError, Problem};

use super::{Target, response::ResponseFault};
use crate::problem::{ApiError, codes};

/// Longest message of a guest's problem, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest code of a guest's problem, in bytes.
const CODE_BYTES_MAX: usize = 64;

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
    let failed = "the plugin failed; the server's log has the reason under this request id";
    let answer = match &error {
        InvokeError::Busy => {
            return ApiError::new(codes::PLUGIN_BUSY, "the plugin has no room for another call now")
                .with_retry_after(queue_timeout);
        }
        InvokeError::Lost => return ApiError::internal(in_place(target, Vec::new(), error)),
        InvokeError::Trapped { .. } | InvokeError::InitRefused { .. } => ApiError::new(codes::PLUGIN_FAILED, failed),
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
    };
    answer.with_source(in_place(target, error.backtrace().to_vec(), error))
}

/// Turns a response that is none into the client's error.
pub(super) fn invalid_response(target: &Target, fault: ResponseFault) -> ApiError {
    ApiError::new(codes::PLUGIN_INVALID_RESPONSE, "the plugin's response is not valid HTTP").with_source(in_place(
        target,
        Vec::new(),
        fault,
    ))
}

/// Turns a guest's own problem into the client's error, within the contract's bounds.
pub(super) fn from_problem(mut problem: Problem) -> ApiError {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let valid = (1..=CODE_BYTES_MAX).contains(&problem.code.len()) && problem.code.bytes().all(allowed);
    let code = if valid { problem.code } else { "plugin_error".to_owned() };
    problem.message.truncate(problem.message.floor_char_boundary(MESSAGE_BYTES_MAX));
    ApiError::from_plugin(problem.status, code, problem.message)
}

fn in_place<E: std::error::Error + 'static>(target: &Target, backtrace: Vec<String>, source: E) -> CallFailed<E> {
    let manifest = target.generation.manifest();
    let route = usize::try_from(target.route).ok().and_then(|route| manifest.routes.get(route));
    CallFailed {
        plugin: manifest.name.to_string(),
        version: manifest.version.to_string(),
        handler: route.map(|route| route.handler.clone()).unwrap_or_default(),
        backtrace,
        source,
    }
}
