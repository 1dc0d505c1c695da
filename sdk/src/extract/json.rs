//! A JSON body as an argument.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Call, Extract, ExtractOptional};
use crate::respond::Json;
use crate::{Problem, Result};

/// The body as JSON: 415 `unsupported_media_type` without a JSON `content-type`, 400 `invalid_json` when it is not
/// JSON, 422 `invalid_body` when it does not fit `T`.
impl<T: DeserializeOwned> Extract for Json<T> {
    fn extract(call: &mut Call) -> Result<Self> {
        if !call.header("content-type").is_some_and(is_json) {
            return Err(Problem::new(
                415,
                "unsupported_media_type",
                "send the body as `content-type: application/json`",
            ));
        }
        serde_json::from_slice(&call.take_body()?).map(Json).map_err(|error| match error.classify() {
            Category::Data => Problem::new(422, "invalid_body", format!("the body does not fit: {error}")),
            Category::Io | Category::Syntax | Category::Eof => {
                Problem::new(400, "invalid_json", format!("the body is not JSON: {error}"))
            }
        })
    }
}

impl<T: DeserializeOwned> ExtractOptional for Json<T> {
    fn extract_optional(call: &mut Call) -> Result<Option<Self>> {
        if call.has_body() { Self::extract(call).map(Some) } else { Ok(None) }
    }
}

/// Returns whether a media type is `application/json` or has the `+json` suffix (RFC 6839 §3.1).
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let suffix = essence.len().checked_sub(b"+json".len()).and_then(|start| essence.get(start..));
    essence.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn knows_json_media_types() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "text/plain", "application/jsonl", "application/json+xml", "json", "té+json2"] {
            assert!(!is_json(other), "{other}");
        }
    }
}
