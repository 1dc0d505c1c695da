//! Which topics a request is about: `?topic=orders.*,payments.settled`.

use backplane_auth::Principal;
use backplane_events::Pattern;

use crate::{
    app::App,
    event_rights::require_pattern,
    problem::{ApiError, ApiResult, codes},
};

/// Most patterns of one request.
const PATTERNS_MAX: usize = 16;

/// Reads patterns with commas between them, and checks that the caller may follow all of them. Nothing is everything.
///
/// # Errors
/// `invalid_topic`, `forbidden` or `insufficient_scope`.
pub(super) fn read_topics(app: &App, caller: &Principal, text: Option<&str>) -> ApiResult<Vec<Pattern>> {
    read_patterns(app, caller, text.unwrap_or("*").split(',').collect())
}

/// Reads patterns, and checks that the caller may follow all of them.
///
/// # Errors
/// As [`read_topics`].
pub(crate) fn read_patterns(app: &App, caller: &Principal, texts: Vec<&str>) -> ApiResult<Vec<Pattern>> {
    if texts.len() > PATTERNS_MAX {
        let detail = format!("a request may name at most {PATTERNS_MAX} topics and patterns");
        return Err(ApiError::new(codes::INVALID_TOPIC, detail));
    }
    let mut patterns = Vec::with_capacity(texts.len());
    for text in texts {
        let pattern = Pattern::new(text).map_err(|error| ApiError::new(codes::INVALID_TOPIC, error.to_string()))?;
        require_pattern(&app.config.events.access.follow, caller, &pattern)?;
        patterns.push(pattern);
    }
    Ok(patterns)
}
