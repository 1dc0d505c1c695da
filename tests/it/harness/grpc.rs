//! A gRPC client of one server.

use std::fmt::Debug;

use tokio::runtime::{Builder, Runtime};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::{Answer, PATIENCE, Server, administrators_token};

/// What is compiled of `proto/`.
pub(crate) mod pb {
    #![allow(missing_docs, unreachable_pub, clippy::all, unused_qualifications, reason = "generated")]

    tonic::include_proto!("backplane.v1");
}

/// What is compiled of the fixture's file.
pub(crate) mod probe {
    #![allow(missing_docs, unreachable_pub, clippy::all, unused_qualifications, reason = "generated")]

    tonic::include_proto!("probe.v1");
}

pub(crate) type ProbeClient = probe::probe_client::ProbeClient<InterceptedService<Channel, Token>>;
pub(crate) type PluginsClient = pb::plugins_client::PluginsClient<InterceptedService<Channel, Token>>;

/// A connection, and what drives it.
pub(crate) struct Grpc {
    runtime: Runtime,
    channel: Channel,
    token: Token,
}

/// The credential that goes with every call.
#[derive(Clone)]
pub(crate) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl Grpc {
    /// Connects the administrator.
    #[track_caller]
    pub(crate) fn connect(server: &Server) -> Self {
        Self::connect_with(server, Some(&administrators_token()))
    }

    /// Connects somebody with a token, or nobody in particular.
    #[track_caller]
    pub(crate) fn connect_with(server: &Server, token: Option<&str>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).expect("an address");
        let channel = runtime.block_on(endpoint.timeout(2 * PATIENCE).connect()).expect("a connection");
        let token = token.map(|token| format!("Bearer {token}").parse().expect("a token is ASCII"));
        Self { runtime, channel, token: Token(token) }
    }

    /// Returns the connection without a credential.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn plugins(&self) -> PluginsClient {
        pb::plugins_client::PluginsClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    pub(crate) fn events(&self) -> pb::events_client::EventsClient<InterceptedService<Channel, Token>> {
        pb::events_client::EventsClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    pub(crate) fn health(&self) -> HealthClient<InterceptedService<Channel, Token>> {
        HealthClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    pub(crate) fn probe(&self) -> ProbeClient {
        probe::probe_client::ProbeClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    /// Lets a call run beside the test.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(call)
    }

    /// Waits for a call.
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }
}

/// Checks that a call failed with that status and that code of the host, and says its message.
#[track_caller]
pub(crate) fn check_status<T: Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> String {
    check_status_of(answer, code, "backplane", reason)
}

/// Checks that a call failed with that status and that code of that domain, and says its message.
#[track_caller]
pub(crate) fn check_status_of<T: Debug>(answer: Result<T, Status>, code: Code, domain: &str, reason: &str) -> String {
    let status = answer.expect_err("the call fails");
    let details = status.get_error_details();
    let info = details.error_info().map(|info| (info.reason.as_str(), info.domain.as_str()));
    assert_eq!((status.code(), info), (code, Some((reason, domain))), "{status:?}");
    status.message().to_owned()
}

/// Puts a message into a frame.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

/// Sends bytes as a call, whatever they are.
#[track_caller]
pub(crate) fn call_raw(server: &Server, path: &str, body: &[u8], lines: &[(&str, &str)]) -> Answer {
    let client = reqwest::blocking::Client::builder().tls_certs_only([]).http2_prior_knowledge().no_proxy();
    let client = client.timeout(PATIENCE).build().expect("a client needs nothing");
    let mut request = client.post(format!("http://{}{path}", server.address())).header("te", "trailers");
    if !lines.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    server.receive(request.body(body.to_vec()))
}
