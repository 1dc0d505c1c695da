//! Paths as clients send them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::problem::{ApiError, ApiResult, codes};

/// Longest path in bytes.
const PATH_BYTES_MAX: usize = 8 << 10;

/// Refuses a path that two readers could understand differently: one with dot segments, in whatever spelling
/// (RFC 3986, section 6.2.2.3), with a control character or backslash, or with a broken percent-encoding.
///
/// # Errors
/// `invalid_path`.
pub(super) fn check(path: &str) -> ApiResult<()> {
    if path.len() > PATH_BYTES_MAX {
        return Err(invalid(format!("the path has {} bytes, more than {PATH_BYTES_MAX}", path.len())));
    }
    // The common path has none of the characters that need a closer look.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'.' | b'\\') || byte.is_ascii_control()) {
        return Ok(());
    }
    path.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> ApiResult<()> {
    let decoded = decode(segment)?;
    if decoded == "." || decoded == ".." {
        return Err(invalid("the path has a dot segment: send it resolved"));
    }
    if decoded.chars().any(|c| c.is_control() || c == '\\') {
        return Err(invalid("the path has a control character or a backslash"));
    }
    Ok(())
}

/// Decodes one parameter's value, once.
///
/// # Errors
/// `invalid_path` when an escape is broken or the result is not UTF-8.
pub(super) fn decode(text: &str) -> ApiResult<Cow<'_, str>> {
    let escapes = text.split('%').skip(1);
    let broken = |escape: &str| !escape.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if escapes.clone().any(broken) {
        return Err(invalid("a `%` in the path is not followed by two hexadecimal digits"));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| invalid("the path is not UTF-8 after decoding"))
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(codes::INVALID_PATH, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_has_one_meaning() {
        for path in ["/", "/hello/world", "/a%20b", "/v1.0/x", "/%C3%A9", "/a%2Fb", "/...", "/a/.b", "//"] {
            assert!(check(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn refuses_what_could_mean_two_things() {
        for path in
            ["/../x", "/a/./b", "/%2e%2e/x", "/.%2E/x", "/a%00b", "/a%0ab", "/%", "/%4", "/%zz", "/%ff", "/a%5cb"]
        {
            assert!(check(path).is_err(), "{path}");
        }
        assert!(check(&"/a".repeat(PATH_BYTES_MAX)).is_err());
    }

    #[test]
    fn decodes_once() {
        assert_eq!(decode("a%2525b").expect("valid"), "a%25b");
    }
}
