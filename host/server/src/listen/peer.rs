//! Who sent a request: the address at the other end of the connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, Request};
use tower::{Service, util::Oneshot};

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
}

impl<S> WithPeer<S> {
    pub(super) fn new(service: S, peer: SocketAddr) -> Self {
        Self { service, peer: ConnectInfo(peer) }
    }
}

impl<S, B> hyper::service::Service<Request<B>> for WithPeer<S>
where
    S: Service<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Request<B>>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        Oneshot::new(self.service.clone(), request)
    }
}
