//! A signed token in compact form, taken apart and not yet believed (RFC 7515 §3.1, §7.1).
//!
//! A [`Jws`] exists only for a text of three parts within [`TOKEN_BYTES_MAX`], each in the one base64url spelling that
//! it has, with a header that is one unambiguous object. What stands in it is untrusted until `verify_signature` said
//! yes; the header selects a key and nothing else (RFC 8725 §3.10). This module knows no key and no claim.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use crate::{
    claims::Claims,
    json::parse_object,
    verify::{TOKEN_BYTES_MAX, VerifyError},
};

/// A token that was taken apart.
pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    payload: Vec<u8>,
    signed: &'a str,
    signature: &'a str,
}

/// The protected header.
pub(crate) struct Header(Map<String, Value>);

/// A key with the one algorithm that it is for (RFC 8725 §3.1).
#[derive(Debug, Clone)]
pub(crate) struct VerifyingKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(VerifyError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
        // A fourth part would hold a dot, which is not base64url. An empty signature is an unsecured token.
        if signature.is_empty() || payload.contains('.') {
            return Err(VerifyError::Malformed);
        }
        let header = parse_object(&decode(header)?).map(Header).ok_or(VerifyError::Malformed)?;
        Ok(Self { header, payload: decode(payload)?, signed, signature })
    }

    /// Checks the signature, and that the token names the algorithm that the key is for.
    pub(crate) fn verify_signature(&self, name: &str, key: &VerifyingKey) -> Result<(), VerifyError> {
        if self.header.algorithm()? != name {
            return Err(VerifyError::Algorithm);
        }
        match crypto::verify(self.signature, self.signed.as_bytes(), &key.key, key.algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(VerifyError::Signature),
        }
    }

    /// Reads the claims, which are worth nothing before the signature was checked.
    pub(crate) fn claims(&self) -> Result<Claims, VerifyError> {
        let text = std::str::from_utf8(&self.payload).map_err(|_not_text| VerifyError::Malformed)?;
        Claims::parse(text).ok_or(VerifyError::Malformed)
    }
}

impl Header {
    pub(crate) fn algorithm(&self) -> Result<&str, VerifyError> {
        self.find_text("alg")?.ok_or(VerifyError::Header)
    }

    pub(crate) fn key_id(&self) -> Result<Option<&str>, VerifyError> {
        self.find_text("kid")
    }

    pub(crate) fn token_type(&self) -> Result<Option<&str>, VerifyError> {
        self.find_text("typ")
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn find_text(&self, name: &str) -> Result<Option<&str>, VerifyError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(VerifyError::Header),
        }
    }
}

/// Decodes base64url without padding; other spellings of the same bytes are refused (RFC 7515 §2).
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64url| VerifyError::Malformed)
}
