//! Names of plugins.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Name of a plugin: 1 to 63 characters of `a-z`, `0-9` and `-`, the first not a `-`.
///
/// Cloning is cheap. A name is safe in a path, a file name, a log line and a metric label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PluginName(Arc<str>);

/// The text is not a plugin name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a plugin name: use 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`")]
pub struct ParseNameError(String);

impl PluginName {
    /// Longest name in bytes.
    pub const BYTES_MAX: usize = 63;

    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// When a character or the length is not allowed.
    pub fn new(text: &str) -> Result<Self, ParseNameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::BYTES_MAX || text.starts_with('-') || !text.bytes().all(allowed) {
            return Err(ParseNameError(text.chars().take(80).collect()));
        }
        Ok(Self(text.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for PluginName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0.as_ref().into()
    }
}

impl TryFrom<String> for PluginName {
    type Error = ParseNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_that_are_safe_everywhere() {
        for name in ["a", "hello", "hello-reused", "0rders", &"x".repeat(63)] {
            assert!(PluginName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for name in ["", "-a", "Hello", "a_b", "a/b", "..", "a b", "é", &"x".repeat(64)] {
            assert!(PluginName::new(name).is_err(), "{name}");
        }
    }
}
