//! Which requests are gRPC, and which only look like it.

use http::{HeaderMap, Method, Request, StatusCode, Version, header::CONTENT_TYPE};

use crate::problem::{ApiError, ApiResult, codes};

/// What a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

const GRPC: &str = "application/grpc";

/// Returns what a request speaks.
///
/// # Errors
/// For what no client of gRPC sends: gRPC-Web, gRPC over HTTP/1.1, and another method than `POST`. The answer is a
/// problem document, which whoever sent it can read.
pub(crate) fn protocol_of<B>(request: &Request<B>) -> ApiResult<Protocol> {
    let Some(suffix) = suffix_of(request.headers()) else { return Ok(Protocol::Http) };
    match suffix {
        "" | "+proto" => {}
        _ if suffix.starts_with("-web") => {
            let detail = "gRPC-Web is not spoken here: use gRPC over HTTP/2, or the HTTP API";
            return Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        _ => {
            let detail = "messages are in the binary encoding of Protocol Buffers: send `application/grpc`";
            return Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    }
    if request.version() != Version::HTTP_2 {
        return Err(ApiError::new(
            codes::HTTP_VERSION_UNSUPPORTED,
            "gRPC needs HTTP/2, with prior knowledge where there is no TLS",
        ));
    }
    match *request.method() {
        Method::POST => Ok(Protocol::Grpc),
        _ => Err(ApiError::method_not_allowed("POST")),
    }
}

/// Returns what follows `application/grpc` in the content type, without its parameters.
fn suffix_of(headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let (start, rest) = content_type.split_at_checked(GRPC.len())?;
    if !start.eq_ignore_ascii_case(GRPC.as_bytes()) {
        return None;
    }
    let rest = str::from_utf8(rest).ok()?;
    let suffix = rest.split_once(';').map_or(rest, |(suffix, _)| suffix).trim_end();
    matches!(suffix.as_bytes().first(), None | Some(b'+' | b'-')).then_some(suffix)
}

/// Whether a response is one of gRPC: its status is not that of HTTP.
pub(crate) fn is_grpc(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::OK && suffix_of(headers).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, version: Version, method: Method, expected: Result<Protocol, &str>) {
        let request = Request::builder().method(method).version(version).header(CONTENT_TYPE, content_type);
        let found = protocol_of(&request.body(()).expect("a request"));
        let found = found.map_err(|error| error.code().to_owned());
        assert_eq!(found, expected.map_err(str::to_owned), "{content_type}");
    }

    #[test]
    fn the_content_type_decides() {
        let h2 = |content_type, expected| check(content_type, Version::HTTP_2, Method::POST, expected);
        for content_type in ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=utf-8"] {
            h2(content_type, Ok(Protocol::Grpc));
        }
        for content_type in ["application/json", "application/grpcx", "text/plain", "application/grp", ""] {
            h2(content_type, Ok(Protocol::Http));
        }
        for content_type in ["application/grpc-web", "application/grpc-web-text+proto", "application/grpc+json"] {
            h2(content_type, Err("unsupported_media_type"));
        }
    }

    #[test]
    fn what_cannot_be_grpc_is_refused() {
        check("application/grpc", Version::HTTP_11, Method::POST, Err("http_version_unsupported"));
        check("application/grpc", Version::HTTP_2, Method::GET, Err("method_not_allowed"));
    }
}
