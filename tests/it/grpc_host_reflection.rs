//! Reflection: a client that knows nothing finds the services and their messages.

use std::fmt::Debug;

use prost::Message as _;
use tokio_stream::iter;
use tonic::{Code, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::{Grpc, Server};

/// Asks questions on one stream, and returns the answers.
macro_rules! ask {
    ($version:ident, $grpc:expr, [$($asked:ident($of:expr)),*]) => {{
        use $version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest as Asked,
        };
        let questions = vec![$(Asked::$asked($of.to_owned())),*];
        let question = |asked| ServerReflectionRequest { host: "here".to_owned(), message_request: Some(asked) };
        let questions = iter(questions.into_iter().map(question).collect::<Vec<_>>());
        let mut client = ServerReflectionClient::new($grpc.channel());
        let answers = $grpc.wait(client.server_reflection_info(questions)).expect("a stream").into_inner();
        let read = |answer: $version::ServerReflectionResponse| {
            assert_eq!(answer.valid_host, "here");
            assert!(answer.original_request.is_some());
            answer.message_response.expect("an answer")
        };
        collect($grpc, answers).into_iter().map(read).collect::<Vec<_>>()
    }};
}

fn collect<T: Debug>(grpc: &Grpc, mut stream: Streaming<T>) -> Vec<T> {
    grpc.wait(async {
        let mut answers = Vec::new();
        while let Some(answer) = stream.message().await.expect("an answer") {
            answers.push(answer);
        }
        answers
    })
}

#[test]
fn anybody_finds_the_services_and_their_messages_in_both_versions() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect_with(&server, None);
    let expected = [
        "backplane.v1.Events",
        "backplane.v1.Plugins",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    {
        use v1::server_reflection_response::MessageResponse;
        let answers = ask!(
            v1,
            &grpc,
            [ListServices(""), FileContainingSymbol("backplane.v1.Plugins"), FileByFilename("none.proto")]
        );
        let [
            MessageResponse::ListServicesResponse(list),
            MessageResponse::FileDescriptorResponse(files),
            MessageResponse::ErrorResponse(error),
        ] = answers.as_slice()
        else {
            panic!("{answers:?}")
        };
        assert_eq!(list.service.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), expected);
        let names: Vec<_> = files.file_descriptor_proto.iter().map(|file| name_of(file)).collect();
        assert_eq!(names, ["backplane/v1/plugins.proto", "google/protobuf/timestamp.proto"]);
        assert_eq!(Code::from_i32(error.error_code), Code::NotFound);
    }
    use v1alpha::server_reflection_response::MessageResponse;
    let answers = ask!(v1alpha, &grpc, [ListServices("")]);
    let [MessageResponse::ListServicesResponse(list)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(list.service.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), expected);
}

/// Reads the name of an encoded file: its first field.
fn name_of(file: &[u8]) -> String {
    #[derive(prost::Message)]
    struct File {
        #[prost(string, tag = "1")]
        name: String,
    }
    File::decode(file).expect("a file").name
}
