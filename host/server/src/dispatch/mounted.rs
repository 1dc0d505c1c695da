//! A generation with its place: under a path, and in the store.

use std::sync::Arc;

use backplane_runtime::{Generation, manifest::Transaction};
use backplane_store::StoreError;

use super::{Policy, Transcodings, target::StateUse};
use crate::{adapters::PluginState, events::Declaration};

/// A generation and the path under which it answers.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Starts with `/`, does not end with one, or is empty for the root.
    pub mount: String,
    /// The generation.
    pub generation: Arc<Generation>,
    /// What it keeps.
    pub state: Arc<PluginState>,
    /// Whether the component can use what it keeps, or publish.
    pub imports_state: bool,
    /// Who may call its routes and methods, and how often.
    pub policy: Arc<Policy>,
    /// How its methods are called in JSON.
    pub json: Arc<Transcodings>,
    /// Which events it handles, and when it runs.
    pub declaration: Arc<Declaration>,
}

impl Mounted {
    /// Opens the plugin's state if a handler of it can use that. Blocks.
    ///
    /// # Errors
    /// When the store cannot be written; such calls answer `state_unavailable` until it can, and events wait.
    pub fn open_state(&self) -> Result<(), StoreError> {
        if self.waits_for_state() { self.state.open() } else { Ok(()) }
    }

    /// Returns whether a handler of it can use the plugin's state, and that is not open.
    pub fn waits_for_state(&self) -> bool {
        let manifest = self.generation.manifest();
        let of_route = |transaction: Transaction| StateUse::of_route(transaction, self.imports_state).is_some();
        let of_method = |transaction: Transaction| StateUse::of_method(transaction, self.imports_state).is_some();
        // What came of an event, or of a run, is committed in any case.
        let is_used = !self.declaration.is_empty()
            || manifest.routes.iter().any(|route| of_route(route.transaction))
            || manifest.grpc_methods().any(|(_, _, method)| of_method(method.transaction));
        is_used && !self.state.is_open()
    }
}
