//! New signing keys while everybody calls with tokens of the old ones.

use std::time::Duration;

use serde_json::json;

use super::{HELLO, add_user, refresh, sign_in};
use crate::{
    Options,
    connection::Connection,
    load::Load,
    report::{Bound, Report},
    server::Server,
};

/// Requests that the rotations must see at the least.
const REQUESTS: f64 = 10_000.0;

/// Replaces the signing key again and again under load, and goes on with a session each time.
pub(super) fn run(options: &Options, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let rotations = if options.quick { 5 } else { 20 };
    add_user(server, "rotated")?;
    let mut connection = Connection::open(&server.program)?;
    let [access, mut refresh_token] = sign_in(&mut connection, "rotated")?;
    let duration = Duration::from_secs(if options.quick { 3 } else { 10 });
    let load =
        Load { url: server.program.url(HELLO), connections: 32, rate: None, duration, token: Some(access.clone()) };
    let running = load.start()?;
    let mut refused = 0;
    for _ in 0..rotations {
        let rotate = ("POST", "/api/keys/rotate");
        connection.send_json(rotate, Some(server.token()?), &json!({}), 200)?;
        let [next_access, next] = refresh(&mut connection, &refresh_token)?;
        refresh_token = next;
        for token in [&access, &next_access] {
            refused += usize::from(connection.send("GET", HELLO, Some(token), "")?.status != 200);
        }
        std::thread::sleep(duration / rotations / 2);
    }
    let outcome = running.finish()?;
    let requests = (outcome.requests as f64, "");
    report.add_bound("auth", format!("requests during {rotations} new keys"), requests, Bound::AtLeast(REQUESTS));
    let failed = ((outcome.failed + refused) as f64, "");
    report.add_bound("auth", "failed requests", failed, Bound::AtMost(0.0));
    report.add("auth", "p99 during the new keys", outcome.percentile_ms(99.0), "ms");
    Ok(())
}
