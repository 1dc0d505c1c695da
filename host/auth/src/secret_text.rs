//! Secrets as text: a prefix that scanners find, 256 random bits, and a checksum.
//!
//! The text is `<prefix><43 characters><6 characters>`: 32 random bytes as a number in base 62, then the CRC-32 of all
//! that stands before. The checksum finds typing errors and false finds of scanners without a look into a database; it
//! protects nothing. This module does not know what a secret opens.

use ring::rand::SystemRandom;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::random::{NoRandomness, random_bytes};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The digits of a number of 256 bits in base 62.
pub(crate) const SECRET_CHARS: usize = 43;
/// The digits of a number of 32 bits in base 62.
const CHECK_CHARS: usize = 6;

/// Makes a secret that begins with `prefix`.
pub(crate) fn create_secret(prefix: &str, random: &SystemRandom) -> Result<SecretString, NoRandomness> {
    let mut text = String::with_capacity(prefix.len() + SECRET_CHARS + CHECK_CHARS);
    text.push_str(prefix);
    let bytes = Zeroizing::new(random_bytes::<32>(random)?);
    push_base62(&mut text, &*bytes, SECRET_CHARS);
    let check = crc32(text.as_bytes());
    push_base62(&mut text, &check.to_be_bytes(), CHECK_CHARS);
    // The text has the capacity that it needs, so no copy of it was left behind.
    Ok(SecretString::from(text))
}

/// Makes an id of `chars` characters, at most 40, that nobody guesses or meets twice.
pub(crate) fn create_id(chars: usize, random: &SystemRandom) -> Result<String, NoRandomness> {
    let mut text = String::new();
    push_base62(&mut text, &random_bytes::<32>(random)?, chars);
    Ok(text)
}

/// Returns the 43 characters of a secret that begins with `prefix` and has the right checksum.
pub(crate) fn parse_secret<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (rest, check) = text.split_at_checked(text.len().checked_sub(CHECK_CHARS)?)?;
    let secret = rest.strip_prefix(prefix)?;
    if secret.len() != SECRET_CHARS || !is_base62(secret) {
        return None;
    }
    let mut expected = String::with_capacity(CHECK_CHARS);
    push_base62(&mut expected, &crc32(rest.as_bytes()).to_be_bytes(), CHECK_CHARS);
    (check == expected).then_some(secret)
}

pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Writes the last `digits` digits of a big-endian number.
fn push_base62(text: &mut String, number: &[u8], digits: usize) {
    let mut number = Zeroizing::new(number.to_vec());
    let mut reversed = Zeroizing::new(Vec::with_capacity(digits));
    for _ in 0..digits {
        let mut rest = 0_usize;
        for byte in number.iter_mut() {
            let value = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        reversed.push(ALPHABET.get(rest).copied().unwrap_or(b'0'));
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

/// The checksum of ISO 3309, as zip and PNG have it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _bit| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn counts_in_base_62() {
        #[track_caller]
        fn check(number: &[u8], digits: usize, expected: &str) {
            let mut text = String::new();
            push_base62(&mut text, number, digits);
            assert_eq!(text, expected);
        }
        check(&[0], 1, "0");
        check(&[61], 2, "0z");
        check(&[1, 0], 3, "048");
        check(&u32::MAX.to_be_bytes(), CHECK_CHARS, "4gfFC3");
        // 62^43 is more than 2^256: the highest number loses nothing.
        let mut text = String::new();
        push_base62(&mut text, &[255; 32], SECRET_CHARS + 1);
        assert!(text.starts_with('0') && !text.starts_with("00"), "{text}");
    }

    #[test]
    fn checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn reads_what_it_made() {
        let random = SystemRandom::new();
        let texts = [(); 2].map(|()| create_secret("bp_a_", &random).expect("a secret"));
        let secrets = texts.each_ref().map(|text| parse_secret(text.expose_secret(), "bp_a_").expect("reads"));
        assert_ne!(secrets[0], secrets[1]);
    }

    #[test]
    fn refuses_any_other_character() {
        let text = create_secret("bp_a_", &SystemRandom::new()).expect("a secret");
        let text = text.expose_secret();
        for at in 0..text.len() {
            for other in ["", "0", "é", "_", "00"] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(changed == text || parse_secret(&changed, "bp_a_").is_none(), "{changed}");
            }
        }
        for other in ["", "bp_a_", "é", "bp_b_"] {
            assert!(parse_secret(other, "bp_a_").is_none(), "{other}");
            assert!(parse_secret(text, other).is_none() || other == "bp_a_", "{other}");
        }
    }
}
