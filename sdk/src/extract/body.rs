//! The body as it is: text or bytes.

use super::{Call, Extract, ExtractOptional};
use crate::respond::{Bytes, Text};
use crate::{Problem, Result};

/// The body, whatever its `content-type`.
impl Extract for Bytes {
    fn extract(call: &mut Call) -> Result<Self> {
        call.take_body().map(Bytes)
    }
}

impl ExtractOptional for Bytes {
    fn extract_optional(call: &mut Call) -> Result<Option<Self>> {
        if call.has_body() { Self::extract(call).map(Some) } else { Ok(None) }
    }
}

/// The body as text of any `text/*` type, or of no declared type: 415 `unsupported_media_type` for another type or
/// charset, 400 `invalid_text` when it is not UTF-8.
impl Extract for Text {
    fn extract(call: &mut Call) -> Result<Self> {
        if !call.header("content-type").is_none_or(is_utf8_text) {
            return Err(Problem::new(
                415,
                "unsupported_media_type",
                "send the body as `content-type: text/plain; charset=utf-8`",
            ));
        }
        String::from_utf8(call.take_body()?).map(Text).map_err(|error| {
            Problem::new(400, "invalid_text", format!("the body is not UTF-8: {}", error.utf8_error()))
        })
    }
}

impl ExtractOptional for Text {
    fn extract_optional(call: &mut Call) -> Result<Option<Self>> {
        if call.has_body() { Self::extract(call).map(Some) } else { Ok(None) }
    }
}

/// Returns whether a media type is `text/*` in a charset that UTF-8 contains.
fn is_utf8_text(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_text = parts
        .next()
        .and_then(|essence| essence.split_once('/'))
        .is_some_and(|(top, _)| top.eq_ignore_ascii_case("text"));
    let mut charsets = parts.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    is_text
        && charsets.all(|charset| ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::is_utf8_text;

    #[test]
    fn knows_text_that_is_utf8() {
        for text in
            ["text/plain", "Text/Markdown", "text/plain; charset=UTF-8", "text/csv;header=present;charset=\"utf-8\""]
        {
            assert!(is_utf8_text(text), "{text}");
        }
        for other in ["", "application/json", "texture/plain", "text/plain; charset=latin1"] {
            assert!(!is_utf8_text(other), "{other}");
        }
    }
}
