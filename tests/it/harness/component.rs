//! Plugins as bytes: built ones, changed ones, and ones that no compiler would make.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// The version in the fixture `versioned`.
const VERSION: &str = "7.7.100";

/// Returns the component of a first-party plugin or of a fixture.
#[track_caller]
pub(crate) fn component(name: &str) -> Vec<u8> {
    let places = ["guests", "plugins"].map(|folder| target().join(folder).join(format!("{name}.wasm")));
    let found = places.iter().find_map(|place| fs::read(place).ok());
    found.unwrap_or_else(|| panic!("{name}.wasm is not built: run `cargo xtask test`"))
}

/// Returns the folder that cargo builds this profile into.
pub(super) fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.parent().and_then(Path::parent).expect("cargo puts tests into `<profile>/deps`").to_owned()
}

fn target() -> PathBuf {
    profile().parent().expect("cargo puts a profile into its build folder").to_owned()
}

/// Returns the fixture `versioned` with another version, both in its manifest and in what it answers.
#[track_caller]
pub(crate) fn with_version(version: &str) -> Vec<u8> {
    with_text("versioned", VERSION, version)
}

/// Returns the component `name` with one text in place of another, wherever that stands.
#[track_caller]
pub(crate) fn with_text(name: &str, old: &str, new: &str) -> Vec<u8> {
    replaced(component(name), old, new)
}

/// Returns a component with one text in place of another, wherever that stands.
///
/// The built component is changed and not the source: a text of the same length moves nothing, so all lengths and
/// offsets in the file stay right.
#[track_caller]
pub(crate) fn replaced(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "a text of another length would break the file");
    let places = |window: (usize, &[u8])| (window.1 == old.as_bytes()).then_some(window.0);
    let starts: Vec<_> = bytes.windows(old.len()).enumerate().filter_map(places).collect();
    assert!(!starts.is_empty(), "`{old}` is not in the component");
    for start in starts {
        bytes[start..start + new.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

/// Returns a component with one more custom section: the same plugin, under another hash for each number.
#[track_caller]
pub(crate) fn rebuilt(name: &str, number: u8) -> Vec<u8> {
    let mut bytes = component(name);
    bytes.extend(b"\0\x06\x04more");
    bytes.push(number);
    bytes
}

/// Returns the smallest component that carries `manifest`: it exports nothing.
pub(crate) fn with_manifest(manifest: &str) -> Vec<u8> {
    const NAME: &str = "backplane:manifest";
    let mut section = leb128(NAME.len());
    section.extend_from_slice(NAME.as_bytes());
    section.extend_from_slice(manifest.as_bytes());
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // Id 0 is a custom section.
    bytes.push(0);
    bytes.extend(leb128(section.len()));
    bytes.extend(section);
    bytes
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Returns a content's hash as the API writes it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
