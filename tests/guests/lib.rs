//! Fixtures for the black-box tests in `tests/it`.
//!
//! Every file beside this one is a plugin, written against the SDK like any other, and becomes
//! `target/guests/<name>.wasm` with `cargo xtask guests`. `tests/it` has a test of the same name for each. What Rust
//! cannot say is written in WebAssembly text (`*.wat`) and assembled by its test.

#![forbid(unsafe_code)]
