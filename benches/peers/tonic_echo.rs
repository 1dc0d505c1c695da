//! Answers the calls that a plugin is measured with as somebody would with tonic: in a server of its own, as it comes.

#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use backplane_bench::probe::{
    EchoRequest, EchoResponse,
    probe_server::{Probe, ProbeServer},
};
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

struct Echo;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let incoming = TcpIncoming::bind(anywhere).context("there is no port to listen on")?;
    println!("listening on http://{}", incoming.local_addr()?);
    let server = Server::builder().add_service(ProbeServer::new(Echo));
    server.serve_with_incoming(incoming.with_nodelay(Some(true))).await.context("the listener failed")
}

#[async_trait]
impl Probe for Echo {
    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let EchoRequest { payload, text } = request.into_inner();
        Ok(Response::new(EchoResponse { payload, text, metadata: Vec::new() }))
    }
}
