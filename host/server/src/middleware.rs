//! What every request passes on its way in and out, and why in this order.
//!
//! All of it is on the hot path, so each layer is a plain service with a plain future: no box, no lock, no work that
//! an ordinary request does not need. What only some routes need is not here but where they are routed:
//! [`guard`] around the host's own API, [`read_body`] where a body is read.

pub mod access_log;
pub mod catch_panic;
pub mod guard;
pub mod read_body;
pub mod request_id;

use http::{HeaderValue, header::X_CONTENT_TYPE_OPTIONS};
use tower::{Layer, ServiceBuilder};
use tower_http::set_header::{SetResponseHeader, SetResponseHeaderLayer};

use self::{
    access_log::{AccessLogLayer, LogAccess},
    catch_panic::{CatchPanic, CatchPanicLayer},
    request_id::{IdentifyRequest, IdentifyRequestLayer},
};
use crate::config::AccessLog;

/// A service with all layers around it.
pub type Edge<S> = IdentifyRequest<SetResponseHeader<LogAccess<CatchPanic<S>>, HeaderValue>>;

/// Puts the layers around the router, the outermost first.
pub fn edge<S>(router: S, access_log: AccessLog) -> Edge<S> {
    ServiceBuilder::new()
        // First, because everything below names the request in what it says; it also writes the problem documents.
        .layer(IdentifyRequestLayer)
        // A browser must not guess a type: a plugin's text must not run as a script under the host's origin.
        .layer(SetResponseHeaderLayer::if_not_present(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        // Outside the panic handler, so that it sees the status which the client gets.
        .layer(AccessLogLayer::new(access_log))
        // Innermost: a panic becomes a response that the layers above treat like any other.
        .layer(CatchPanicLayer)
        .into_inner()
        .layer(router)
}

#[cfg(test)]
mod tests;
