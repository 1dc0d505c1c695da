//! `GET /healthz`: whether the process answers at all.

/// Answers `ok` for as long as the process can.
pub async fn show_health() -> &'static str {
    "ok\n"
}
