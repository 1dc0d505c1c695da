//! The host's own routes, and nothing else.

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{delete, get, post, put},
};

use crate::{
    app::AppState,
    endpoint,
    middleware::guard::{administrators, anybody, signed_in},
    problem::{ApiError, codes},
};

/// Returns the router of everything that is not plugin traffic.
pub fn router(app: AppState) -> Router {
    let for_anybody = Router::new()
        .route("/healthz", get(endpoint::show_health))
        .route("/readyz", get(endpoint::show_readiness))
        .route("/.well-known/jwks.json", get(endpoint::show_jwks))
        .route("/api/status", get(endpoint::show_status))
        .route("/api/auth/setup", post(endpoint::set_up_server))
        .route("/api/auth/login", post(endpoint::sign_in))
        .route("/api/auth/refresh", post(endpoint::refresh_session))
        .route_layer(from_fn_with_state(app.clone(), anybody));
    let for_signed_in = Router::new()
        .route("/api/auth/me", get(endpoint::show_me))
        .route("/api/auth/logout", post(endpoint::sign_out))
        .route("/api/auth/password", put(endpoint::change_password))
        .route("/api/api-keys", get(endpoint::list_api_keys).post(endpoint::create_api_key))
        .route("/api/api-keys/{id}", delete(endpoint::revoke_api_key))
        // Who may do what with which events is by role, scope and topic: the handlers know it.
        .route("/api/events", get(endpoint::list_events).post(endpoint::publish_events))
        // `stream` is a topic, too.
        .route("/api/events/stream", get(endpoint::stream_events).post(endpoint::publish_event_to_stream))
        .route("/api/events/{topic}", post(endpoint::publish_event))
        .route("/api/subscriptions", get(endpoint::list_subscriptions))
        .route("/api/subscriptions/{id}", get(endpoint::show_subscription))
        .route("/api/subscriptions/{id}/pause", post(endpoint::pause_subscription))
        .route("/api/subscriptions/{id}/resume", post(endpoint::resume_subscription))
        .route("/api/subscriptions/{id}/replay", post(endpoint::replay_subscription))
        .route("/api/dead-letters", get(endpoint::list_dead_letters))
        .route("/api/dead-letters/retry", post(endpoint::retry_dead_letters))
        .route("/api/dead-letters/drop", post(endpoint::drop_dead_letters))
        .route("/api/dead-letters/{id}", get(endpoint::show_dead_letter).delete(endpoint::drop_dead_letter))
        .route("/api/dead-letters/{id}/retry", post(endpoint::retry_dead_letter))
        .route_layer(from_fn_with_state(app.clone(), signed_in));
    let for_administrators = Router::new()
        .route("/api/users", get(endpoint::list_users).post(endpoint::create_user))
        .route("/api/users/{name}", get(endpoint::show_user).patch(endpoint::update_user).delete(endpoint::delete_user))
        .route("/api/keys", get(endpoint::list_keys))
        .route("/api/keys/rotate", post(endpoint::rotate_keys))
        .route("/api/audit", get(endpoint::list_audit))
        .route("/api/schedules", get(endpoint::list_schedules))
        .route("/api/schedules/{plugin}/{handler}/run", post(endpoint::run_schedule))
        .route("/api/plugins", get(endpoint::list_plugins))
        .route("/api/plugins/{name}", get(endpoint::show_plugin))
        .route("/api/plugins/{name}/storage", get(endpoint::show_storage))
        .route("/api/plugins/{name}/versions", get(endpoint::list_versions))
        .route("/api/plugins/{name}/rollback", post(endpoint::roll_back_plugin))
        .route("/api/store", get(endpoint::show_store))
        .route_layer(from_fn_with_state(app.clone(), administrators));
    let routes = for_anybody
        .merge(for_signed_in)
        .merge(for_administrators)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async {
            ApiError::new(codes::METHOD_NOT_ALLOWED, "this path answers other methods")
        })
        .with_state(app);
    #[cfg(feature = "bench-native")]
    let routes = routes.merge(crate::native::routes());
    routes
}
