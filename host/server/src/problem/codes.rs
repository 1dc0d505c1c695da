//! Every error code of the host, in one table.
//!
//! A code is stable: a client may act on it. docs/errors.md lists the same codes and a test compares the two.

use http::StatusCode;

/// One kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// What a client compares, and the end of the problem's `type`.
    pub name: &'static str,
    /// Status of the response.
    pub status: StatusCode,
    /// The same words for every occurrence, for people.
    pub title: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $constant: Code = Code { name: $name, status: StatusCode::$status, title: $title };
        )*

        /// All codes, by status.
        pub const ALL: &[Code] = &[$($constant),*];
    };
}

codes! {
    INVALID_REQUEST = "invalid_request", BAD_REQUEST, "Invalid request";
    INVALID_PATH = "invalid_path", BAD_REQUEST, "Invalid path";
    UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, "Sign-in required";
    INVALID_TOKEN = "invalid_token", UNAUTHORIZED, "The token or API key is not accepted";
    INVALID_CREDENTIALS = "invalid_credentials", UNAUTHORIZED, "Wrong name or password";
    INVALID_REFRESH_TOKEN = "invalid_refresh_token", UNAUTHORIZED, "The refresh token is not accepted";
    INVALID_SETUP_TOKEN = "invalid_setup_token", UNAUTHORIZED, "The set-up token is not accepted";
    FORBIDDEN = "forbidden", FORBIDDEN, "Not allowed";
    INSUFFICIENT_SCOPE = "insufficient_scope", FORBIDDEN, "The token or API key is not for this";
    NOT_FOUND = "not_found", NOT_FOUND, "Not found";
    UNKNOWN_PLUGIN = "unknown_plugin", NOT_FOUND, "No such plugin";
    UNKNOWN_VERSION = "unknown_version", NOT_FOUND, "No such version";
    UNKNOWN_USER = "unknown_user", NOT_FOUND, "No such user";
    UNKNOWN_API_KEY = "unknown_api_key", NOT_FOUND, "No such API key";
    UNKNOWN_KEY = "unknown_key", NOT_FOUND, "No such signing key";
    UNKNOWN_SUBSCRIPTION = "unknown_subscription", NOT_FOUND, "No such subscription";
    UNKNOWN_DEAD_LETTER = "unknown_dead_letter", NOT_FOUND, "No such dead letter";
    UNKNOWN_SCHEDULE = "unknown_schedule", NOT_FOUND, "No such schedule";
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    REQUEST_TIMEOUT = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    NO_EARLIER_VERSION = "no_earlier_version", CONFLICT, "No earlier version";
    SUPERSEDED = "superseded", CONFLICT, "Something newer came first";
    USER_EXISTS = "user_exists", CONFLICT, "The name is taken";
    LAST_ADMINISTRATOR = "last_administrator", CONFLICT, "Nobody would administer the server";
    LIMIT_REACHED = "limit_reached", CONFLICT, "There are as many as there may be";
    SCHEDULE_RUNNING = "schedule_running", CONFLICT, "The schedule runs already";
    PAYLOAD_TOO_LARGE = "payload_too_large", PAYLOAD_TOO_LARGE, "Body too large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Media type not supported";
    INVALID_PLUGIN = "invalid_plugin", UNPROCESSABLE_ENTITY, "Not a plugin that this host can load";
    WEAK_PASSWORD = "weak_password", UNPROCESSABLE_ENTITY, "The password may not be chosen";
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request";
    INVALID_TOPIC = "invalid_topic", UNPROCESSABLE_ENTITY, "Not a topic";
    INVALID_EVENT = "invalid_event", UNPROCESSABLE_ENTITY, "Not an event";
    TOO_MANY_ATTEMPTS = "too_many_attempts", TOO_MANY_REQUESTS, "Too many sign-ins";
    TOO_MANY_REQUESTS = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    TOO_MANY_STREAMS = "too_many_streams", TOO_MANY_REQUESTS, "The caller follows as often as it may";
    SLOW_READER = "slow_reader", TOO_MANY_REQUESTS, "The stream was not read";
    HEADERS_TOO_LARGE = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "Internal server error";
    PLUGIN_FAILED = "plugin_failed", INTERNAL_SERVER_ERROR, "The plugin failed";
    PLUGIN_INVALID_RESPONSE = "plugin_invalid_response", INTERNAL_SERVER_ERROR, "The plugin's response is not valid";
    PLUGIN_OUT_OF_MEMORY = "plugin_out_of_memory", INTERNAL_SERVER_ERROR, "The plugin reached its memory limit";
    UNKNOWN_METHOD = "unknown_method", NOT_IMPLEMENTED, "No such method";
    UNSUPPORTED_ENCODING = "unsupported_encoding", NOT_IMPLEMENTED, "Compression not supported";
    PLUGIN_BUSY = "plugin_busy", SERVICE_UNAVAILABLE, "The plugin has no free place";
    ANSWERS_WAITING = "answers_waiting", SERVICE_UNAVAILABLE, "Clients have not taken their answers";
    STATE_UNAVAILABLE = "state_unavailable", SERVICE_UNAVAILABLE, "The plugin's state cannot be read or written";
    STORE_BUSY = "store_busy", SERVICE_UNAVAILABLE, "Too many writes are waiting";
    TRANSACTION_CONFLICT = "transaction_conflict", SERVICE_UNAVAILABLE, "Other calls changed the same state";
    OUTCOME_UNKNOWN = "outcome_unknown", SERVICE_UNAVAILABLE, "It is not known whether the request took effect";
    SIGN_IN_BUSY = "sign_in_busy", SERVICE_UNAVAILABLE, "Too many passwords are being checked";
    IDENTITY_UNAVAILABLE = "identity_unavailable", SERVICE_UNAVAILABLE, "Identity cannot be read or written";
    STORE_FAILING = "store_failing", SERVICE_UNAVAILABLE, "The store cannot write";
    EVENTS_UNAVAILABLE = "events_unavailable", SERVICE_UNAVAILABLE, "Events cannot be read or written";
    STREAMS_BUSY = "streams_busy", SERVICE_UNAVAILABLE, "As many follow as may";
    SCHEDULES_BUSY = "schedules_busy", SERVICE_UNAVAILABLE, "As many schedules run as may";
    RETRIES_FULL = "retries_full", SERVICE_UNAVAILABLE, "As many events are tried again as may";
    UPLOADS_BUSY = "uploads_busy", SERVICE_UNAVAILABLE, "As many components are uploaded as may";
    FOLDER_UNAVAILABLE = "folder_unavailable", SERVICE_UNAVAILABLE, "The plugin folder cannot be changed";
    STARTING = "starting", SERVICE_UNAVAILABLE, "The server is starting";
    SHUTTING_DOWN = "shutting_down", SERVICE_UNAVAILABLE, "The server is shutting down";
    PLUGIN_TIMEOUT = "plugin_timeout", GATEWAY_TIMEOUT, "The plugin reached its time limit";
    DEADLINE_EXCEEDED = "deadline_exceeded", GATEWAY_TIMEOUT, "The caller's time is over";
    HTTP_VERSION_UNSUPPORTED = "http_version_unsupported", HTTP_VERSION_NOT_SUPPORTED, "HTTP/2 is needed";
    QUOTA_EXCEEDED = "quota_exceeded", INSUFFICIENT_STORAGE, "The plugin keeps as much as it may";
    EVENT_LOG_FULL = "event_log_full", INSUFFICIENT_STORAGE, "The event log is as long as it may be";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_distinct_and_sorted_by_status() {
        let mut names: Vec<_> = ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.is_sorted_by_key(|code| code.status));
    }
}
