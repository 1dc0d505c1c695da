//! What a method is called with.

/// A call: its message, and the metadata that the method asks for. Named as in tonic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<T> {
    message: T,
    metadata: Metadata,
}

/// The metadata of a call that the method's attribute names; of it, what is text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, String)>);

impl<T> Request<T> {
    /// Makes a call without metadata, for whoever calls a method as the function that it is.
    pub fn new(message: T) -> Self {
        Self { message, metadata: Metadata::default() }
    }

    pub(crate) fn with_metadata(message: T, metadata: Vec<(String, String)>) -> Self {
        Self { message, metadata: Metadata(metadata) }
    }

    /// Returns the message.
    pub fn get_ref(&self) -> &T {
        &self.message
    }

    /// Returns the message, and drops the rest.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Returns the metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Metadata {
    /// Returns the first value of a key, which is in lower case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key).next()
    }

    /// Returns all values of a key, which is in lower case, in the order in which they came.
    pub fn get_all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Returns keys and values, in the order in which the method's attribute names them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
