//! How a call of a guest can end.

use wasmtime::{Trap, WasmBacktrace};

use crate::{
    bindings::{
        backplane::plugin::types::Problem,
        exports::backplane::plugin::{grpc_handler::Status, http_handler::Response},
    },
    keyspace::{CommitError, StateUnavailable},
    lane::CallEnded,
    meter::Overrun,
};

/// What a guest answered: a response, or a problem that rolls its transaction back.
pub type Answer = Result<Response, Problem>;

/// What a guest answered to a gRPC call: a message, or a status that rolls its transaction back.
///
/// A status is within the contract's bounds: a code from 1 to 16, a reason of `a-z`, `0-9` and `_`, and a message of at
/// most 1,024 bytes.
pub type GrpcAnswer = Result<Vec<u8>, Status>;

/// Why a guest did not answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// No permit came free in time.
    #[error("all permits of the plugin or of the host are taken")]
    Busy,
    /// The guest trapped, panicked or exited.
    #[error("guest failed: {reason}")]
    Trapped {
        /// What the engine says.
        reason: String,
        /// Names of the guest's functions, innermost first.
        backtrace: Vec<String>,
    },
    /// The guest asked for more memory than it may have, and gave up.
    #[error("guest is out of memory")]
    OutOfMemory {
        /// As in [`InvokeError::Trapped`].
        backtrace: Vec<String>,
    },
    /// The wall deadline passed.
    #[error("guest ran past its deadline")]
    DeadlineExceeded,
    /// The CPU budget is spent.
    #[error("guest used up its CPU time")]
    CpuExceeded,
    /// The `init` of a new instance answered with a problem.
    #[error("guest's init answered `{code}`: {message}")]
    InitRefused {
        /// The guest's code.
        code: String,
        /// The guest's message, for the operator.
        message: String,
    },
    /// The response's body or message is longer than it may be.
    #[error("guest answered with {bytes} bytes, more than {bytes_max}")]
    ResponseTooLarge {
        /// Its length.
        bytes: usize,
        /// What the plugin may send.
        bytes_max: usize,
    },
    /// Other calls changed what this one had read, every time that it ran. Nothing is written.
    #[error("other calls were faster every time that this one ran")]
    Conflict,
    /// What the call wanted to read could not be read. Nothing is written.
    #[error(transparent)]
    StateUnavailable(StateUnavailable),
    /// The guest answered, and its transaction was not committed for another reason than a conflict.
    #[error("transaction was not committed")]
    Commit(#[source] CommitError),
    /// A host function panicked, or the host is shutting down.
    #[error("call was lost")]
    Lost,
}

impl InvokeError {
    pub(crate) fn trapped(error: &wasmtime::Error, memory_refused: bool) -> Self {
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(function_names).unwrap_or_default();
        // A Rust guest that is refused memory aborts, and an abort is `unreachable`.
        if memory_refused && error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached) {
            return Self::OutOfMemory { backtrace };
        }
        let reason = match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(_) => "it exited".to_owned(),
            None => error.root_cause().to_string(),
        };
        Self::Trapped { reason, backtrace }
    }

    /// Returns the names of the guest's functions at its end, innermost first; empty where there is nothing to tell.
    pub fn backtrace(&self) -> &[String] {
        match self {
            Self::Trapped { backtrace, .. } | Self::OutOfMemory { backtrace } => backtrace,
            _ => &[],
        }
    }

    /// Returns whether the plugin is at fault, and not the load.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Busy | Self::Lost | Self::Conflict | Self::StateUnavailable(_) => false,
            Self::Commit(error) => matches!(error, CommitError::NotAnInteger { .. } | CommitError::Refused(_)),
            _ => true,
        }
    }
}

impl From<CallEnded> for InvokeError {
    fn from(ended: CallEnded) -> Self {
        match ended {
            CallEnded::Overrun(Overrun::Deadline) => Self::DeadlineExceeded,
            CallEnded::Overrun(Overrun::Cpu) => Self::CpuExceeded,
            CallEnded::Lost => Self::Lost,
        }
    }
}

fn function_names(backtrace: &WasmBacktrace) -> Vec<String> {
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    backtrace.frames().iter().map(name).collect()
}
