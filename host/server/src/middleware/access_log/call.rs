//! The line of a gRPC call: its status stands in the headers of an answer that has failed, and else behind its body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status};

use super::{Entry, LoggedCaller};
use crate::config::AccessLog;

/// Writes the line when the answer has ended, or was given up.
pub(super) fn log_at_end(mut response: Response, entry: Entry, mode: AccessLog) -> Response {
    let caller = response.extensions_mut().remove::<LoggedCaller>();
    let line = Line { entry, caller, mode };
    match code_in(response.headers()) {
        Some(code) => {
            line.write(code);
            response
        }
        None => response.map(|inner| Body::new(Logged { inner, line: Some(line) })),
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// What is written.
struct Line {
    entry: Entry,
    caller: Option<LoggedCaller>,
    mode: AccessLog,
}

impl Line {
    fn write(self, code: Code) {
        let is_logged = match self.mode {
            AccessLog::Off => false,
            AccessLog::Failed => is_the_servers(code),
            AccessLog::All => true,
        };
        if is_logged {
            self.entry.log(StatusCode::OK, Some(code.into()), self.caller.as_ref());
        }
    }
}

/// Whether the server has failed, and not the caller: what HTTP says with 500 and above.
fn is_the_servers(code: Code) -> bool {
    matches!(code, Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable | Code::DataLoss)
}

/// The body of an answer, until its end.
struct Logged {
    inner: Body,
    line: Option<Line>,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let code = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().and_then(code_in),
            Poll::Ready(Some(Err(_))) => Some(Code::Unknown),
            Poll::Ready(None) | Poll::Pending => None,
        };
        if let Some((code, line)) = code.and_then(|code| Some((code, self.line.take()?))) {
            line.write(code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            line.write(Code::Cancelled);
        }
    }
}
