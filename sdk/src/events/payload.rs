//! What an event carries, as a type.

use serde::de::DeserializeOwned;

use crate::extract::is_json;
use crate::respond::{Bytes, Text};

/// A type that an [`Event`](super::Event) carries.
#[diagnostic::on_unimplemented(
    message = "an event cannot carry `{Self}`",
    label = "not something that a payload can be read as",
    note = "take `Event<T>` with a `T` that derives `Deserialize`, `Event<Text>`, or `Event<Bytes>`"
)]
pub trait Payload: Sized {
    /// Reads the payload.
    ///
    /// # Errors
    /// What the payload is instead, to be read after "the payload": `is not UTF-8`.
    fn read(content_type: &str, payload: Vec<u8>) -> Result<Self, String>;
}

/// JSON, of the media type `application/json` or of one that ends in `+json`.
impl<T: DeserializeOwned> Payload for T {
    fn read(content_type: &str, payload: Vec<u8>) -> Result<Self, String> {
        if !is_json(content_type) {
            return Err(format!("is of type `{content_type}`, not JSON"));
        }
        serde_json::from_slice(&payload).map_err(|fault| format!("is not the JSON that was asked for: {fault}"))
    }
}

/// UTF-8, whatever its media type.
impl Payload for Text {
    fn read(_: &str, payload: Vec<u8>) -> Result<Self, String> {
        String::from_utf8(payload).map(Text).map_err(|fault| format!("is not UTF-8: {}", fault.utf8_error()))
    }
}

/// The payload as it is.
impl Payload for Bytes {
    fn read(_: &str, payload: Vec<u8>) -> Result<Self, String> {
        Ok(Bytes(payload))
    }
}
