//! What of a request reaches the guest.

use backplane_auth::Principal;
use backplane_runtime::{Principal as GuestPrincipal, Request as GuestRequest};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE, request::Parts};

use super::Target;

/// Returns the `traceparent` when it is one.
pub(crate) fn trace_parent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    is_trace_parent(value).then(|| value.to_owned())
}

/// Returns whether a text is a `traceparent` (Trace Context, section 3.2.2; version 00).
pub(crate) fn is_trace_parent(text: &str) -> bool {
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
    let mut fields = text.split('-');
    let mut is_hex = |digits: usize, may_be_zero: bool| {
        let field = fields.next().filter(|field| field.len() == digits && field.bytes().all(lower_hex));
        field.is_some_and(|field| may_be_zero || !is_zero(field))
    };
    text.starts_with("00-")
        && is_hex(2, true)
        && is_hex(32, false)
        && is_hex(16, false)
        && is_hex(2, true)
        && fields.next().is_none()
}

/// Makes the guest's request.
pub(super) fn to_guest(target: &Target, route: u32, parts: &Parts, params: Vec<String>, body: Vec<u8>) -> GuestRequest {
    let path = parts.uri.path().get(target.mount_bytes..).filter(|path| !path.is_empty()).unwrap_or("/");
    let mut headers = Vec::new();
    for name in [&CONTENT_TYPE].into_iter().chain(target.headers.iter().filter(|name| **name != CONTENT_TYPE)) {
        headers.extend(parts.headers.get_all(name).iter().filter_map(|value| line(name, value)));
    }
    GuestRequest {
        route,
        method: parts.method.as_str().to_owned(),
        path: path.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        params,
        headers,
        body,
    }
}

/// Returns the metadata that a method receives.
pub(super) fn metadata_of(target: &Target, headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = |name| headers.get_all(name).iter().filter_map(move |value| line(name, value));
    target.headers.iter().flat_map(lines).collect()
}

/// Makes the guest's principal: who calls, and nothing that could be used as a credential. The claims were made ready when
/// the credential was verified.
pub(super) fn to_principal(caller: &Principal) -> GuestPrincipal {
    GuestPrincipal {
        subject: caller.subject().to_owned(),
        roles: caller.roles().iter().map(str::to_owned).collect(),
        claims: caller.claims().to_owned(),
    }
}

fn line(name: &HeaderName, value: &HeaderValue) -> Option<(String, String)> {
    let value = std::str::from_utf8(value.as_bytes()).ok()?;
    Some((name.as_str().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_only_a_valid_trace_parent_on() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(value).expect("a header value"));
            trace_parent(&headers).is_some()
        };
        assert!(check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for value in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!check(value), "{value}");
        }
    }
}
