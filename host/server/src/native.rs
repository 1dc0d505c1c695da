//! What `hello` does, compiled into the server: the yardstick of the benchmarks, and in no other build.

use axum::{Json, Router, extract::Path, routing::get};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    hello: String,
}

/// Returns `GET /bench-native/{name}`.
pub fn routes() -> Router {
    Router::new().route("/bench-native/{name}", get(greet))
}

async fn greet(Path(name): Path<String>) -> Json<Greeting> {
    Json(Greeting { hello: name })
}
