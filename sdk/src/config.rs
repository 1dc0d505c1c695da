//! Settings that the plugin declares and the operator fills in.
//!
//! A struct marked with [`#[config]`](macro@crate::config) inside the plugin's module declares them; a handler
//! that takes [`Config`] of that struct reads all of them, and [`get`](fn@get) reads one.
//!
//! ```
//! #[backplane_sdk::plugin]
//! mod greetings {
//!     use backplane_sdk::prelude::*;
//!
//!     #[config]
//!     struct Settings {
//!         /// What every greeting starts with.
//!         #[default("Hello")]
//!         greeting: String,
//!         /// Whom to greet when the path names nobody.
//!         stranger: Option<String>,
//!     }
//!
//!     /// Greets a stranger.
//!     #[get("/", public)]
//!     fn greet(Config(settings): Config<Settings>) -> String {
//!         format!("{}, {}", settings.greeting, settings.stranger.as_deref().unwrap_or("you"))
//!     }
//! }
//!
//! use backplane_sdk::testing;
//! testing::set_config("stranger", "Ada");
//! assert_eq!(testing::get("/").send::<greetings::Plugin>().text(), "Hello, Ada");
//! ```

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{Call, Extract, Problem, Result, host};

/// The settings struct `T`, read when the handler is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config<T>(pub T);

/// A set of settings, written by [`#[config]`](macro@crate::config).
pub trait Settings: Sized {
    /// Asks the host for every setting.
    ///
    /// # Errors
    /// A problem of status 500 when a value is missing or does not fit its field.
    fn load() -> Result<Self>;
}

impl<T: Settings> Extract for Config<T> {
    fn extract(_: &mut Call) -> Result<Self> {
        T::load().map(Config)
    }
}

/// Returns one setting: the operator's value, else the declared default, else `None`.
///
/// A key that no `#[config]` struct declares is always `None`.
///
/// # Errors
/// A problem of status 500 when the value does not fit `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    host::config::get(key).map(|json| parse(key, &json)).transpose()
}

/// Reads a declared setting; `fallback` is JSON text for when there is no host to apply the default.
#[doc(hidden)]
pub fn field<T: DeserializeOwned>(key: &str, fallback: Option<&str>) -> Result<T> {
    match (host::config::get(key), fallback) {
        (Some(json), _) => parse(key, &json),
        (None, Some(json)) => parse(key, json),
        (None, None) => Err(Problem::internal(SettingError { key: key.into(), source: None })),
    }
}

fn parse<T: DeserializeOwned>(key: &str, json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|source| Problem::internal(SettingError { key: key.into(), source: Some(source) }))
}

/// Why a setting could not be read, for the operator.
#[derive(Debug)]
struct SettingError {
    key: String,
    source: Option<serde_json::Error>,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = if self.source.is_some() { "does not fit its field" } else { "has no value" };
        write!(f, "setting `{}` {fault}", self.key)
    }
}

impl std::error::Error for SettingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
