//! `backplane:plugin/log`: lines for the operator's log.
//!
//! A line becomes an event of target `guest`. Whoever subscribes to it must not wait either.

use std::fmt::Write as _;

use wasmtime::component::{HasData, Linker};

use crate::{
    bindings::backplane::plugin::log::{self, Host, Level},
    state::{InstanceState, PluginEnv},
};

/// Longest message, and longest fields together, of one line.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Most fields of one line.
const FIELDS_MAX: usize = 32;

struct HasLog;

impl HasData for HasLog {
    type Data<'a> = LogView<'a>;
}

/// Sees who logs, and in which call.
pub(super) struct LogView<'a> {
    pub(super) plugin: &'a PluginEnv,
    pub(super) request_id: &'a str,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasLog>(linker, |state| LogView {
        plugin: &state.plugin,
        request_id: &state.call.request_id,
    })
}

impl Host for LogView<'_> {
    fn enabled(&mut self, level: Level) -> bool {
        is_enabled(level)
    }

    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        self.write(level, &message, &fields);
    }
}

impl LogView<'_> {
    /// Writes one line when its level is kept and the plugin's budget allows it.
    pub(super) fn write(&self, level: Level, message: &str, fields: &[(String, String)]) {
        if !is_enabled(level) || !self.plugin.commons.log_budget.try_take() {
            return;
        }
        let dropped = self.plugin.commons.log_budget.take_dropped();
        if dropped > 0 {
            tracing::warn!(target: "guest", plugin = %self.plugin.name, dropped, "log lines dropped: over the limit");
        }
        self.emit(level, &one_line(message), &join(fields));
    }

    fn emit(&self, level: Level, message: &str, fields: &str) {
        // The level of an event is part of its static description, so each needs its own.
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(
                    target: "guest",
                    tracing::Level::$level,
                    plugin = %self.plugin.name,
                    version = %self.plugin.version,
                    request_id = %self.request_id,
                    fields = (!fields.is_empty()).then_some(fields),
                    "{message}"
                )
            };
        }
        match level {
            Level::Trace => emit!(TRACE),
            Level::Debug => emit!(DEBUG),
            Level::Info => emit!(INFO),
            Level::Warn => emit!(WARN),
            Level::Error => emit!(ERROR),
        }
    }
}

fn is_enabled(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "guest", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "guest", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "guest", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "guest", tracing::Level::WARN),
        Level::Error => tracing::enabled!(target: "guest", tracing::Level::ERROR),
    }
}

/// Cuts `text` to its bound and escapes what could end the line or steer a terminal.
fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let mut line = String::with_capacity(end);
    for c in text.get(..end).unwrap_or_default().chars() {
        // C0 and C1 controls, and the separators that Unicode counts as line ends.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

fn join(fields: &[(String, String)]) -> String {
    let mut joined = String::new();
    for (name, value) in fields.iter().take(FIELDS_MAX) {
        let separator = if joined.is_empty() { "" } else { " " };
        let _infallible = write!(joined, "{separator}{}={:?}", one_line(name), value);
        if joined.len() > TEXT_BYTES_MAX {
            joined.truncate(joined.floor_char_boundary(TEXT_BYTES_MAX));
            break;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{2028}c"), "a\\nb\\u{1b}[31m\\u{2028}c");
    }

    #[test]
    fn cuts_at_a_character() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        assert_eq!(one_line(&long).len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn joins_and_bounds_fields() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(join(&[field("a", "1"), field("b", "x\ny")]), r#"a="1" b="x\ny""#);
        let many: Vec<_> = (0..100).map(|n| field(&format!("n{n}"), "")).collect();
        assert!(!join(&many).contains("n32"));
        assert_eq!(join(&[field("long", &"x".repeat(3 * TEXT_BYTES_MAX))]).len(), TEXT_BYTES_MAX);
    }
}
