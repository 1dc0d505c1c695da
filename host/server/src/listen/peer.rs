//! Who sent a request: the address at the other end of the connection.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use http::{Extensions, Method, Request, Response, Version};
use hyper::body::Body;
use tower::{Service, util::Oneshot};

use super::unsent::{Counted, Counting, Unsent};

/// Address of the client, or of the proxy before it; an extension of every request.
pub type Peer = ConnectInfo<SocketAddr>;

/// Returns where a request with these extensions comes from. Every request of a connection says so.
pub fn address_of(extensions: &Extensions) -> IpAddr {
    extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// Serves the requests of one connection.
#[derive(Clone)]
pub(super) struct WithPeer<S> {
    service: S,
    peer: Peer,
    unsent: Arc<Unsent>,
}

impl<S> WithPeer<S> {
    pub(super) fn new(service: S, peer: SocketAddr, unsent: Arc<Unsent>) -> Self {
        Self { service, peer: ConnectInfo(peer), unsent }
    }

    /// What the answers on the connection hold.
    pub(super) fn unsent(&self) -> &Arc<Unsent> {
        &self.unsent
    }
}

impl<S, B, R> hyper::service::Service<Request<B>> for WithPeer<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
{
    type Response = Response<Counted<R>>;
    type Error = S::Error;
    type Future = Counting<Oneshot<S, Request<B>>>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.unsent.mark(request.extensions_mut());
        // Over HTTP/1.1 hyper sees to that.
        let is_without_body = request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        Counting::new(Oneshot::new(self.service.clone(), request), &self.unsent, is_without_body)
    }
}
