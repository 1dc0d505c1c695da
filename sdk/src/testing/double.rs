//! What the host knows, kept by the thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::manifest::Manifest;
use crate::context::Principal;
use crate::log::Level;

/// A line that the plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The formatted message.
    pub message: String,
    /// The fields in the order of the macro.
    pub fields: Vec<(String, String)>,
}

struct Known {
    caller: Option<Principal>,
    mount: Option<String>,
    /// The plugin that a request is sent to.
    plugin: Option<Running>,
    request_id: String,
    trace_parent: Option<String>,
    remaining: Duration,
    settings: BTreeMap<String, String>,
    level: Level,
    lines: Vec<Line>,
}

/// The plugin that runs.
struct Running {
    name: String,
    /// Its settings' defaults as JSON text, by the keys that it declares.
    settings: BTreeMap<String, Option<String>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known {
        caller: None,
        mount: None,
        plugin: None,
        request_id: String::new(),
        trace_parent: None,
        remaining: Duration::from_secs(5),
        settings: BTreeMap::new(),
        level: Level::Trace,
        lines: Vec::new(),
    }) };
}

fn change<T>(change: impl FnOnce(&mut Known) -> T) -> T {
    KNOWN.with_borrow_mut(change)
}

/// Sets who calls, for handlers that are called as functions. Nobody, unless set.
pub fn set_caller(caller: impl Into<Option<Principal>>) {
    let caller = caller.into();
    change(|known| known.caller = caller);
}

/// Sets where the plugin answers: `/office/notes`, or the empty text for the root. Unless set, that is `/<name>` of the
/// plugin that a request is sent to.
pub fn set_mount(mount: impl Into<String>) {
    let mount = Some(mount.into());
    change(|known| known.mount = mount);
}

/// Sets the request's id. Empty, unless set.
pub fn set_request_id(id: impl Into<String>) {
    let id = id.into();
    change(|known| known.request_id = id);
}

/// Sets the caller's `traceparent`. None, unless set.
pub fn set_trace_parent(trace_parent: impl Into<String>) {
    let trace_parent = Some(trace_parent.into());
    change(|known| known.trace_parent = trace_parent);
}

/// Sets the time left. Five seconds, unless set; it does not pass by itself.
pub fn set_remaining(remaining: Duration) {
    change(|known| known.remaining = remaining);
}

/// Sets what the operator would write for a setting. A plugin that runs finds only the settings that it declares.
///
/// # Panics
/// When the value has no JSON form.
pub fn set_config(key: impl Into<String>, value: impl Serialize) {
    let json = serde_json::to_string(&value).expect("a setting in a test is plain data, which always has a JSON form");
    change(|known| known.settings.insert(key.into(), json));
}

/// Sets the least level that is kept. Every level is, unless set.
pub fn set_log_level(level: Level) {
    change(|known| known.level = level);
}

/// Takes the lines that were logged since the last time.
pub fn take_logs() -> Vec<Line> {
    change(|known| std::mem::take(&mut known.lines))
}

/// Runs something with another caller, and puts the old one back.
pub(super) fn with_caller<T>(caller: Option<Principal>, run: impl FnOnce() -> T) -> T {
    let before = change(|known| std::mem::replace(&mut known.caller, caller));
    let _restore = Restore(Some(|known: &mut Known| known.caller = before));
    run()
}

/// Runs something in the name of a plugin, and puts the old one back.
pub(super) fn with_plugin<T>(manifest: &Manifest, run: impl FnOnce() -> T) -> T {
    let running = Running { name: manifest.name.clone(), settings: manifest.settings() };
    let before = change(|known| known.plugin.replace(running));
    let _restore = Restore(Some(|known: &mut Known| known.plugin = before));
    run()
}

/// Runs something that nobody calls, in the name of a plugin and for a trace, and puts everything back.
pub(super) fn without_caller<T>(manifest: &Manifest, trace_parent: Option<String>, run: impl FnOnce() -> T) -> T {
    let before = change(|known| std::mem::replace(&mut known.trace_parent, trace_parent));
    let _restore = Restore(Some(|known: &mut Known| known.trace_parent = before));
    with_caller(None, || with_plugin(manifest, run))
}

/// Puts something back when it is dropped, so that a handler that panics leaves nothing behind either.
struct Restore<F: FnOnce(&mut Known)>(Option<F>);

impl<F: FnOnce(&mut Known)> Drop for Restore<F> {
    fn drop(&mut self) {
        if let Some(restore) = self.0.take() {
            change(restore);
        }
    }
}

/// Returns the name of the plugin that runs.
pub(super) fn plugin() -> Option<String> {
    change(|known| known.plugin.as_ref().map(|plugin| plugin.name.clone()))
}

/// Returns the caller that was set.
pub(super) fn caller() -> Option<Principal> {
    context::caller()
}

/// Stands in for the interface `context`.
pub(crate) mod context {
    use super::{Principal, change};

    pub(crate) fn caller() -> Option<Principal> {
        change(|known| known.caller.clone())
    }

    pub(crate) fn mount() -> String {
        change(|known| match (&known.mount, &known.plugin) {
            (Some(mount), _) => mount.clone(),
            (None, Some(plugin)) => format!("/{}", plugin.name),
            (None, None) => String::new(),
        })
    }

    pub(crate) fn request_id() -> String {
        change(|known| known.request_id.clone())
    }

    pub(crate) fn trace_parent() -> Option<String> {
        change(|known| known.trace_parent.clone())
    }

    pub(crate) fn remaining_ms() -> u32 {
        change(|known| known.remaining.as_millis().try_into().unwrap_or(u32::MAX))
    }
}

/// Stands in for the interface `config`.
pub(crate) mod config {
    use super::change;

    pub(crate) fn get(key: &str) -> Option<String> {
        change(|known| {
            let given = || known.settings.get(key).cloned();
            match &known.plugin {
                Some(plugin) => plugin.settings.get(key).and_then(|default| given().or_else(|| default.clone())),
                None => given(),
            }
        })
    }
}

/// Stands in for the interface `log`.
pub(crate) mod log {
    use super::{Level, Line, change};

    pub(crate) fn enabled(level: Level) -> bool {
        change(|known| level >= known.level)
    }

    pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
        change(|known| known.lines.push(Line { level, message: message.into(), fields: fields.into() }));
    }
}
