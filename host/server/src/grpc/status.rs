//! How a failure is told over gRPC: one table from the codes of HTTP to statuses, in docs/errors.md too.
//!
//! The stable code is the `reason` of a `google.rpc.ErrorInfo`, and what `retry-after` says over HTTP is a
//! `google.rpc.RetryInfo`. The [`ApiError`] stays with the status as its source, for the log and the audit trail; none
//! of it is sent.

use std::{collections::HashMap, sync::Arc};

use backplane_runtime::PluginName;
use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::problem::{ApiError, codes};

/// Who the codes are of, in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "backplane";

/// Longest message in bytes: it travels in a header.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Returns the status of a failure.
fn code_of(status: StatusCode, code: &str) -> Code {
    match code {
        "user_exists" => return Code::AlreadyExists,
        "superseded" | "transaction_conflict" => return Code::Aborted,
        "no_earlier_version" | "last_administrator" | "schedule_running" => return Code::FailedPrecondition,
        "limit_reached" => return Code::ResourceExhausted,
        "outcome_unknown" => return Code::Unknown,
        _ => {}
    }
    match status.as_u16() {
        400 | 415 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 410 => Code::NotFound,
        405 | 501 | 505 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        413 | 429 | 431 | 507 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        400..=499 => Code::FailedPrecondition,
        _ => Code::Internal,
    }
}

/// Returns the status of HTTP of a status that a plugin chose, for who called in JSON.
pub(crate) fn http_status_of(code: u32) -> u16 {
    match i32::try_from(code).map_or(Code::Unknown, Code::from_i32) {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        // No standard has it; everybody who translates between the two does.
        Code::Cancelled => 499,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => 500,
    }
}

/// Makes the status that a plugin answered with.
pub(super) fn of_plugin(plugin: &PluginName, code: u32, reason: String, message: &str) -> Status {
    let code = i32::try_from(code).map_or(Code::Unknown, Code::from_i32);
    // An answer that went well would need a message.
    let code = if code == Code::Ok { Code::Unknown } else { code };
    let details = ErrorDetails::with_error_info(reason, format!("plugins/{plugin}"), HashMap::new());
    Status::with_error_details(code, shortened(message), details)
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut details = ErrorDetails::with_error_info(error.code(), DOMAIN, HashMap::new());
        if let Some(delay) = error.retry_after() {
            details.set_retry_info(Some(delay));
        }
        let message = shortened(error.detail());
        let mut status = Self::with_error_details(code_of(error.status(), error.code()), message, details);
        status.set_source(Arc::new(error));
        status
    }
}

/// Gives a failure that the protocol's own layer found a code of this host: a message that is too long, or none.
pub(super) fn completed(status: &Status) -> Option<ApiError> {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Some(ApiError::new(codes::PAYLOAD_TOO_LARGE, "the message is longer than this method takes"))
        }
        Code::Internal => Some(ApiError::new(codes::INVALID_REQUEST, "the request is no message of this method")),
        _ => None,
    }
    .map(|error| error.with_source(detail_of(status)))
}

fn detail_of(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// Returns the failure that a status was made of.
pub(super) fn source_of(status: &Status) -> Option<&ApiError> {
    std::error::Error::source(status)?.downcast_ref()
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    /// Returns the rows of a table in docs/errors.md: what is in its first column, and the status in its second.
    fn documented(heading: &str) -> BTreeMap<String, String> {
        let text = include_str!("../../../../docs/errors.md");
        let (_, section) = text.split_once(heading).expect("docs/errors.md has the section");
        let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect());
        cells.map(|cells: Vec<String>| (cells[1].clone(), cells[2].clone())).collect()
    }

    /// Returns a status as it is called in the documentation of gRPC.
    fn name_of(code: Code) -> String {
        let mut name = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    #[test]
    fn the_table_is_the_documented_one() {
        let (by_code, by_status) = (documented("### By code"), documented("### By HTTP status"));
        let mut seen = (0, 0);
        for code in codes::ALL {
            let own = by_code.get(code.name);
            let number = code.status.as_u16().to_string();
            let expected = own.or_else(|| by_status.get(&number));
            let name = name_of(code_of(code.status, code.name));
            assert_eq!(expected, Some(&name), "{} ({number})", code.name);
            seen.0 += usize::from(own.is_some());
        }
        for (number, expected) in &by_status {
            let status = number.parse::<u16>().ok().and_then(|number| StatusCode::from_u16(number).ok());
            let name = name_of(code_of(status.expect("a status"), "of_a_plugin"));
            assert_eq!(&name, expected, "{number}");
            seen.1 += 1;
        }
        assert!(seen.0 == by_code.len() && seen.1 > 10, "{seen:?}");
    }

    #[test]
    fn the_table_for_json_is_the_documented_one() {
        let documented = documented("### In JSON");
        for code in 1..=16 {
            let name = name_of(Code::from_i32(code));
            let expected = u32::try_from(code).ok().map(|code| http_status_of(code).to_string());
            assert_eq!(documented.get(&name), expected.as_ref(), "{name}");
        }
        assert_eq!(documented.len(), 16);
        assert_eq!((http_status_of(0), http_status_of(17), http_status_of(u32::MAX)), (500, 500, 500));
    }

    #[test]
    fn a_plugins_status_is_told_as_it_is_and_is_no_success() {
        let plugin = PluginName::new("orders").expect("a name");
        let told = |code| of_plugin(&plugin, code, "sold_out".to_owned(), "none are left");
        let status = told(9);
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "none are left"));
        let details = status.get_error_details();
        let info = details.error_info().map(|info| (info.reason.as_str(), info.domain.as_str()));
        assert_eq!(info, Some(("sold_out", "plugins/orders")));
        for code in [0, 2, 17, u32::MAX] {
            assert_eq!(told(code).code(), Code::Unknown, "{code}");
        }
    }

    #[test]
    fn a_status_says_the_code_and_when_to_come_again_and_never_the_source() {
        let error = ApiError::new(codes::STORE_BUSY, "busy").with_retry_after(Duration::from_secs(2));
        let status = Status::from(error.with_source("password is hunter2"));
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "busy"));
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| (info.reason.as_str(), info.domain.as_str()));
        assert_eq!(reason, Some(("store_busy", "backplane")));
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(Duration::from_secs(2)));
        assert!(source_of(&status).is_some_and(|error| error.code() == "store_busy"));
        let sent = format!("{:?}", status.into_http::<()>().headers());
        assert!(!sent.contains("hunter2"), "{sent}");
    }

    #[test]
    fn a_message_fits_into_a_header_whole_letters_only() {
        let status = Status::from(ApiError::new(codes::INVALID_PLUGIN, "é".repeat(1000)));
        assert_eq!(status.message().len(), 1024);
        let odd = format!("x{}", "é".repeat(1000));
        assert_eq!(Status::from(ApiError::new(codes::INVALID_PLUGIN, odd)).message().len(), 1023);
    }

    #[test]
    fn what_the_protocol_refuses_has_a_code_too() {
        let code = |status: Status| completed(&status).map(|error| error.code().to_owned());
        assert_eq!(code(Status::out_of_range("too long")).as_deref(), Some("payload_too_large"));
        assert_eq!(code(Status::internal("failed to decode")).as_deref(), Some("invalid_request"));
        assert_eq!(code(Status::unimplemented("compression")), None);
    }
}
