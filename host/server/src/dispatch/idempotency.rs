//! `Idempotency-Key`: what makes two requests one (draft-ietf-httpapi-idempotency-key-header).
//!
//! A key names a request, a fingerprint tells whether it is the same request again. This module does not know where
//! answers are kept.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri, header::CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::problem::{ApiError, ApiResult, codes};

/// The request's header.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest key in characters.
const KEY_CHARS_MAX: usize = 255;

/// Bodies up to this length are hashed on the thread of the call, in about as long as moving to another one takes.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Returns the request's key, if it has one.
///
/// It is a string as structured fields write it (RFC 8941, section 3.3.3), or plainly the characters. `"a"` and `a`
/// are one key.
///
/// # Errors
/// `invalid_request` when there are two, or what is there is not a key.
pub(crate) fn find_key(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(invalid("the request has two `Idempotency-Key` headers: send one"));
    }
    let key = line.to_str().ok().and_then(|text| match text.strip_prefix('"') {
        Some(rest) => unquote(rest),
        None => bare(text),
    });
    match key.filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len())) {
        Some(key) => Ok(Some(key)),
        None => Err(invalid(
            "`Idempotency-Key` must be 1 to 255 printable ASCII characters, in quotes or without spaces, quotes and commas",
        )),
    }
}

/// Reads the rest of a quoted string, up to the quote that ends it and nothing after.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain @ ' '..='~' => key.push(plain),
            _ => return None,
        }
    }
}

/// A comma joins what was sent as two headers (RFC 9110, section 5.3), so a key without quotes has none.
fn bare(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',');
    text.bytes().all(plain).then(|| text.to_owned())
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::new(codes::INVALID_REQUEST, detail)
}

/// What a request asks for, in one digest: method, path, query, type and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Digests a request. A long body is digested on a thread that may be busy for a while.
    ///
    /// # Errors
    /// `internal` when that thread is gone.
    pub(crate) async fn of(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> ApiResult<Self> {
        let head = digest_head(method, uri, headers);
        if body.len() <= INLINE_BYTES_MAX {
            return Ok(Self::finish(head, body));
        }
        let body = body.clone();
        tokio::task::spawn_blocking(move || Self::finish(head, &body)).await.map_err(ApiError::internal)
    }

    /// The body comes last and takes what is left, so it needs no length.
    fn finish(head: Sha256, body: &[u8]) -> Self {
        Self(head.chain_update(body).finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Digests each part with its length, so that no two requests look alike by where one part ends.
fn digest_head(method: &Method, uri: &Uri, headers: &HeaderMap) -> Sha256 {
    let types = headers.get_all(CONTENT_TYPE).iter().map(|value| Some(value.as_bytes()));
    let query = uri.query().map(str::as_bytes);
    let parts = [Some(method.as_str().as_bytes()), Some(uri.path().as_bytes()), query];
    let mut head = Sha256::new();
    for part in parts.into_iter().chain(types).chain([None]) {
        match part {
            Some(part) => head.update((part.len() as u64).to_be_bytes()),
            None => head.update(u64::MAX.to_be_bytes()),
        }
        head.update(part.unwrap_or_default());
    }
    head
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(lines: &[&[u8]]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(line).expect("a header value"));
        }
        find_key(&headers).map_err(|error| error.code().to_owned())
    }

    #[test]
    fn reads_a_quoted_string_and_plain_characters() {
        assert_eq!(key(&[]), Ok(None));
        let long = "x".repeat(KEY_CHARS_MAX);
        let quoted = format!("\"{long}\"");
        for (line, expected) in [
            ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            ("\"8e03978e\"", "8e03978e"),
            (r#""a \"b\" \\c, d""#, r#"a "b" \c, d"#),
            ("a;b=c", "a;b=c"),
            (&long, &long),
            (&quoted, &long),
        ] {
            assert_eq!(key(&[line.as_bytes()]), Ok(Some(expected.to_owned())), "{line}");
        }
    }

    #[test]
    fn refuses_what_is_no_key() {
        let long = "x".repeat(KEY_CHARS_MAX + 1);
        let lines: [&[u8]; 13] = [
            b"",
            b"\"\"",
            b"\"",
            b"\"a",
            b"\"a\"b",
            b"\"a\";p=1",
            b"\"a\\b\"",
            b"\"a\\",
            b"a b",
            b"a,b",
            b"a\"b",
            b"\"\xc3\xa4\"",
            long.as_bytes(),
        ];
        for line in lines {
            assert_eq!(key(&[line]), Err("invalid_request".to_owned()), "{line:?}");
        }
        assert_eq!(key(&[b"a", b"a"]), Err("invalid_request".to_owned()));
    }

    /// A request in one line: method, target, types and body.
    async fn fingerprint(method: &str, target: &str, types: &[&str], body: &[u8]) -> Fingerprint {
        let mut headers = HeaderMap::new();
        for value in types {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(value).expect("a header value"));
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let uri = target.parse().expect("a target");
        Fingerprint::of(&method, &uri, &headers, &Bytes::copy_from_slice(body)).await.expect("threads are there")
    }

    #[tokio::test]
    async fn two_requests_are_one_when_everything_is_the_same() {
        let first = fingerprint("POST", "/a?b", &["text/plain"], b"c").await;
        assert_eq!(first, fingerprint("POST", "/a?b", &["text/plain"], b"c").await);
        let others: [(&str, &str, &[&str], &[u8]); 7] = [
            ("PUT", "/a?b", &["text/plain"], b"c"),
            ("POST", "/a", &["text/plain"], b"c"),
            ("POST", "/a?", &["text/plain"], b"bc"),
            ("POST", "/ab", &["text/plain"], b"c"),
            ("POST", "/a?b", &[], b"text/plainc"),
            ("POST", "/a?b", &["text/plain", "text/plain"], b"c"),
            ("POST", "/a?b", &["text/plain"], b""),
        ];
        for (method, target, types, body) in others {
            assert_ne!(first, fingerprint(method, target, types, body).await, "{method} {target} {types:?} {body:?}");
        }
    }

    #[tokio::test]
    async fn a_long_body_counts_to_its_last_byte() {
        let mut body = vec![7; INLINE_BYTES_MAX + 1];
        let first = fingerprint("POST", "/", &[], &body).await;
        assert_eq!(first, fingerprint("POST", "/", &[], &body).await);
        body[INLINE_BYTES_MAX] = 8;
        assert_ne!(first, fingerprint("POST", "/", &[], &body).await);
    }
}
