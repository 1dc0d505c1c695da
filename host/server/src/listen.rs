//! The accept loop: from a listening socket to requests.
//!
//! hyper serves the connections; this module bounds them. A connection that stays silent, sends its headers slowly,
//! reads nothing, leaves answers untaken, comes on top of the caps or grows old is closed, and running out of file descriptors is waited out.
//! Stopping lets requests in flight finish and takes no new ones.
//!
//! The loop owns all of its state, so that a request takes no lock here. This module does not know what a request
//! means: its errors (a malformed head, 431 for too many headers) are hyper's, without a body.

mod connection;
mod linger;
mod open;
mod peer;
mod stall;
mod tls;
mod unsent;

use std::{convert::Infallible, error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use backplane_auth::origin_of;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use self::{connection::Protocols, open::Connections, peer::WithPeer};
use crate::config::HttpConfig;

pub use self::{
    peer::{Peer, address_of},
    tls::{CertificateFiles, Tls, TlsError},
    unsent::is_crowded,
};

/// Connections that wait to be accepted, where the system allows as many (`net.core.somaxconn`).
///
/// Once they are that many, Linux drops what opens another one, and its client tries again after a second. The 128 of
/// the standard library are few where hundreds of clients come back at once after a restart.
const BACKLOG: u32 = 4096;

/// Pause after an error of `accept`, such as having no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest time between two looks for connections that are too old.
const AGE_CHECK_INTERVAL_MAX: Duration = Duration::from_secs(30);

/// Listens on an address.
///
/// # Errors
/// When the address is not to be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The next process gets the address at once, although connections of the one before are still ending.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until `shutdown`, then drains them for at most `http.drain_timeout`.
///
/// A request carries its [`Peer`] as an extension. With `tls` every connection is one of TLS.
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<Tls>,
    service: S,
    http: &HttpConfig,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let protocols = Arc::new(Protocols::new(http, tls));
    let mut connections = Connections::new(http);
    let mut age_check = interval((http.connection_age_max / 16).min(AGE_CHECK_INTERVAL_MAX));
    age_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = async {
        shutdown.cancelled().await;
        sleep(http.drain_delay).await;
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = connections.next_closed(), if !connections.is_empty() => {}
            _ = age_check.tick() => connections.retire_old(),
            (stream, peer) = accept(&listener) => {
                let origin = origin_of(peer.ip());
                if !connections.admit(origin) {
                    continue;
                }
                let (service, protocols) = (service.clone(), Arc::clone(&protocols));
                connections.spawn(origin, |unsent, stop| async move {
                    protocols.serve(stream, WithPeer::new(service, peer, unsent), stop).await;
                });
            }
        }
    }
    drop(listener);
    connections.drain(http.drain_timeout).await;
}

/// Takes the next connection; waits out errors.
///
/// # Cancel safety
/// A cancelled call has taken no connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for the client's acknowledgement of the one before.
                if stream.set_nodelay(true).is_ok() {
                    return (stream, peer);
                }
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the connection was gone before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
