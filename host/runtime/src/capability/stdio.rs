//! A guest's standard output and error, as lines of its log.
//!
//! `println!` becomes a line of level info, `eprintln!` and a panic's message one of level error. A stream
//! never waits: what is over the plugin's log budget is dropped and counted like any other line.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use super::log::LogView;
use crate::{bindings::backplane::plugin::log::Level, state::PluginEnv};

/// Longest line; a longer one is written in parts.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Where the streams of one instance write to.
#[derive(Clone)]
pub(super) struct GuestStdio {
    pub(super) plugin: Arc<PluginEnv>,
    /// Id of the call that runs now.
    pub(super) request_id: Arc<Mutex<String>>,
    pub(super) level: Level,
}

impl IsTerminal for GuestStdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineStream::new(self.clone()))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineStream::new(self.clone()))
    }
}

/// Collects bytes until a line is whole.
struct LineStream {
    to: GuestStdio,
    line: Vec<u8>,
}

impl LineStream {
    fn new(to: GuestStdio) -> Self {
        Self { to, line: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            let (fits, rest) = part.split_at(part.len().min(room));
            self.line.extend_from_slice(fits);
            if fits.ends_with(b"\n") || !rest.is_empty() {
                self.write_line();
            }
            // What is left of an over-long line starts the next one; more than another line of it is dropped.
            self.line.extend_from_slice(rest.get(..rest.len().min(LINE_BYTES_MAX)).unwrap_or_default());
        }
    }

    fn write_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            let request_id = self.to.request_id.lock().unwrap_or_else(PoisonError::into_inner);
            LogView { plugin: &self.to.plugin, request_id: &request_id }.write(self.to.level, text, &[]);
        }
        self.line.clear();
    }
}

impl Drop for LineStream {
    fn drop(&mut self) {
        self.write_line();
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LineStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
