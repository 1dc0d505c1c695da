//! What of a guest's answer reaches the client.

use axum::{body::Body, response::Response};
use backplane_runtime::Response as GuestResponse;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::identity::challenge;

/// Most header lines of one response.
const HEADERS_MAX: usize = 64;
/// Most bytes of names and values together.
const HEADER_BYTES_MAX: usize = 32 << 10;

/// Headers about the connection, the message's framing or the host, which the host alone decides
/// (RFC 9110, section 7.6.1).
const HOST_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "idempotency-replayed",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

/// What is wrong with a guest's response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseFault {
    #[error("status {0} is not from 200 to 599")]
    Status(u16),
    #[error("{0} header lines are more than {HEADERS_MAX}")]
    HeaderCount(usize),
    #[error("headers have more than {HEADER_BYTES_MAX} bytes")]
    HeaderBytes,
    #[error("{0:?} is not a header name")]
    HeaderName(String),
    #[error("the value of header `{0}` has a forbidden character")]
    HeaderValue(String),
}

/// Makes the client's response.
pub(super) fn from_guest(answer: GuestResponse) -> Result<Response, ResponseFault> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = check_status(answer.status)?;
    *response.headers_mut() = check_headers(answer.headers)?;
    challenge::complete(&mut response);
    Ok(response)
}

/// Says beforehand whether [`from_guest`] will take a response: nothing is committed for one that cannot be sent.
pub(crate) fn check(answer: &GuestResponse) -> Result<(), ResponseFault> {
    check_status(answer.status)?;
    check_headers(answer.headers.clone()).map(drop)
}

fn check_status(status: u16) -> Result<StatusCode, ResponseFault> {
    StatusCode::from_u16(status).ok().filter(|_| (200..=599).contains(&status)).ok_or(ResponseFault::Status(status))
}

fn check_headers(lines: Vec<(String, String)>) -> Result<HeaderMap, ResponseFault> {
    if lines.len() > HEADERS_MAX {
        return Err(ResponseFault::HeaderCount(lines.len()));
    }
    if lines.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_BYTES_MAX {
        return Err(ResponseFault::HeaderBytes);
    }
    let mut headers = HeaderMap::with_capacity(lines.len() + 2);
    for (name, value) in lines {
        let Ok(header) = HeaderName::try_from(name.as_str()) else {
            return Err(ResponseFault::HeaderName(name));
        };
        let value = HeaderValue::try_from(value).map_err(|_| ResponseFault::HeaderValue(name))?;
        if HOST_HEADERS.binary_search(&header.as_str()).is_err() {
            headers.append(header, value);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, headers: &[(&str, &str)]) -> Result<Response, ResponseFault> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        from_guest(GuestResponse { status, headers, body: b"hi".to_vec() })
    }

    #[test]
    fn the_list_of_the_hosts_headers_is_sorted() {
        assert!(HOST_HEADERS.is_sorted());
    }

    #[test]
    fn keeps_headers_and_drops_the_hosts() {
        let response =
            check(201, &[("Set-Cookie", "a"), ("set-cookie", "b"), ("Content-Length", "99")]).expect("valid");
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
    }

    #[test]
    fn refuses_what_is_no_response() {
        for status in [0, 42, 100, 101, 199, 600, 700, 999, u16::MAX] {
            assert_eq!(check(status, &[]).err(), Some(ResponseFault::Status(status)));
        }
        assert_eq!(check(200, &[("a b", "")]).err(), Some(ResponseFault::HeaderName("a b".into())));
        assert_eq!(check(200, &[("", "")]).err(), Some(ResponseFault::HeaderName(String::new())));
        for value in ["a\r\nx: y", "a\0", "\u{7f}"] {
            assert_eq!(check(200, &[("a", value)]).err(), Some(ResponseFault::HeaderValue("a".into())), "{value:?}");
        }
    }

    #[test]
    fn refuses_too_many_headers() {
        let lines = vec![("a", "b"); HEADERS_MAX + 1];
        assert_eq!(check(200, &lines).err(), Some(ResponseFault::HeaderCount(HEADERS_MAX + 1)));
        let long = "x".repeat(HEADER_BYTES_MAX);
        assert_eq!(check(200, &[("a", &long)]).err(), Some(ResponseFault::HeaderBytes));
    }
}
