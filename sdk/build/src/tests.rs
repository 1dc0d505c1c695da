//! Services compiled as a plugin's build script does it, and the ones that are refused.

use std::fs;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tempfile::TempDir;

use super::{DESCRIPTORS, Error, compile_into};

/// Compiles one file, and returns the folder that it was written to.
fn compile(content: &str) -> Result<TempDir, Error> {
    let (source, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    fs::write(source.path().join("shop.proto"), content).expect("a file");
    compile_into(out.path(), &["shop.proto"], &[source.path()])?;
    Ok(out)
}

fn refusal(content: &str) -> String {
    compile(content).map(drop).expect_err("it is refused").to_string()
}

const SHOP: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/protobuf/timestamp.proto";
    // Sells things.
    service Shop {
      // Sells one.
      rpc Buy(BuyRequest) returns (BuyResponse);
      rpc buy_all(BuyRequest) returns (BuyResponse);
    }
    message BuyRequest { string name = 1; }
    message BuyResponse { google.protobuf.Timestamp at = 1; }
"#;

#[test]
fn a_service_becomes_a_trait_and_its_messages_structs() -> Result<(), Error> {
    let out = compile(SHOP)?;
    let code = fs::read_to_string(out.path().join("shop.v1.rs")).expect("a file of the package's name");
    for part in [
        "/// Sells things.",
        "pub trait Shop {",
        r#"const SERVICE: &'static str = "shop.v1.Shop";"#,
        r#"const METHODS: &'static [(&'static str, &'static str)] = &[("buy", "Buy"), ("buy_all", "buy_all")];"#,
        "fn buy(\n",
        "fn buy_all(\n",
        "request: ::backplane_sdk::grpc::Request<BuyRequest>",
        "-> ::backplane_sdk::grpc::Result<BuyResponse>",
        "pub struct BuyRequest",
        "::backplane_sdk::grpc::prost_types::Timestamp",
    ] {
        assert!(code.contains(part), "{part} is not in {code}");
    }
    Ok(())
}

#[test]
fn the_descriptors_are_whole_and_hold_no_comments() -> Result<(), Error> {
    let out = compile(SHOP)?;
    let bytes = fs::read(out.path().join(DESCRIPTORS)).expect("the descriptors");
    let files = FileDescriptorSet::decode(&*bytes).expect("descriptors").file;
    let names: Vec<_> = files.iter().map(|file| file.name()).collect();
    assert_eq!(names, ["google/protobuf/timestamp.proto", "shop.proto"]);
    assert!(files.iter().all(|file| file.source_code_info.is_none()));
    Ok(())
}

#[test]
fn a_method_that_streams_is_refused_with_what_to_do() {
    let streaming = SHOP.replace("returns (BuyResponse)", "returns (stream BuyResponse)");
    let expected =
        "shop.proto:8: `shop.v1.Shop/Buy` streams, and a plugin answers unary methods only: take `stream` out of it";
    assert_eq!(refusal(&streaming), expected);
    let both = streaming.replace("Buy(BuyRequest)", "Buy(stream BuyRequest)");
    assert_eq!(refusal(&both), expected);
}

#[test]
fn a_service_that_is_imported_may_stream_and_becomes_no_trait() -> Result<(), Error> {
    let (source, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let streaming = SHOP.replace("returns (BuyResponse)", "returns (stream BuyResponse)");
    let importing = r#"
        syntax = "proto3";
        package till.v1;
        import "shop.proto";
        service Till { rpc Ring(shop.v1.BuyRequest) returns (shop.v1.BuyResponse); }
    "#;
    for (name, content) in [("shop.proto", streaming.as_str()), ("till.proto", importing)] {
        fs::write(source.path().join(name), content).expect("a file");
    }
    compile_into(out.path(), &["till.proto"], &[source.path()])?;
    let read = |name: &str| fs::read_to_string(out.path().join(name)).expect("a file of the package's name");
    assert!(read("till.v1.rs").contains("pub trait Till"));
    let shop = read("shop.v1.rs");
    assert!(shop.contains("pub struct BuyRequest") && !shop.contains("trait Shop"), "{shop}");
    Ok(())
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let said = refusal(&SHOP.replace("string name = 1", "string name = "));
    assert!(said.contains("shop.proto:11"), "{said}");
    let said = refusal(&SHOP.replace("(BuyRequest)", "(Missing)"));
    assert!(said.contains("Missing") && said.contains("shop.proto:8"), "{said}");
}

#[test]
fn descriptors_that_no_host_reads_are_refused() {
    let fields: String = (1..=12_000).map(|number| format!("string a_field_of_many_{number} = {number};")).collect();
    let said = refusal(&SHOP.replace("string name = 1;", &fields));
    assert!(said.contains("and a host reads 262144"), "{said}");
}
