//! What it costs to know who calls.
//!
//! With a token that was seen a moment ago a call costs a digest and a look into memory, without one nothing. A token
//! that is new costs a signature, a sign-in tens of milliseconds of a processor: neither may be felt by anybody else.

mod cache_miss;
mod overhead;
mod rotation;
mod sign_ins;

use serde_json::{Value, json};

use crate::{
    Options,
    connection::Connection,
    report::Report,
    server::{PASSWORD, Server},
};

/// The route of `hello`, which everybody may call.
const HELLO: &str = "/hello/Ada";

/// The benchmark signs in more often than a person.
const CONFIG: &str = "[auth]\naccount_attempts_per_minute = 100000\naddress_attempts_per_minute = 100000\n";

/// Runs all of them on one server.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let hello = options.plugins.join("hello.wasm");
    let server = Server::start_with(&options.server, &[&hello], CONFIG, tempfile::tempdir()?)?;
    overhead::run(options, &server, report)?;
    cache_miss::run(options, &server, report)?;
    sign_ins::run(options, &server, report)?;
    rotation::run(options, &server, report)
}

/// Makes an account.
fn add_user(server: &Server, name: &str) -> anyhow::Result<()> {
    let user = json!({"name": name, "password": PASSWORD, "roles": ["clerk"], "scopes": []});
    let mut connection = Connection::open(&server.program)?;
    connection.send_json(("POST", "/api/users"), Some(server.token()?), &user, 201).map(drop)
}

/// Signs in, and returns the access and the refresh token.
fn sign_in(connection: &mut Connection, name: &str) -> anyhow::Result<[String; 2]> {
    let body = json!({"name": name, "password": PASSWORD});
    tokens(&connection.send_json(("POST", "/api/auth/login"), None, &body, 200)?)
}

/// Goes on with a session, and returns its next tokens.
fn refresh(connection: &mut Connection, refresh_token: &str) -> anyhow::Result<[String; 2]> {
    let body = json!({ "refresh_token": refresh_token });
    tokens(&connection.send_json(("POST", "/api/auth/refresh"), None, &body, 200)?)
}

fn tokens(answer: &Value) -> anyhow::Result<[String; 2]> {
    let token = |name: &str| match answer.get(name).and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => anyhow::bail!("there is no {name} in the answer"),
    };
    Ok([token("access_token")?, token("refresh_token")?])
}
