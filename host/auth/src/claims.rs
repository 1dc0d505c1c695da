//! The claims of a token, read without goodwill.
//!
//! A claim has the type that its standard gives it, or the token is refused: dates are integers, texts are not empty,
//! nothing is converted (RFC 7519 §2, §4.1). This module does not know which claims a token needs.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::{
    json::parse_object,
    names::Names,
    time::UnixMs,
    verify::{LEEWAY, VerifyError},
};

/// Longest `sub`, `jti`, `sid`, `client_id` in bytes (OpenID Connect Core §2 for `sub`).
pub(crate) const TEXT_BYTES_MAX: usize = 255;
/// From 1970 to the end of 9999: what lies outside is a mistake or an attack.
const DATES: Range<i64> = 0..253_402_300_800;

/// The claims of one token.
#[derive(Debug)]
pub(crate) struct Claims {
    object: Map<String, Value>,
    text: Box<str>,
}

/// When a token was made and until when it is good, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) issued: i64,
    pub(crate) expires: i64,
}

impl Claims {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self { object: parse_object(text.as_bytes())?, text: text.into() })
    }

    /// Returns the claims as they stand in the token.
    pub(crate) fn into_text(self) -> Box<str> {
        self.text
    }

    /// Returns the claims with `scopes` in place of whatever the token says about them.
    pub(crate) fn into_text_with(mut self, scopes: &Names) -> Box<str> {
        self.object.insert("scope".to_owned(), scopes.to_scope().into());
        Value::Object(self.object).to_string().into()
    }

    /// Returns the value at a JSON pointer (RFC 6901).
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        let (first, rest) = match pointer.strip_prefix('/')?.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (pointer.strip_prefix('/')?, None),
        };
        let value = self.object.get(&first.replace("~1", "/").replace("~0", "~"))?;
        rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
    }

    /// Returns a text of 1 to [`TEXT_BYTES_MAX`] bytes without control characters.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, VerifyError> {
        match self.object.get(name) {
            None => Err(VerifyError::MissingClaim(name)),
            Some(Value::String(text)) if is_text(text) => Ok(text),
            Some(_) => Err(VerifyError::InvalidClaim(name)),
        }
    }

    /// Returns the names in an array of texts.
    pub(crate) fn names(&self, name: &'static str) -> Result<Names, VerifyError> {
        let invalid = VerifyError::InvalidClaim(name);
        let values = self.object.get(name).ok_or(VerifyError::MissingClaim(name))?.as_array().ok_or(invalid)?;
        let texts = values.iter().map(Value::as_str).collect::<Option<Vec<_>>>().ok_or(invalid)?;
        Names::new(texts).map_err(|_name| invalid)
    }

    /// Returns the names in the `scope` claim (RFC 8693 §4.2, RFC 9068 §2.2.3).
    pub(crate) fn scope(&self) -> Result<Names, VerifyError> {
        let invalid = VerifyError::InvalidClaim("scope");
        let scope = self.object.get("scope").ok_or(VerifyError::MissingClaim("scope"))?;
        scope.as_str().and_then(Names::from_scope).ok_or(invalid)
    }

    /// Checks that the token is from `issuer`, letter by letter (RFC 8725 §3.8).
    pub(crate) fn require_issuer(&self, issuer: &str) -> Result<(), VerifyError> {
        if self.text("iss")? == issuer { Ok(()) } else { Err(VerifyError::Issuer) }
    }

    /// Checks that the token is meant for one of `audiences` (RFC 8725 §3.9).
    pub(crate) fn require_audience<A: AsRef<str>>(&self, audiences: &[A]) -> Result<(), VerifyError> {
        let is_ours = |given: &str| audiences.iter().any(|ours| ours.as_ref() == given);
        let is_meant = match self.object.get("aud") {
            None => return Err(VerifyError::MissingClaim("aud")),
            Some(Value::String(given)) => is_ours(given),
            Some(Value::Array(values)) if !values.is_empty() => {
                let texts = values.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
                texts.ok_or(VerifyError::InvalidClaim("aud"))?.into_iter().any(is_ours)
            }
            Some(_) => return Err(VerifyError::InvalidClaim("aud")),
        };
        if is_meant { Ok(()) } else { Err(VerifyError::Audience) }
    }

    /// Checks `iat`, `nbf` and `exp` against `now`, allowing [`LEEWAY`] (RFC 7519 §4.1.4 to §4.1.6).
    pub(crate) fn require_validity(&self, now: UnixMs) -> Result<Validity, VerifyError> {
        let now = now.seconds();
        let leeway = LEEWAY.as_secs().cast_signed();
        let issued = self.date("iat")?.ok_or(VerifyError::MissingClaim("iat"))?;
        let expires = self.date("exp")?.ok_or(VerifyError::MissingClaim("exp"))?;
        if now >= expires + leeway {
            return Err(VerifyError::Expired);
        }
        if self.date("nbf")?.is_some_and(|from| from > now + leeway) {
            return Err(VerifyError::NotYetValid);
        }
        if issued > now + leeway {
            return Err(VerifyError::IssuedInTheFuture);
        }
        if issued > expires {
            return Err(VerifyError::InvalidClaim("exp"));
        }
        Ok(Validity { issued, expires })
    }

    /// Returns an integer of seconds. A `NumericDate` may have a fraction (RFC 7519 §2); none is accepted here.
    fn date(&self, name: &'static str) -> Result<Option<i64>, VerifyError> {
        let Some(value) = self.object.get(name) else { return Ok(None) };
        let date = value.as_i64().filter(|date| DATES.contains(date));
        date.map(Some).ok_or(VerifyError::InvalidClaim(name))
    }
}

/// Returns whether `text` can be an identifier.
pub(crate) fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}
