//! Integers as keys hold them: decimal text of 64 bits.

use crate::bindings::backplane::plugin::kv::Error;

/// Adds `by` to what `value` holds, 0 when there is no value.
pub(super) fn add(value: Option<&[u8]>, by: i64) -> Result<Vec<u8>, Error> {
    let before = match value {
        Some(value) => parse(value).ok_or(Error::NotAnInteger)?,
        None => 0,
    };
    let after = before.checked_add(by).ok_or(Error::NotAnInteger)?;
    Ok(after.to_string().into_bytes())
}

fn parse(value: &[u8]) -> Option<i64> {
    str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_to_decimal_text_and_to_nothing() {
        assert_eq!(add(None, -3).expect("fits"), b"-3");
        assert_eq!(add(Some(b"40"), 2).expect("fits"), b"42");
        assert_eq!(add(Some(b"-1"), 1).expect("fits"), b"0");
    }

    #[test]
    fn refuses_what_is_not_an_integer_or_would_not_be_one() {
        for value in [&b""[..], b"1.5", b" 1", b"x", b"\xff", b"9223372036854775808"] {
            assert!(matches!(add(Some(value), 0), Err(Error::NotAnInteger)), "{value:?}");
        }
        assert!(matches!(add(Some(b"9223372036854775807"), 1), Err(Error::NotAnInteger)));
    }
}
