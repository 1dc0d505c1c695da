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

#[on("orders.*")]
fn mark_paid(event: Event<Text>) -> Result<()> {
    drop(event);
    Ok(())
}

#[every("5m")]
fn tidy() -> Result<()> {
    Ok(())
}

#[cron("@daily")]
fn close_day() -> Result<()> {
    Ok(())
}

#[config]
struct Settings {
    limit: u32,
}

fn main() {}
