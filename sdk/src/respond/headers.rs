//! A list of headers, of a response or of a request.

/// Header lines in order; a name may occur more than once.
///
/// Next to a response (`(headers, Json(order))`) they replace the response's own headers of the same names.
///
/// ```
/// # use backplane_sdk::prelude::*;
/// let headers = Headers::from([("etag", "\"7\""), ("cache-control", "no-store")]);
/// assert_eq!(headers.get("etag"), Some("\"7\""));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Returns the first value of a header; `name` is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// Returns the lines in order, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts these lines into a response in place of its own of the same names.
    pub(super) fn replace_in(self, lines: &mut Vec<(String, String)>) {
        lines.retain(|(name, _)| self.get(name).is_none());
        lines.extend(self.0);
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        Self(lines.into_iter().map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into())).collect())
    }
}

impl<N: AsRef<str>, V: Into<String>, const LINES: usize> From<[(N, V); LINES]> for Headers {
    fn from(lines: [(N, V); LINES]) -> Self {
        lines.into_iter().collect()
    }
}
