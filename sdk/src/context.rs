//! Who calls, under which id, how much time is left, and where the plugin answers.

mod principal;

use std::time::Duration;

pub use principal::{Claims, Principal};

use crate::extract::{Call, Extract};
use crate::{Result, host};

/// The call that is running.
///
/// It holds nothing: every method asks the host, and costs a fraction of a microsecond. Take it as an argument,
/// or name it where an argument would be far away: `Context.remaining()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context;

impl Context {
    /// Returns the caller, or `None` when the route is public and nobody signed in.
    pub fn caller(self) -> Option<Principal> {
        host::context::caller()
    }

    /// Returns the path below which the plugin's routes answer, for example `/orders`. It does not end with `/`, and is
    /// empty at the root.
    pub fn mount(self) -> String {
        host::context::mount()
    }

    /// Returns the URL of one of the plugin's own paths, wherever the operator has mounted it: what a `location` or a
    /// link holds. The path is written as a route's attribute has it, percent-encoded.
    ///
    /// ```
    /// #[backplane_sdk::plugin]
    /// mod notes {
    ///     use backplane_sdk::prelude::*;
    ///
    ///     #[post("/", public)]
    ///     fn create_note() -> Created<&'static str> {
    ///         Created::new("a note").at(Context.url("/7"))
    ///     }
    /// }
    ///
    /// use backplane_sdk::testing;
    /// let location = || testing::post("/").send::<notes::Plugin>().header("location").map(str::to_owned);
    /// assert_eq!(location().as_deref(), Some("/notes/7"));
    /// testing::set_mount("/office/notes");
    /// assert_eq!(location().as_deref(), Some("/office/notes/7"));
    /// ```
    pub fn url(self, path: impl AsRef<str>) -> String {
        let mount = self.mount();
        // A URL that begins with two slashes names another server (RFC 3986 §4.2), and browsers take `\` for one.
        match path.as_ref().trim_start_matches(['/', '\\']) {
            "" if !mount.is_empty() => mount,
            path => format!("{mount}/{path}"),
        }
    }

    /// Returns the id under which this call appears in the host's logs and in the `x-request-id` header.
    pub fn request_id(self) -> String {
        host::context::request_id()
    }

    /// Returns the W3C `traceparent` of the call, when the client sent a valid one.
    pub fn trace_parent(self) -> Option<String> {
        host::context::trace_parent()
    }

    /// Returns the time left before the host ends this call, in whole milliseconds.
    pub fn remaining(self) -> Duration {
        Duration::from_millis(host::context::remaining_ms().into())
    }
}

impl Extract for Context {
    fn extract(_: &mut Call) -> Result<Self> {
        Ok(Context)
    }
}
