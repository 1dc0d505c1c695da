//! What the host offers to a guest: one module per interface of `wit/`, and the part of WASI that the Rust
//! standard library needs.
//!
//! A capability is a borrowed view: it sees the state of one call and of the plugin that runs, and nothing of
//! the instance or the engine. No function here takes a lock, and only reading the plugin's state can wait.

mod config;
mod context;
mod events;
mod kv;
mod log;
mod stdio;
mod wasi;

use wasmtime::component::Linker;

use crate::state::InstanceState;

pub use events::is_json;
pub(crate) use wasi::Wasi;

/// Interfaces that a plugin may import, without their version.
const OFFERED: &[&str] = &[
    "backplane:plugin/config",
    "backplane:plugin/context",
    "backplane:plugin/events",
    "backplane:plugin/kv",
    "backplane:plugin/log",
    "backplane:plugin/types",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Adds everything that is [`OFFERED`].
///
/// # Errors
/// When two capabilities define one name, which is a mistake in this module.
pub(crate) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    context::add_to_linker(linker)?;
    log::add_to_linker(linker)?;
    config::add_to_linker(linker)?;
    kv::add_to_linker(linker)?;
    events::add_to_linker(linker)?;
    wasi::add_to_linker(linker)
}

/// Returns whether this host offers the interface `import`, whatever its version.
pub(crate) fn is_offered(import: &str) -> bool {
    let interface = import.split_once('@').map_or(import, |(interface, _)| interface);
    OFFERED.binary_search(&interface).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_offers_no_way_out() {
        assert!(OFFERED.is_sorted());
        for import in ["wasi:sockets/tcp@0.2.0", "wasi:http/outgoing-handler@0.2.0", "backplane:plugin/sql@1.0.0"] {
            assert!(!is_offered(import), "{import}");
        }
        assert!(is_offered("wasi:io/poll@0.2.6"));
    }
}
