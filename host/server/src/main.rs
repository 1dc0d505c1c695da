//! The `backplane` binary.
fn main() {}
