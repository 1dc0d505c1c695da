//! A gRPC call that goes through the generated dispatch.

use super::keyspace::Fault;
use super::manifest::Manifest;
use super::{double, keyspace};
use crate::context::Principal;
use crate::grpc::prost::Message;
use crate::grpc::{Result, Status};
use crate::{GrpcCall, Plugin};

/// A call to a plugin, made with [`call`], and sent with [`send`](Self::send).
#[derive(Clone, Debug)]
pub struct TestCall {
    method: String,
    metadata: Vec<(String, String)>,
    message: Vec<u8>,
    caller: Option<Principal>,
}

/// Makes a call of a method, `greetings.v1.Greeter/Greet`, with a message.
pub fn call(method: &str, message: &impl Message) -> TestCall {
    call_bytes(method, message.encode_to_vec())
}

/// Makes a call with what may be no message at all.
pub fn call_bytes(method: &str, message: impl Into<Vec<u8>>) -> TestCall {
    TestCall { method: method.to_owned(), metadata: Vec::new(), message: message.into(), caller: double::caller() }
}

impl TestCall {
    /// Adds metadata.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.push((key.to_ascii_lowercase(), value.into()));
        self
    }

    /// Signs in a caller with some roles, and without scopes.
    #[must_use]
    pub fn signed_in<'a>(self, subject: &str, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.caller(Principal::new(subject, roles))
    }

    /// Sets who calls, as for [`TestRequest::caller`](super::TestRequest::caller).
    #[must_use]
    pub fn caller(self, caller: impl Into<Option<Principal>>) -> Self {
        Self { caller: caller.into(), ..self }
    }

    /// Sends the call through the plugin as a fresh instance would meet it: `#[init]`, then the method.
    ///
    /// Access, the metadata that a method asks for and its longest message are checked as the host does; time, memory and
    /// other limits are not. What the method wrote is committed when it answers `Ok`, and is gone when it does not.
    ///
    /// # Errors
    /// The status that the caller would see.
    ///
    /// # Panics
    /// When the method does, or when its answer is no `T`.
    pub fn send<P: Plugin, T: Message + Default>(self) -> Result<T> {
        self.send_overtaken::<P, T>(|| ())
    }

    /// Sends the call while another is faster, as [`TestRequest::send_overtaken`](super::TestRequest::send_overtaken) does
    /// with a request: what `others` does is committed before the method's own commit, and the method runs again where
    /// that changes what it read.
    ///
    /// # Errors
    /// The status that the caller would see.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn send_overtaken<P: Plugin, T: Message + Default>(self, others: impl FnOnce()) -> Result<T> {
        let caller = self.caller.clone();
        let answer = double::with_caller(caller, || self.answer::<P>(others))?;
        Ok(T::decode(&*answer).expect("the answer is a message of the type that the test names"))
    }

    fn answer<P: Plugin>(self, others: impl FnOnce()) -> Result<Vec<u8>> {
        let manifest = Manifest::of::<P>();
        let (index, method) = manifest
            .find_method(&self.method)
            .ok_or_else(|| Status::unimplemented("the plugin has no such method").with_reason("not_found"))?;
        method.access.require(self.caller.as_ref())?;
        if self.message.len() > method.message_bytes_max {
            let status = Status::resource_exhausted("the message is longer than this method takes");
            return Err(status.with_reason("payload_too_large"));
        }
        let given = &self.metadata;
        let metadata =
            method.metadata.iter().flat_map(|key| given.iter().filter(move |(name, _)| name == key).cloned()).collect();
        let call = GrpcCall { method: index, metadata, message: self.message };
        let handler = || {
            double::with_plugin(&manifest, || {
                keyspace::run_without(P::init)?;
                P::handle_grpc(call.clone())
            })
        };
        keyspace::run(manifest.scope(method.state_access()), handler, others).map_err(|fault| match fault {
            Fault::Handler(status) => status,
            Fault::Commit(problem) => problem.into(),
            Fault::Unavailable => keyspace::unavailable().into(),
        })
    }
}
