//! A message in JSON and in the binary encoding, by what describes it.
//!
//! The descriptors are a plugin's, and so are the bytes of its answers: whatever they say, what is made of them is
//! bounded. Messages within each other are, by the libraries, to about a hundred; but `google.protobuf.Any` is taken apart
//! without such a bound, so that what can hold one has no JSON.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use backplane_runtime::{Descriptors, Manifest};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, SerializeOptions,
};

/// Longest text of an answer: short names in a message can be long ones in JSON.
const TEXT_BYTES_MAX: usize = 8 << 20;
/// Longest reason that a client is told.
const REASON_BYTES_MAX: usize = 512;

const ANY: &str = "google.protobuf.Any";

/// What the messages of all methods of a plugin are. Made once for a version.
#[derive(Debug, Default)]
pub struct Transcodings(Vec<Option<Transcoding>>);

/// What a method's messages are.
#[derive(Debug, Clone)]
pub struct Transcoding {
    input: MessageDescriptor,
    output: MessageDescriptor,
}

/// Why an answer has no JSON.
#[derive(Debug, thiserror::Error)]
pub(in crate::dispatch) enum PrintError {
    #[error("it is no message of the method")]
    Decode(#[from] prost::DecodeError),
    #[error("it has no JSON")]
    Json(#[from] serde_json::Error),
    #[error("it is longer than it may be in JSON")]
    TooLong,
}

impl Transcodings {
    /// Looks the methods of the manifest up.
    pub fn of(manifest: &Manifest, descriptors: Option<&Descriptors>) -> Self {
        let Some(pool) = descriptors.map(Descriptors::pool) else { return Self::default() };
        let unbounded = holders_of_any(pool);
        let methods = manifest.grpc_methods();
        Self(methods.map(|(_, service, method)| find(pool, &service.service, &method.name, &unbounded)).collect())
    }

    /// Returns how the messages of the method at this position are said in JSON; nothing where they are not.
    pub fn of_method(&self, index: u32) -> Option<&Transcoding> {
        self.0.get(usize::try_from(index).ok()?)?.as_ref()
    }
}

/// Finds what describes a method, unless one of its messages is among the `unbounded` ones.
fn find(pool: &DescriptorPool, service: &str, method: &str, unbounded: &HashSet<String>) -> Option<Transcoding> {
    let described: MethodDescriptor =
        pool.get_service_by_name(service)?.methods().find(|other| other.name() == method)?;
    let (input, output) = (described.input(), described.output());
    let is_bounded = [&input, &output].iter().all(|message| !unbounded.contains(message.full_name()));
    is_bounded.then_some(Transcoding { input, output })
}

/// Returns the names of all messages that can hold a `google.protobuf.Any`, however deep.
fn holders_of_any(pool: &DescriptorPool) -> HashSet<String> {
    let mut holders: HashMap<String, Vec<String>> = HashMap::new();
    let mut note = |holder: &MessageDescriptor, kind: Kind| {
        if let Kind::Message(held) = kind {
            holders.entry(held.full_name().to_owned()).or_default().push(holder.full_name().to_owned());
        }
    };
    for message in pool.all_messages() {
        message.fields().for_each(|field| note(&message, field.kind()));
    }
    for extension in pool.all_extensions() {
        note(&extension.containing_message(), extension.kind());
    }
    let mut found = HashSet::new();
    let mut waiting = vec![ANY.to_owned()];
    while let Some(message) = waiting.pop() {
        waiting.extend(holders.remove(&message).unwrap_or_default());
        found.insert(message);
    }
    found
}

impl Transcoding {
    /// Makes the message of a text. A field that the message does not have is refused.
    ///
    /// # Errors
    /// The reason, for the client.
    pub(super) fn parse(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let message = DynamicMessage::deserialize_with_options(self.input.clone(), &mut reader, &options);
        let message = message.and_then(|message| reader.end().map(|()| message));
        message.map(|message| message.encode_to_vec()).map_err(|error| {
            let mut reason = error.to_string();
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            reason
        })
    }

    /// Makes the text of a message.
    ///
    /// # Errors
    /// When the bytes are no such message, or the text would be too long.
    pub(super) fn print(&self, message: &[u8]) -> Result<Vec<u8>, PrintError> {
        let message = DynamicMessage::decode(self.output.clone(), message)?;
        let mut text = Bounded(Vec::new());
        let mut writer = serde_json::Serializer::new(&mut text);
        match message.serialize_with_options(&mut writer, &SerializeOptions::new()) {
            Ok(()) => Ok(text.0),
            Err(error) if error.is_io() => Err(PrintError::TooLong),
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes so many bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_BYTES_MAX {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        syntax = "proto3";
        package t.v1;
        import "google/protobuf/any.proto";
        import "google/protobuf/timestamp.proto";
        service S {
          rpc Do(Tree) returns (Tree);
          rpc Look(Tree) returns (Holder);
        }
        enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; }
        message Tree {
          string name_of = 1;
          int64 count = 2;
          bytes payload = 3;
          repeated Tree children = 4;
          Color color = 5;
          google.protobuf.Timestamp at = 6;
          map<string, int32> parts = 7;
          double ratio = 8;
        }
        message Holder { repeated Inner inner = 1; }
        message Inner { google.protobuf.Any any = 1; }
    "#;

    fn pool() -> DescriptorPool {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("t.proto"), FILE).expect("a file");
        let set = protox::compile(["t.proto"], [folder.path()]).expect("it compiles");
        DescriptorPool::from_file_descriptor_set(set).expect("it is valid")
    }

    /// Finds a method of `t.v1.S`.
    fn find(pool: &DescriptorPool, method: &str) -> Option<Transcoding> {
        super::find(pool, "t.v1.S", method, &holders_of_any(pool))
    }

    fn tree() -> Transcoding {
        find(&pool(), "Do").expect("it has JSON")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let tree = tree();
        let message = tree.parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = tree.print(&message).expect("it is a message");
        assert_eq!(String::from_utf8_lossy(&printed), expected);
    }

    #[test]
    fn speaks_the_json_of_protocol_buffers() {
        check("{}", "{}");
        check(r#"{"name_of":"a","count":7}"#, r#"{"nameOf":"a","count":"7"}"#);
        check(r#" {"nameOf":"a","count":"7"} "#, r#"{"nameOf":"a","count":"7"}"#);
        check(r#"{"payload":"_-8","color":"COLOR_RED"}"#, r#"{"payload":"/+8=","color":"COLOR_RED"}"#);
        check(r#"{"color":1,"ratio":"NaN"}"#, r#"{"color":"COLOR_RED","ratio":"NaN"}"#);
        // The nearest number to what is written, whatever its digits.
        check(r#"{"ratio":31.245270191439438}"#, r#"{"ratio":31.245270191439438}"#);
        check(r#"{"at":"2026-01-02T03:04:05.100Z"}"#, r#"{"at":"2026-01-02T03:04:05.100Z"}"#);
        check(r#"{"parts":{"a":1},"children":[{},{"count":1}]}"#, r#"{"children":[{},{"count":"1"}],"parts":{"a":1}}"#);
        check(r#"{"name_of":null,"children":null}"#, "{}");
    }

    #[test]
    fn refuses_what_is_no_message_and_says_why() {
        let reason = |text: &str| tree().parse(text.as_bytes()).expect_err("refused");
        assert!(reason(r#"{"nme":1}"#).contains("nme"), "{}", reason(r#"{"nme":1}"#));
        for text in ["", "[]", "1", "{", r#"{"count":"x"}"#, r#"{"count":1.5}"#, r#"{"color":"COLOR_NONE"}"#, "{} {}"] {
            assert!(!reason(text).is_empty(), "{text}");
        }
        assert!(reason(r#"{"payload":"%"}"#).len() <= REASON_BYTES_MAX);
        let long = format!(r#"{{"{}":1}}"#, "é".repeat(10_000));
        assert!(reason(&long).len() <= REASON_BYTES_MAX);
    }

    #[test]
    fn depth_is_bounded_in_both_directions() {
        let nested = |depth: usize| format!("{}{}", r#"{"children":["#.repeat(depth), "]}".repeat(depth));
        assert!(tree().parse(nested(20).as_bytes()).is_ok());
        assert!(tree().parse(nested(10_000).as_bytes()).is_err());
        // Messages within each other, as their bytes are: each is field 4 of the one around it.
        let mut message = Vec::new();
        for _ in 0..5_000 {
            let mut outer = vec![0x22];
            prost::encoding::encode_varint(message.len() as u64, &mut outer);
            outer.extend_from_slice(&message);
            message = outer;
        }
        assert!(matches!(tree().print(&message), Err(PrintError::Decode(_))));
    }

    #[test]
    fn an_answer_that_is_none_is_told_apart() {
        for message in [b"\x0a\x05abc".as_slice(), b"\x0a\x01\xff", b"\x0f"] {
            assert!(matches!(tree().print(message), Err(PrintError::Decode(_))), "{message:?}");
        }
    }

    #[test]
    fn the_text_is_bounded_however_short_the_message_is() {
        // An empty child is two bytes, and its name in the text is as long as a stranger likes.
        let long_name = "n".repeat(5_000);
        let folder = tempfile::tempdir().expect("a folder");
        let file = format!(
            "syntax = \"proto3\"; package t.v1; service S {{ rpc Do(M) returns (M); }}\n\
             message M {{ bool {long_name} = 1; repeated M m = 2; }}"
        );
        std::fs::write(folder.path().join("t.proto"), file).expect("a file");
        let set = protox::compile(["t.proto"], [folder.path()]).expect("it compiles");
        let pool = DescriptorPool::from_file_descriptor_set(set).expect("it is valid");
        let json = find(&pool, "Do").expect("it has JSON");
        let message = b"\x12\x02\x08\x01".repeat(10_000);
        assert!(matches!(json.print(&message), Err(PrintError::TooLong)));
        assert!(json.print(&message[..40]).is_ok());
    }

    #[test]
    fn what_can_hold_any_has_no_json() {
        let pool = pool();
        assert!(find(&pool, "Do").is_some());
        assert!(find(&pool, "Look").is_none());
        assert!(find(&pool, "None").is_none());
        let mut holders: Vec<_> = holders_of_any(&pool).into_iter().collect();
        holders.sort_unstable();
        assert_eq!(holders, [ANY, "t.v1.Holder", "t.v1.Inner"]);
    }
}
