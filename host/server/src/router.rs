//! The host's own routes, and nothing else.

use axum::{
    Router,
    middleware::from_fn,
    routing::{get, post},
};

use crate::{
    app::AppState,
    endpoint,
    middleware::local_only::local_only,
    problem::{ApiError, codes},
};

/// Returns the router of everything that is not plugin traffic.
pub fn router(app: AppState) -> Router {
    let local = Router::new()
        .route("/api/plugins", get(endpoint::list_plugins))
        .route("/api/plugins/{name}", get(endpoint::show_plugin))
        .route("/api/plugins/{name}/storage", get(endpoint::show_storage))
        .route("/api/plugins/{name}/versions", get(endpoint::list_versions))
        .route("/api/plugins/{name}/rollback", post(endpoint::roll_back_plugin))
        .route("/api/store", get(endpoint::show_store))
        .route_layer(from_fn(local_only));
    let routes = Router::new()
        .route("/healthz", get(endpoint::show_health))
        .route("/readyz", get(endpoint::show_readiness))
        .route("/api/status", get(endpoint::show_status))
        .merge(local)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async {
            ApiError::new(codes::METHOD_NOT_ALLOWED, "this path answers other methods")
        })
        .with_state(app);
    #[cfg(feature = "bench-native")]
    let routes = routes.merge(crate::native::routes());
    routes
}
