//! Media types (RFC 9110, section 8.3.1).

/// Longest media type with its parameters.
const MEDIA_TYPE_BYTES_MAX: usize = 128;

/// Returns whether `text` is a media type, with parameters or without.
pub(super) fn is_media_type(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let end = rest.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(rest.len());
    let (subtype, parameters) = rest.split_at(end);
    text.len() <= MEDIA_TYPE_BYTES_MAX && is_token(kind) && is_token(subtype) && are_parameters(parameters)
}

/// Returns whether a media type is JSON: `application/json`, or any with the suffix `+json` (RFC 6839).
pub(super) fn is_json_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// `*( OWS ";" OWS [ parameter ] )`, section 5.6.6.
fn are_parameters(mut text: &str) -> bool {
    loop {
        text = trim(text);
        if text.is_empty() {
            return true;
        }
        let Some(rest) = text.strip_prefix(';') else { return false };
        text = trim(rest);
        if text.is_empty() || text.starts_with(';') {
            continue;
        }
        let Some((name, rest)) = text.split_once('=') else { return false };
        let Some(length) = value_length(rest).filter(|_| is_token(name)) else { return false };
        text = rest.get(length..).unwrap_or_default();
    }
}

/// Returns how long the token or quoted string is that `text` begins with.
fn value_length(text: &str) -> Option<usize> {
    let Some(quoted) = text.strip_prefix('"') else {
        let length = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
        return (length > 0).then_some(length);
    };
    let mut is_escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if byte.is_ascii_control() && byte != b'\t' => return None,
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_media_types_from_what_is_none() {
        for text in [
            "text/plain",
            "application/vnd.a.b+json",
            "text/plain;charset=utf-8",
            "text/plain ; charset=\"utf-8\" ; a=b",
            "text/plain;",
            "text/plain; a=\"b;c\\\"d\"",
        ] {
            assert!(is_media_type(text), "{text}");
        }
        let too_long = format!("text/{}", "a".repeat(124));
        for text in [
            "",
            "text",
            "text/",
            "/plain",
            "text/plain/x",
            "text /plain",
            "text/plain charset",
            "text/plain; charset",
            "text/plain; =a",
            "text/plain; a=",
            "text/plain; a=\"b",
            "text/plain; a=\"b\\",
            "text/plain\r\nx: y",
            "text/plain; a=\"\n\"",
            "tëxt/plain",
            &too_long,
        ] {
            assert!(!is_media_type(text), "{text}");
        }
    }

    #[test]
    fn json_is_known_by_its_type_and_by_its_suffix() {
        for text in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json", "a/b+JSON ;x=y"]
        {
            assert!(is_json_type(text), "{text}");
        }
        for text in ["text/plain", "application/jsonl", "text/json; a=application/json", "a/b; c=d+json"] {
            assert!(!is_json_type(text), "{text}");
        }
    }
}
