//! Attributes outside of a plugin's module.

use backplane_sdk::prelude::*;

#[get("/")]
fn root() -> &'static str {
    ""
}

#[init]
fn start() -> Result<()> {
    Ok(())
}

#[config]
struct Settings {
    limit: u32,
}

fn main() {}
