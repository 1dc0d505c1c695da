//! What is read of a component's descriptors, and what is refused.

use prost_reflect::{
    prost::{Message, encoding::encode_varint},
    prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
        FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
        field_descriptor_proto::{Label, Type},
    },
};

use super::*;

fn message(name: &str) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), ..DescriptorProto::default() }
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    }
}

fn method(name: &str) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(".a.v1.M".into()),
        output_type: Some(".a.v1.M".into()),
        ..MethodDescriptorProto::default()
    }
}

/// A file of the package `a.v1` with a service `S` that has the methods `A` and `B`.
fn file() -> FileDescriptorProto {
    let methods = vec![method("A"), method("B")];
    FileDescriptorProto {
        name: Some("a.proto".into()),
        package: Some("a.v1".into()),
        syntax: Some("proto3".into()),
        message_type: vec![DescriptorProto { field: vec![field("text", 1, Type::String)], ..message("M") }],
        service: vec![ServiceDescriptorProto { name: Some("S".into()), method: methods, options: None }],
        ..FileDescriptorProto::default()
    }
}

fn other_file(name: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto { name: Some(name.into()), message_type: messages, ..FileDescriptorProto::default() }
}

fn set(files: impl IntoIterator<Item = FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files.into_iter().collect() }.encode_to_vec()
}

/// The first file, which serves, with a second one that holds `messages`.
fn with_messages(messages: Vec<DescriptorProto>) -> Vec<u8> {
    set([file(), other_file("b.proto", messages)])
}

fn manifest(grpc: &str) -> Manifest {
    let text = format!(r#"{{"api":"1.0","name":"a","version":"0.0.1","grpc":[{grpc}]}}"#);
    Manifest::from_json(text.as_bytes()).expect("a valid manifest").manifest
}

// Keys of fields that have a length.
const OF_SET_FILE: u8 = 1 << 3 | 2;
const OF_FILE_MESSAGE: u8 = 4 << 3 | 2;
const OF_MESSAGE_NESTED: u8 = 3 << 3 | 2;

fn within(key: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    let mut around = vec![key];
    encode_varint(bytes.len() as u64, &mut around);
    around.append(&mut bytes);
    around
}

const S: &str = r#"{"service":"a.v1.S","methods":[{"name":"B"},{"name":"A"}]}"#;

fn read(section: Vec<u8>) -> Result<Option<Descriptors>, DescriptorsError> {
    Descriptors::read(Some(section), &manifest(S))
}

#[track_caller]
fn check_refusal(section: Vec<u8>, says: &str) {
    let error = read(section).expect_err("must be refused").to_string();
    assert!(error.contains(says), "{error}");
    assert!(error.len() < 700, "{} bytes", error.len());
}

#[test]
fn reads_what_a_manifest_serves() {
    let bytes = set([file()]);
    let descriptors = read(bytes.clone()).expect("valid").expect("there are some");
    assert_eq!(descriptors.bytes(), bytes);
    let service = descriptors.pool().get_service_by_name("a.v1.S").expect("it is described");
    assert_eq!(
        service.methods().map(|method| method.input().full_name().to_owned()).collect::<Vec<_>>(),
        ["a.v1.M"; 2]
    );
    assert!(format!("{descriptors:?}").len() < 40);
}

#[test]
fn a_plugin_without_services_needs_none() {
    assert!(Descriptors::read(None, &manifest("")).expect("valid").is_none());
    assert!(Descriptors::read(Some(set([file()])), &manifest("")).expect("valid").is_some());
    let missing = Descriptors::read(None, &manifest(S)).expect_err("must be refused");
    assert_eq!(missing, DescriptorsError::Missing);
}

#[test]
fn services_and_methods_are_those_of_the_manifest() {
    let refusal = |services: &str| {
        let refused = Descriptors::read(Some(set([file()])), &manifest(services));
        refused.expect_err("must be refused").to_string()
    };
    let other = refusal(r#"{"service":"a.v1.T","methods":[{"name":"A"}]}"#);
    assert!(other.contains("gRPC service `a.v1.T`, which the component's descriptors do not have"), "{other}");
    let more = refusal(r#"{"service":"a.v1.S","methods":[{"name":"A"},{"name":"B"},{"name":"C"}]}"#);
    assert!(more.contains("gRPC method `a.v1.S/C`, which its descriptors do not have"), "{more}");
    let less = refusal(r#"{"service":"a.v1.S","methods":[{"name":"A"}]}"#);
    assert!(less.contains("gRPC service `a.v1.S` without its method `B`"), "{less}");
}

#[test]
fn refuses_a_method_that_streams() {
    for (client, server) in [(Some(true), None), (None, Some(true)), (Some(true), Some(true))] {
        let mut file = file();
        file.service[0].method[1].client_streaming = client;
        file.service[0].method[1].server_streaming = server;
        check_refusal(set([file]), "`a.v1.S/B` streams, and a plugin answers unary methods only: ");
    }
}

#[test]
fn refuses_what_is_no_set_of_descriptors() {
    let whole = set([file()]);
    check_refusal(whole[..whole.len() - 1].to_vec(), "is not a FileDescriptorSet in the binary encoding");
    for bytes in [&b"{}"[..], &[0xff; 20], &[0x0b, 0x0c], &[0x0a, 0x05, 0x01], &[0x0d, 0, 0, 0], &[0x0e], &[0x0a]] {
        check_refusal(bytes.to_vec(), "is not a FileDescriptorSet in the binary encoding");
    }
    // The wire format is right, and the type of a field is not.
    check_refusal(vec![0x0a, 0x02, 0x0a, 0x00, 0x0a, 0x02, 0x20, 0x01], "is not valid: ");
    check_refusal(Vec::new(), "gRPC service `a.v1.S`, which the component's descriptors do not have");
}

#[test]
fn refuses_descriptors_that_do_not_fit_together() {
    let dangling = FieldDescriptorProto { type_name: Some(".a.Gone".into()), ..field("f", 1, Type::Message) };
    check_refusal(with_messages(vec![DescriptorProto { field: vec![dangling], ..message("X") }]), "is not valid: ");
    check_refusal(with_messages(vec![message("X"), message("X")]), "is not valid: ");
    check_refusal(set([file(), file()]), "is not valid: ");
    let editions = FileDescriptorProto { syntax: Some("editions".into()), ..other_file("b.proto", vec![]) };
    check_refusal(set([file(), editions]), "has a file that is neither `proto2` nor `proto3`");
    let long = FieldDescriptorProto { type_name: Some("\u{7}".repeat(9000)), ..field("f", 1, Type::Message) };
    check_refusal(with_messages(vec![DescriptorProto { field: vec![long], ..message("X") }]), "is not valid: ");
}

#[test]
fn refuses_a_map_that_is_none() {
    let options = Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
    let map = |fields: Vec<FieldDescriptorProto>| {
        let entry = DescriptorProto { field: fields, options: options.clone(), ..message("FEntry") };
        let field = FieldDescriptorProto {
            type_name: Some(".X.FEntry".into()),
            label: Some(Label::Repeated.into()),
            ..field("f", 1, Type::Message)
        };
        with_messages(vec![DescriptorProto { field: vec![field], nested_type: vec![entry], ..message("X") }])
    };
    let (key, value) = (field("key", 1, Type::String), field("value", 2, Type::Bytes));
    assert!(read(map(vec![key.clone(), value.clone()])).is_ok());
    let repeated =
        |field: &FieldDescriptorProto| FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field.clone() };
    for fields in [
        vec![],
        vec![key.clone()],
        vec![value.clone()],
        vec![field("key", 1, Type::Double), value.clone()],
        vec![field("key", 1, Type::Bytes), value.clone()],
        vec![repeated(&key), value.clone()],
        vec![key, repeated(&value)],
    ] {
        check_refusal(map(fields), "`X.FEntry` is said to be the entry of a map, and is none");
    }
}

#[test]
fn bounds_how_many_things_there_are() {
    let files = |count: usize| set((1..count).map(|n| other_file(&n.to_string(), vec![])).chain([file()]));
    assert!(read(files(100)).is_ok());
    check_refusal(files(101), "has more than 100 files");

    // The first file has one message and one service.
    let messages = |count: usize| with_messages((2..count).map(|n| message(&format!("M{n}"))).collect());
    assert!(read(messages(2_000)).is_ok());
    check_refusal(messages(2_001), "has more than 2000 messages and enums");

    // And it has one field and two methods.
    let values = |count: usize| {
        let value = |n: usize| {
            let (name, number) = (Some(format!("V{n}")), i32::try_from(n).ok());
            EnumValueDescriptorProto { name, number, options: None }
        };
        let many =
            EnumDescriptorProto { name: Some("E".into()), value: (3..count).map(value).collect(), ..<_>::default() };
        set([file(), FileDescriptorProto { enum_type: vec![many], ..other_file("b.proto", vec![]) }])
    };
    assert!(read(values(10_000)).is_ok());
    check_refusal(values(10_001), "has more than 10000 fields");

    let imports = |count| {
        set([file(), FileDescriptorProto { dependency: vec!["a.proto".into(); count], ..other_file("b", vec![]) }])
    };
    assert!(read(imports(1)).is_ok());
    check_refusal(imports(101), "has more than 100 imports in one file");
}

#[test]
fn bounds_how_deep_messages_are_before_anything_walks_them() {
    let nested = |depth: usize| {
        let around = |inner: DescriptorProto, _| DescriptorProto { nested_type: vec![inner], ..message("N") };
        (1..depth).fold(message("N"), around)
    };
    assert!(read(with_messages(vec![nested(32)])).is_ok());
    check_refusal(with_messages(vec![nested(33)]), "has more than 32 messages within each other");

    // Written from the inside, so that nothing here calls itself 10,000 times either.
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        bytes = within(OF_MESSAGE_NESTED, bytes);
    }
    check_refusal(within(OF_SET_FILE, within(OF_FILE_MESSAGE, bytes)), "has more than 32 messages within each other");
}

#[test]
fn bounds_names_and_lets_only_identifiers_through() {
    let long = "x".repeat(513);
    check_refusal(set([file(), other_file(&long, vec![])]), "has a name of more than 512 bytes");
    check_refusal(with_messages(vec![message(&long)]), "has a name of more than 512 bytes");
    let package = FileDescriptorProto { package: Some("x".repeat(509)), ..other_file("b", vec![message("XY")]) };
    assert!(read(set([file(), package.clone()])).is_ok());
    let one_more = FileDescriptorProto { package: Some("x".repeat(510)), ..package };
    check_refusal(set([file(), one_more]), "has a name of more than 512 bytes");
    for name in ["a.b", "a/b", "a b", "a\n", "é"] {
        check_refusal(with_messages(vec![message(name)]), "has a name that is no identifier");
        let field = DescriptorProto { field: vec![field(name, 1, Type::Bool)], ..message("X") };
        check_refusal(with_messages(vec![field]), "has a name that is no identifier");
    }
}

#[test]
fn whatever_the_bytes_are_reading_them_ends_with_a_word() {
    let oneof = OneofDescriptorProto { name: Some("o".into()), options: None };
    let fields = [
        FieldDescriptorProto { type_name: Some("E".into()), ..field("e", 1, Type::Enum) },
        FieldDescriptorProto { type_name: Some(".X".into()), oneof_index: Some(0), ..field("x", 2, Type::Message) },
        FieldDescriptorProto { default_value: Some("7".into()), ..field("n", 3, Type::Int32) },
        FieldDescriptorProto { extendee: Some(".X".into()), ..field("ext", 100, Type::Bool) },
    ];
    let value = EnumValueDescriptorProto { name: Some("V".into()), number: Some(0), options: None };
    let kind = EnumDescriptorProto { name: Some("E".into()), value: vec![value], ..<_>::default() };
    let range = prost_reflect::prost_types::descriptor_proto::ExtensionRange {
        start: Some(100),
        end: Some(200),
        options: None,
    };
    let mixed = DescriptorProto {
        extension: fields[3..].to_vec(),
        field: fields[..3].to_vec(),
        enum_type: vec![kind],
        oneof_decl: vec![oneof],
        extension_range: vec![range],
        options: Some(MessageOptions { deprecated: Some(true), ..MessageOptions::default() }),
        ..message("X")
    };
    let good = with_messages(vec![mixed]);
    read(good.clone()).expect("valid");
    // A sequence that is the same every time (xorshift64, Marsaglia 2003).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % bound
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = u8::try_from(next(256)).unwrap_or(0),
                1 => bytes[at] ^= 1 << next(8),
                _ => drop(bytes.remove(at)),
            }
        }
        accepted += usize::from(read(bytes).is_ok());
    }
    assert!((1..20_000).contains(&accepted), "{accepted} of 20000 are valid");
}
