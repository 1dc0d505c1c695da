//! The log: lines to standard error, written by a thread of their own.
//!
//! A request never waits for the log, and neither does a guest: the queue to the writer is bounded, and a line that does
//! not fit is dropped and counted (`lines.rs`). Guests log under the target `guest`. What they, or clients, put into a line cannot start a new one or
//! steer a terminal: text has its control characters escaped, and JSON those that JSON forbids.
//!
//! This module does not decide what is worth a line.

mod lines;

use std::{
    fmt::{self, Write},
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    field::MakeExt,
    filter::ParseError,
    fmt::{MakeWriter, format},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::{SubscriberInitExt, TryInitError},
};

use self::lines::LineWriter;
pub use self::lines::Lines;
use crate::config::{LogConfig, LogFormat};

/// The running log. Dropping it writes the lines that still wait.
pub struct Telemetry {
    lines: Lines,
    _writer: LineWriter,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartLogError {
    /// The filter of the configuration is not one.
    #[error("the log filter is not valid")]
    Filter(#[from] ParseError),
    /// Its thread does not start.
    #[error("failed to start the log's thread")]
    Thread(#[from] io::Error),
    /// The process has a log already.
    #[error("the log is already running")]
    Running(#[from] TryInitError),
}

impl Telemetry {
    /// Starts the log of this process, and sends panics to it.
    ///
    /// # Errors
    /// When the filter is not valid, a thread does not start, or there is a log already.
    pub fn start(log: &LogConfig) -> Result<Self, StartLogError> {
        let filter = EnvFilter::builder().parse(&log.filter)?;
        let (queue, writer) = Lines::start(io::stderr())?;
        let is_terminal = io::stderr().is_terminal();
        let is_json = match log.format {
            LogFormat::Auto => !is_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        let lines = if is_json { json(queue.clone()) } else { text(queue.clone(), is_terminal) };
        tracing_subscriber::registry().with(filter).with(lines).try_init()?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self { lines: queue, _writer: writer })
    }

    /// Returns where the lines go.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }
}

fn json<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
}

fn text<S, W>(writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let fields = format::debug_fn(|line, field, value| match field.name() {
        "message" => write!(Escaped(line), "{value:?}"),
        name => write!(Escaped(line), "{name}={value:?}"),
    });
    tracing_subscriber::fmt::layer().fmt_fields(fields.delimited(" ")).with_ansi(colours).with_writer(writer).boxed()
}

/// Writes text with its control characters escaped.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((start, last)) if last.is_control() => {
                    self.0.write_str(piece.get(..start).unwrap_or_default())?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Logs a panic in one line; the default hook would write several around the log.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("without a message"));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while it writes").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Logs what an attacker would and returns what was written.
    fn attack(layer: impl FnOnce(Lines) -> Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>) -> String {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(layer(lines.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let evil = "a\n2026-01-01 ERROR forged\u{1b}[2J\u{9b}b";
            tracing::info!(target: "guest", plugin = "p", path = %evil, text = evil, "{evil}");
        });
        let bytes = lines.0.lock().expect("no test panics while it writes").clone();
        String::from_utf8(bytes).expect("a log is text")
    }

    #[test]
    fn a_guest_cannot_forge_a_line_or_steer_the_terminal() {
        for written in [attack(|lines| text(lines, false)), attack(|lines| json(lines))] {
            let line = written.strip_suffix('\n').expect("a line ends");
            assert!(
                !line.contains(char::is_control) || line.contains("\u{9b}") && line.starts_with('{'),
                "{written:?}"
            );
            assert!(!line.contains(['\n', '\u{1b}']), "{written:?}");
        }
    }

    #[test]
    fn a_line_of_text_has_its_fields() {
        let written = attack(|lines| text(lines, false));
        assert!(
            written.contains(r#"INFO guest: a\n2026-01-01 ERROR forged\u{1b}[2J\u{9b}b plugin="p" path=a\n"#),
            "{written}"
        );
    }
}
