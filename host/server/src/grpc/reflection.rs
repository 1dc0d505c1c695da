//! `grpc.reflection`, v1 and v1alpha: which services there are, and what their messages look like.
//!
//! Each question is answered with what is live at that moment: the host's own, and what plugins brought.
//!
//! Both versions say the same in messages that are the same on the wire, so they share all but their types. Anybody may
//! ask: the shape of a service is no secret, what it answers is.

mod index;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use prost_reflect::{DescriptorError, DescriptorPool};
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

use self::index::{Answer, Asked, Index};
use super::{
    pb,
    streams::{Messages, Streams},
};
use crate::app::App;

/// How long a stream may stay without a question.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Most questions of one stream.
const QUESTIONS_MAX: usize = 10_000;

/// The host's own services.
static HOST_POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| read_host_pool().expect("what the build compiled is valid, as a test of this module says"));
/// Their names.
static HOST_SERVICES: LazyLock<Vec<String>> =
    LazyLock::new(|| HOST_POOL.services().map(|service| service.full_name().to_owned()).collect());

fn read_host_pool() -> Result<DescriptorPool, DescriptorError> {
    let mut pool = DescriptorPool::new();
    pool.decode_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)?;
    pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
    pool.decode_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)?;
    pool.decode_file_descriptor_set(v1alpha::FILE_DESCRIPTOR_SET)?;
    Ok(pool)
}

/// Returns what describes the host's own services.
pub(super) fn host_pool() -> &'static DescriptorPool {
    &HOST_POOL
}

/// Returns the full names of the host's own services.
pub(super) fn host_services() -> &'static [String] {
    &HOST_SERVICES
}

/// The service, in both versions.
#[derive(Clone)]
pub(super) struct Reflection {
    app: Arc<App>,
    streams: Streams,
}

impl Reflection {
    pub(super) fn new(app: Arc<App>, streams: Streams) -> Self {
        Self { app, streams }
    }
}

/// Answers a question with what is live now.
fn answer(app: &App, asked: Asked<'_>) -> Answer {
    let routes = app.live.routes();
    let mut index = Index::new(host_pool(), host_services());
    for (service, generation) in routes.services().services() {
        if let Some(descriptors) = generation.descriptors() {
            index.add(service, descriptors.pool());
        }
    }
    index.answer(asked)
}

/// Implements one version of the service, whose messages are in `$messages`.
macro_rules! implement {
    ($messages:ident) => {
        #[tonic::async_trait]
        impl $messages::server_reflection_server::ServerReflection for Reflection {
            type ServerReflectionInfoStream = Messages<$messages::ServerReflectionResponse>;

            async fn server_reflection_info(
                &self,
                request: Request<Streaming<$messages::ServerReflectionRequest>>,
            ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                let (sender, messages) = self.streams.open()?;
                let (app, mut questions) = (Arc::clone(&self.app), request.into_inner());
                tokio::spawn(async move {
                    for _ in 0..QUESTIONS_MAX {
                        let Ok(Ok(Some(question))) = timeout(IDLE_TIMEOUT, questions.message()).await else { return };
                        if sender.send(question.into_reply(&app)).await.is_err() {
                            return;
                        }
                    }
                });
                Ok(Response::new(messages))
            }
        }

        impl Question for $messages::ServerReflectionRequest {
            type Reply = $messages::ServerReflectionResponse;

            fn into_reply(self, app: &App) -> Self::Reply {
                use $messages::{
                    server_reflection_request::MessageRequest as Request,
                    server_reflection_response::MessageResponse as Response,
                };
                let asked = match &self.message_request {
                    None => Asked::Nothing,
                    Some(Request::FileByFilename(name)) => Asked::File(name),
                    Some(Request::FileContainingSymbol(name)) => Asked::Symbol(name),
                    Some(Request::FileContainingExtension(asked)) => {
                        Asked::Extension(&asked.containing_type, asked.extension_number)
                    }
                    Some(Request::AllExtensionNumbersOfType(name)) => Asked::ExtensionNumbers(name),
                    Some(Request::ListServices(_)) => Asked::Services,
                };
                let message = match answer(app, asked) {
                    Answer::Files(file_descriptor_proto) => {
                        Response::FileDescriptorResponse($messages::FileDescriptorResponse { file_descriptor_proto })
                    }
                    Answer::ExtensionNumbers(base_type_name, extension_number) => {
                        let numbers = $messages::ExtensionNumberResponse { base_type_name, extension_number };
                        Response::AllExtensionNumbersResponse(numbers)
                    }
                    Answer::Services(names) => {
                        let service = names.into_iter().map(|name| $messages::ServiceResponse { name }).collect();
                        Response::ListServicesResponse($messages::ListServiceResponse { service })
                    }
                    Answer::Failed(code, message) => Response::ErrorResponse($messages::ErrorResponse {
                        error_code: code.into(),
                        error_message: message.to_owned(),
                    }),
                };
                Self::Reply {
                    valid_host: self.host.clone(),
                    original_request: Some(self),
                    message_response: Some(message),
                }
            }
        }
    };
}

/// A question, in either version.
trait Question {
    type Reply;

    /// Answers it; it stands in its answer.
    fn into_reply(self, app: &App) -> Self::Reply;
}

implement!(v1);
implement!(v1alpha);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_describes_itself() {
        assert!(read_host_pool().is_ok());
        let expected = [
            "backplane.v1.Events",
            "backplane.v1.Plugins",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ];
        assert_eq!(host_services(), expected);
    }
}
