//! What the live plugins handle, as far as events and the clock are concerned: said whenever it changes.
//!
//! It is said before a version is published, because it may be refused. What is delivered in between finds no handler
//! and is delivered again.

use std::sync::Arc;

use backplane_events::DeclareError;
use backplane_runtime::PluginName;
use tokio::{runtime::Handle, task::block_in_place};

use super::Supervisor;
use crate::{
    events::{Declaration, Declared},
    live::{LivePlugin, Snapshot},
    problem::Chain,
};

impl Supervisor {
    /// Says what `next` handles otherwise than `current`.
    ///
    /// # Errors
    /// When what comes would be too much; nothing has changed then.
    pub(super) fn declare(&self, current: &Snapshot, next: &Snapshot) -> Result<(), DeclareError> {
        let declaration = |snapshot: &Snapshot, plugin: &PluginName| {
            snapshot.plugins.get(plugin).map(|live| Arc::clone(&live.mounted.declaration))
        };
        for (plugin, LivePlugin { mounted, .. }) in &next.plugins {
            let (before, now) = (declaration(current, plugin), &mounted.declaration);
            let is_same = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, now));
            let was_empty = before.is_none_or(|before| before.is_empty());
            let stays_empty = was_empty && now.is_empty();
            if !is_same && !stays_empty {
                wait(self.app.events.declare(plugin.as_str(), now))?;
            }
        }
        let gone = current
            .plugins
            .iter()
            .filter(|(plugin, live)| !next.plugins.contains_key(*plugin) && !live.mounted.declaration.is_empty());
        for (plugin, _) in gone {
            // Less is refused by nobody; a driver that has ended needs to be told nothing.
            let _ended = wait(self.app.events.declare(plugin.as_str(), &Declaration::default()));
        }
        Ok(())
    }

    /// Closes what was declared before the process started and is not any more.
    pub(super) fn close_undeclared(&self) {
        let snapshot = self.live().snapshot();
        let declares = |plugin: &str, declared: &Declared<'_>| {
            snapshot.plugins.get(plugin).is_some_and(|live| live.mounted.declaration.has(declared))
        };
        if let Err(error) = wait(self.app.events.close_undeclared(declares)) {
            let error = Chain(&error).to_string();
            tracing::warn!(
                error,
                "subscriptions that no plugin declares are not closed: they keep events until a restart"
            );
        }
    }
}

/// Waits where the supervisor may: on its thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(future))
}
