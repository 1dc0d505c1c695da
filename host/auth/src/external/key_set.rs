//! The keys that an issuer published (RFC 7517 §5), as far as they can be used here.
//!
//! A key that is for something else, too weak or not understood is left out, as RFC 7517 §5 asks; a set that is no set
//! is refused whole. A key verifies with one algorithm at a time: the one that the key names, or else one that fits
//! its type. Private parts are never read.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::issuer::ExternalAlgorithm;
use crate::{json::parse_object, jws::VerifyingKey};

/// Longest key set in bytes.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;
/// Most keys of a set that are looked at.
const KEYS_MAX: usize = 64;
/// RSA moduli, in bytes (RFC 7518 §3.3, §3.5: at least 2048 bits).
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The usable keys of an issuer.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: ExternalAlgorithm,
    verifying: VerifyingKey,
}

impl KeySet {
    /// Reads a set; nothing when it is no set, or no key of it can be used.
    pub(super) fn parse(bytes: &[u8], allowed: &[ExternalAlgorithm]) -> Option<Self> {
        if bytes.len() > JWKS_BYTES_MAX {
            return None;
        }
        let set = parse_object(bytes)?;
        let jwks = set.get("keys")?.as_array()?.iter().take(KEYS_MAX).filter_map(Value::as_object);
        let keys: Vec<_> = jwks.flat_map(|jwk| allowed.iter().filter_map(|algorithm| read(jwk, *algorithm))).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Returns the key of that id, or the only one there is when the token names none.
    ///
    /// Two keys of one id are an issuer's mistake; the first is taken, as for any other reader.
    pub(super) fn find(&self, id: Option<&str>, algorithm: ExternalAlgorithm) -> Option<&VerifyingKey> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).map(|key| &key.verifying),
            None => {
                let first = fitting.next()?;
                fitting.next().is_none().then_some(&first.verifying)
            }
        }
    }
}

/// Reads a key for `algorithm`, when it is one.
fn read(jwk: &Map<String, Value>, algorithm: ExternalAlgorithm) -> Option<Key> {
    let text = |name: &str| jwk.get(name).map(Value::as_str);
    // What is there must be a text, and right; what is not there does not matter (RFC 7517 §4.2 to §4.4).
    let is_absent_or = |name: &str, fits: &dyn Fn(&str) -> bool| text(name).is_none_or(|value| value.is_some_and(fits));
    let can_verify = |operations: &Value| {
        operations.as_array().is_some_and(|all| all.iter().any(|operation| operation.as_str() == Some("verify")))
    };
    if !is_absent_or("use", &|usage| usage == "sig")
        || !is_absent_or("alg", &|name| ExternalAlgorithm::parse(name) == Some(algorithm))
        || !jwk.get("key_ops").is_none_or(can_verify)
        || !is_absent_or("kid", &|_any| true)
    {
        return None;
    }
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)??).ok();
    let key_type = text("kty")??;
    let key = match (algorithm, key_type) {
        (ExternalAlgorithm::Es256, "EC") => point(text("crv")??, &bytes("x")?, &bytes("y")?)?,
        (ExternalAlgorithm::Ed25519, "OKP") => edwards_point(text("crv")??, &bytes("x")?)?,
        (ExternalAlgorithm::Rs256 | ExternalAlgorithm::Ps256, "RSA") => rsa(&bytes("n")?, &bytes("e")?)?,
        _ => return None,
    };
    let verifying = VerifyingKey { algorithm: algorithm.verifies_with(), key };
    Some(Key { id: text("kid").flatten().map(str::to_owned), algorithm, verifying })
}

fn point(curve: &str, x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    let is_p256 = curve == "P-256" && x.len() == 32 && y.len() == 32;
    is_p256.then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
}

fn edwards_point(curve: &str, x: &[u8]) -> Option<DecodingKey> {
    (curve == "Ed25519" && x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let is_usable = MODULUS_BYTES.contains(&modulus.len()) && (1..=8).contains(&exponent.len());
    is_usable.then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExternalAlgorithm::{Ed25519, Es256, Ps256, Rs256};

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ec(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
    }

    fn rsa_key(modulus_bytes: usize) -> String {
        format!(r#"{{"kty":"RSA","kid":"r","n":"{}","e":"AQAB"}}"#, URL_SAFE_NO_PAD.encode(vec![0xff; modulus_bytes]))
    }

    fn parse(keys: &[String]) -> Option<KeySet> {
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes(), &ExternalAlgorithm::ALL)
    }

    #[test]
    fn finds_a_key_by_its_id_and_for_its_algorithm() {
        let okp = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"o","alg":"EdDSA","x":"{X}"}}"#);
        let set = parse(&[ec(r#","kid":"e","alg":"ES256","use":"sig""#), okp, rsa_key(256)]).expect("a set");
        let found = |id, algorithm| set.find(Some(id), algorithm).is_some();
        assert!(found("e", Es256) && found("o", Ed25519) && found("r", Rs256) && found("r", Ps256));
        assert!(!found("e", Rs256) && !found("r", Es256) && !found("x", Es256));
    }

    #[test]
    fn a_token_without_an_id_gets_the_only_key_or_none() {
        let one = parse(&[ec(r#","kid":"a""#)]).expect("a set");
        assert!(one.find(None, Es256).is_some());
        let two = parse(&[ec(r#","kid":"a""#), ec(r#","kid":"b""#)]).expect("a set");
        assert!(two.find(None, Es256).is_none());
    }

    #[test]
    fn leaves_out_what_is_for_something_else() {
        for more in [
            r#","use":"enc""#,
            r#","alg":"ES384""#,
            r#","alg":"HS256""#,
            r#","key_ops":["sign"]"#,
            r#","key_ops":"verify""#,
            r#","use":["sig"]"#,
            r#","kid":7"#,
        ] {
            assert!(parse(&[ec(more)]).is_none(), "{more}");
        }
        assert!(parse(&[ec(r#","key_ops":["verify"]"#)]).is_some());
    }

    #[test]
    fn leaves_out_weak_and_broken_keys() {
        let secret = format!(r#"{{"kty":"oct","k":"{X}"}}"#);
        for key in [
            rsa_key(128),
            rsa_key(255),
            rsa_key(1025),
            secret,
            ec("").replace("P-256", "P-384"),
            ec("").replace(Y, "AQAB"),
            ec("").replace(r#""EC""#, r#""RSA""#),
            "{}".to_owned(),
        ] {
            assert!(parse(std::slice::from_ref(&key)).is_none(), "{key}");
            assert!(parse(&[key, ec("")]).is_some());
        }
    }

    #[test]
    fn refuses_what_is_no_set() {
        for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[1]}"#, "<html>"] {
            assert!(KeySet::parse(text.as_bytes(), &ExternalAlgorithm::ALL).is_none(), "{text}");
        }
        let padded = format!(r#"{{"keys":[{}],"x":"{}"}}"#, ec(""), "x".repeat(JWKS_BYTES_MAX));
        assert!(KeySet::parse(padded.as_bytes(), &ExternalAlgorithm::ALL).is_none());
    }

    #[test]
    fn reads_keys_for_allowed_algorithms_only() {
        let set = format!(r#"{{"keys":[{},{}]}}"#, ec(""), rsa_key(256));
        let set = KeySet::parse(set.as_bytes(), &[Es256]).expect("a set");
        assert!(set.find(None, Es256).is_some() && set.find(Some("r"), Rs256).is_none());
    }
}
