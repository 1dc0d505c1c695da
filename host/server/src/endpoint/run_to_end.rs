//! Changes in two steps: what is kept, and what the process holds in memory.
//!
//! Who asks may hang up in between, and the request's future ends with the connection.

use crate::problem::{ApiError, ApiResult};

/// Runs a change to its end, whether or not somebody still waits for it.
///
/// # Errors
/// As `change`, and when it panics.
///
/// # Cancel safety
/// A change that was begun runs to its end.
pub(super) async fn run_to_end<T: Send + 'static>(
    change: impl Future<Output = ApiResult<T>> + Send + 'static,
) -> ApiResult<T> {
    tokio::spawn(change).await.map_err(ApiError::internal)?
}
