//! Which names of buckets and keys there are.

use crate::bindings::backplane::plugin::kv::Error;

/// Longest name of a bucket.
const BUCKET_BYTES_MAX: usize = 64;
/// Longest key.
const KEY_BYTES_MAX: usize = 512;

pub(super) fn check_bucket(name: &str) -> Result<(), Error> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let starts_well = name.as_bytes().first().is_some_and(plain);
    let goes_on_well = name.bytes().all(|byte| plain(&byte) || b"._-".contains(&byte));
    let is_valid = starts_well && goes_on_well && name.len() <= BUCKET_BYTES_MAX;
    if is_valid { Ok(()) } else { Err(Error::InvalidBucket) }
}

pub(super) fn check_key(key: &str) -> Result<(), Error> {
    let is_valid = (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.as_bytes().contains(&0);
    if is_valid { Ok(()) } else { Err(Error::InvalidKey) }
}

/// Checks what a listing starts with, or starts after: it need not be a key, but is no longer than one.
pub(super) fn check_position(text: &str) -> Result<(), Error> {
    if text.len() <= KEY_BYTES_MAX { Ok(()) } else { Err(Error::InvalidKey) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_buckets_from_what_is_none() {
        for bucket in ["a", "0", "orders", "a.b_c-d", &"x".repeat(64)] {
            assert!(check_bucket(bucket).is_ok(), "{bucket}");
        }
        for bucket in ["", ".a", "_", "-", "A", "a/b", "é", "a\0", &"x".repeat(65)] {
            assert!(check_bucket(bucket).is_err(), "{bucket}");
        }
    }

    #[test]
    fn tells_keys_from_what_is_none() {
        for key in ["a", " ", "é/ü", &"x".repeat(512)] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "a\0b", &"x".repeat(513), &"é".repeat(257)] {
            assert!(check_key(key).is_err(), "{key}");
        }
        assert!(check_position("").is_ok() && check_position(&"x".repeat(513)).is_err());
    }
}
