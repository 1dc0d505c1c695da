//! Counts in SQLite as a handler would that somebody writes with axum and diesel: one transaction for each request.
//!
//! One connection behind a mutex, used off the async threads. A pool of writing connections is slower: SQLite lets one
//! of them write, and those that find it busy sleep.

#![forbid(unsafe_code)]

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt as _,
};
use backplane_bench::counters::{self, Counter};
use clap::Parser;
use diesel::sqlite::SqliteConnection;
use tokio::{net::TcpListener, task::spawn_blocking};

/// Where it counts.
#[derive(Debug, Parser)]
struct Options {
    /// The database, made when it is missing.
    database: PathBuf,
}

type Database = Arc<Mutex<SqliteConnection>>;

/// Any failure, answered 500.
struct Failure(anyhow::Error);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let database: Database = Arc::new(Mutex::new(counters::open(&Options::parse().database)?));
    let router = Router::new()
        .route("/bump/{key}", post(bump_counter))
        .route("/read/{key}", get(show_counter))
        .with_state(database);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // An answer leaves at once; where that cannot be set it leaves a little later.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.context("the listener failed")
}

async fn bump_counter(State(database): State<Database>, Path(key): Path<String>) -> Result<Json<Counter>, Failure> {
    in_database(database, move |database| database.immediate_transaction(|database| counters::bump(database, &key)))
        .await
        .map(Json)
}

async fn show_counter(State(database): State<Database>, Path(key): Path<String>) -> Result<impl IntoResponse, Failure> {
    let stored = in_database(database, move |database| Ok(counters::find(database, &key)?)).await?;
    Ok(match stored {
        Some(stored) => ([(header::CONTENT_TYPE, "application/json")], stored).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// Runs `work` where it may block, with the only connection.
async fn in_database<T: Send + 'static>(
    database: Database,
    work: impl FnOnce(&mut SqliteConnection) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let work = move || work(&mut database.lock().unwrap_or_else(PoisonError::into_inner));
    spawn_blocking(work).await.map_err(anyhow::Error::from).and_then(|result| result).map_err(Failure)
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        eprintln!("{:#}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
