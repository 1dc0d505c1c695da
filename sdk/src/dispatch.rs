//! What `#[plugin]` makes of a module.

use crate::{Request, Response, Result};

/// A plugin as one type, written by [`#[plugin]`](macro@crate::plugin) and named `Plugin` inside the module.
///
/// Its functions are called by the host, and by [`testing`](crate::testing) in its place. Nobody else needs them.
pub trait Plugin {
    /// The manifest, as the host finds it in the component: JSON, one line.
    const MANIFEST: &'static str;

    /// Answers one request, whose `route` is a position in the manifest's `routes`.
    ///
    /// # Errors
    /// The problem that an extractor or the handler ended with.
    fn handle(request: Request) -> Result<Response>;

    /// Runs the function marked with `#[init]`, if there is one.
    ///
    /// # Errors
    /// The problem that the function ended with.
    fn init() -> Result<()> {
        Ok(())
    }
}
