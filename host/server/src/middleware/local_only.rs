//! Keeps the host's own API to this machine, as long as nobody can sign in.
//!
//! A loopback address alone proves little: a proxy on this machine has one for everybody, and a browser on this
//! machine sends what any web page asks it to. So a request also must not say that it was forwarded, must name this
//! machine as its host (against DNS rebinding), and must not come from another web site.
//!
//! A proxy that forwards without saying so cannot be told from a local client: it must not forward `/api`.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST, ORIGIN},
    uri::Authority,
};

use crate::{
    listen::Peer,
    problem::{ApiError, ApiResult, codes},
};

/// Headers by which a proxy says that it forwards.
const FORWARDING: [HeaderName; 5] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Where a browser says that a request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers `local_only` unless the request was made on this machine, for [`axum::middleware::from_fn`].
pub async fn local_only(request: Request, next: Next) -> Response {
    match require_local(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Requires that a request was made on this machine, and not by a web page of another site.
///
/// # Errors
/// `local_only`, with the reason.
pub fn require_local<B>(request: &http::Request<B>) -> ApiResult<()> {
    let refuse = |detail| Err(ApiError::new(codes::LOCAL_ONLY, detail));
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>();
    if !peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) {
        return refuse("this answers only to clients on the server's own machine: connect to 127.0.0.1 there");
    }
    if FORWARDING.iter().any(|name| headers.contains_key(name)) {
        return refuse("this does not answer through a proxy: connect to the server directly");
    }
    if !names_this_machine(request.uri().authority(), headers) {
        return refuse("this answers only when it is called `localhost` or by a loopback address");
    }
    if is_from_another_site(request.uri().authority(), headers) {
        return refuse("this does not answer to pages of other web sites");
    }
    Ok(())
}

/// Whether both the target of the request and its `Host` are this machine. One of the two must be there.
fn names_this_machine(target: Option<&Authority>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(|value| value.to_str().ok().and_then(|text| text.parse().ok()));
    let is_local = |authority: &Authority| is_loopback_host(authority.host());
    match (target, host) {
        _ if hosts.next().is_some() => false,
        (None, None) => false,
        (target, host) => target.is_none_or(is_local) && host.is_none_or(|host| host.as_ref().is_some_and(is_local)),
    }
}

fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Another port of this machine is another site too.
fn is_from_another_site(target: Option<&Authority>, headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"none" | b"same-origin")) {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let own = target.map(Authority::as_str).or_else(|| headers.get(HOST)?.to_str().ok());
    let origin = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, authority)| authority);
    own.is_none() || own != origin
}

#[cfg(test)]
mod tests {
    use axum::extract::ConnectInfo;

    use super::*;

    fn is_answered(peer: &str, uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = http::Request::new(());
        *request.uri_mut() = uri.parse().expect("a URI");
        request.extensions_mut().insert(ConnectInfo::<std::net::SocketAddr>(peer.parse().expect("an address")));
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        require_local(&request).is_ok()
    }

    #[test]
    fn answers_a_client_on_this_machine() {
        for (peer, uri, headers) in [
            ("127.0.0.1:9", "/api/plugins", &[("host", "localhost:8080")][..]),
            ("[::1]:9", "/api/plugins", &[("host", "[::1]:8080")]),
            ("[::ffff:127.0.0.1]:9", "/api/plugins", &[("host", "127.0.0.1")]),
            ("127.0.0.1:9", "http://localhost:8080/api/plugins", &[]),
            ("127.0.0.1:9", "/", &[("host", "localhost:8080"), ("sec-fetch-site", "same-origin")]),
            ("127.0.0.1:9", "/", &[("host", "localhost:8080"), ("origin", "http://localhost:8080")]),
        ] {
            assert!(is_answered(peer, uri, headers), "{peer} {uri} {headers:?}");
        }
    }

    #[test]
    fn refuses_everybody_else() {
        let host = ("host", "localhost:8080");
        for (peer, uri, headers) in [
            ("192.0.2.1:9", "/", &[host][..]),
            ("127.0.0.1:9", "/", &[]),
            ("127.0.0.1:9", "/", &[host, host]),
            ("127.0.0.1:9", "/", &[host, ("x-forwarded-for", "127.0.0.1")]),
            ("127.0.0.1:9", "/", &[host, ("forwarded", "for=127.0.0.1")]),
            ("127.0.0.1:9", "/", &[("host", "evil.example:8080")]),
            ("127.0.0.1:9", "/", &[("host", "localhost.evil.example")]),
            ("127.0.0.1:9", "/", &[("host", "127.0.0.1.evil.example")]),
            ("127.0.0.1:9", "http://evil.example/", &[host]),
            ("127.0.0.1:9", "http://localhost:8080/", &[("host", "evil.example")]),
            ("127.0.0.1:9", "/", &[host, ("sec-fetch-site", "cross-site")]),
            ("127.0.0.1:9", "/", &[host, ("sec-fetch-site", "same-site")]),
            ("127.0.0.1:9", "/", &[host, ("origin", "http://evil.example")]),
            ("127.0.0.1:9", "/", &[host, ("origin", "http://localhost:3000")]),
            ("127.0.0.1:9", "/", &[host, ("origin", "null")]),
        ] {
            assert!(!is_answered(peer, uri, headers), "{peer} {uri} {headers:?}");
        }
    }
}
