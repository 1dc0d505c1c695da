//! What a client is told when something about events fails.

use std::{borrow::Cow, error::Error, time::Duration};

use backplane_store::StoreError;

use crate::{
    cloud_events::{PAYLOAD_BYTES_MAX, ReadEventError},
    events::PublishError,
    problem::{ApiError, codes},
};

/// When what cannot be done now is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The same for what a person has to mend.
const RETRY_LATER: Duration = Duration::from_secs(30);

/// What a client sent is not an event.
pub(super) fn invalid_event(detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(codes::INVALID_EVENT, detail)
}

pub(crate) fn read_failed(error: ReadEventError) -> ApiError {
    match error {
        ReadEventError::Invalid(reason) => invalid_event(reason),
        ReadEventError::Topic(reason) => ApiError::new(codes::INVALID_TOPIC, reason),
        ReadEventError::TooLarge => {
            let detail = format!("the payload of an event may have at most {PAYLOAD_BYTES_MAX} bytes");
            ApiError::new(codes::PAYLOAD_TOO_LARGE, detail)
        }
        ReadEventError::TooMany => ApiError::new(codes::PAYLOAD_TOO_LARGE, error.to_string()),
    }
}

pub(super) fn publish_failed(error: PublishError) -> ApiError {
    match error {
        PublishError::LogFull { max } => {
            let detail = format!("the event log has the {max} bytes that it may have: subscribers have to catch up");
            ApiError::new(codes::EVENT_LOG_FULL, detail).with_retry_after(RETRY_LATER)
        }
        PublishError::Busy => store_busy(),
        PublishError::Unavailable(source) => events_unavailable(source),
        PublishError::Unknown | PublishError::ReplyExists => ApiError::new(
            codes::OUTCOME_UNKNOWN,
            "it is not known whether the events were published: send them again with the same ids or `idempotency-key`",
        )
        .with_retry_after(RETRY_AFTER),
    }
}

/// What was asked of the store about events failed.
pub(super) fn store_failed(error: StoreError) -> ApiError {
    match error {
        StoreError::Busy => store_busy(),
        StoreError::Unknown => {
            ApiError::new(codes::OUTCOME_UNKNOWN, "it is not known whether the change was made: look, and try again")
                .with_retry_after(RETRY_AFTER)
        }
        StoreError::Unavailable(_) => events_unavailable(error),
    }
}

/// As many events of a subscription are tried again as may be.
pub(super) fn retries_full(max: usize) -> ApiError {
    let detail = format!("{max} events of the subscription wait to be tried, which is as many as may: none was added");
    ApiError::new(codes::RETRIES_FULL, detail).with_retry_after(RETRY_LATER)
}

fn store_busy() -> ApiError {
    ApiError::new(codes::STORE_BUSY, "too many writes are waiting").with_retry_after(RETRY_AFTER)
}

/// The log, or what is kept of subscriptions, cannot be read or written.
pub(crate) fn events_unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> ApiError {
    let detail = "events cannot be read or written now";
    ApiError::new(codes::EVENTS_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER).with_source(source)
}
