//! Builds the crate again when a migration is added: the compiler only watches those that it saw.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/sqlite");
}
