//! One route: a method and a path, who may call, and what the handler receives.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Access, ManifestError, PathPattern, check_count, check_length, millis, read, unknown_fields};

/// Most headers that one route receives.
const HEADERS_MAX: usize = 32;

/// Headers that carry credentials; the host reads them, a guest never does.
const WITHHELD_HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// The method of a route (RFC 9110, section 9; PATCH: RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
    /// Every method that no other route of the same path names.
    Any,
}

impl Method {
    /// Returns the method as it stands in a request, `ANY` for [`Method::Any`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Any => "ANY",
        }
    }
}

/// How a route's handler uses state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transaction {
    /// May read, may not write.
    Read,
    /// Commits what it wrote with its response.
    Write,
    /// Uses no state.
    None,
}

/// A checked route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// The method that it answers.
    pub method: Method,
    /// Below the plugin's mount.
    pub path: PathPattern,
    /// Name of the guest's function, for logs; may be empty.
    pub handler: String,
    /// One sentence for people; may be empty.
    pub summary: String,
    /// Who may call.
    pub access: Access,
    /// How it uses state.
    pub transaction: Transaction,
    /// Names of the headers that the handler receives besides `content-type`, in lower case.
    pub headers: Vec<String>,
    /// Longest accepted body; the host's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<u64>,
    /// Wall time of one call; the plugin's when absent.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

#[derive(Deserialize)]
struct Raw {
    method: Method,
    path: String,
    #[serde(default)]
    handler: String,
    #[serde(default)]
    summary: String,
    access: Option<serde_json::Value>,
    transaction: Option<Transaction>,
    #[serde(default)]
    headers: Vec<String>,
    body_bytes_max: Option<u64>,
    #[serde(rename = "timeout_ms", with = "millis", default)]
    timeout: Option<Duration>,
}

const FIELDS: &[&str] =
    &["method", "path", "handler", "summary", "access", "transaction", "headers", "body_bytes_max", "timeout_ms"];

/// Reads the manifest's `routes`, and refuses two that match the same requests.
pub(super) fn read_all(
    values: Vec<serde_json::Value>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Route>, ManifestError> {
    let mut seen = HashSet::new();
    let mut routes = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("routes[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, FIELDS));
        let route = check(&place, read(place.clone(), value)?)?;
        if !seen.insert((route.method, route.path.shape())) {
            let reason = format!("lists {} {} a second time", route.method.as_str(), route.path);
            return Err(ManifestError::invalid(place, reason));
        }
        routes.push(route);
    }
    Ok(routes)
}

fn check(place: &str, raw: Raw) -> Result<Route, ManifestError> {
    let path =
        PathPattern::parse(&raw.path).map_err(|reason| ManifestError::invalid(format!("{place}.path"), reason))?;
    check_length(&format!("{place}.handler"), &raw.handler, 128)?;
    check_length(&format!("{place}.summary"), &raw.summary, 500)?;
    check_count(&format!("{place}.headers"), raw.headers.len(), HEADERS_MAX)?;
    for header in &raw.headers {
        check_header(header).map_err(|reason| ManifestError::invalid(format!("{place}.headers"), reason))?;
    }
    let access = match raw.access {
        Some(access) => Access::read(&format!("{place}.access"), access)?,
        None => Access::default(),
    };
    if raw.timeout == Some(Duration::ZERO) {
        return Err(ManifestError::invalid(format!("{place}.timeout_ms"), "must be at least 1"));
    }
    let transaction = raw.transaction.unwrap_or(match raw.method {
        Method::Get | Method::Head | Method::Options => Transaction::Read,
        _ => Transaction::Write,
    });
    let Raw { method, handler, summary, headers, body_bytes_max, timeout, .. } = raw;
    Ok(Route { method, path, handler, summary, access, transaction, headers, body_bytes_max, timeout })
}

fn check_header(name: &str) -> Result<(), String> {
    // A field name is a token (RFC 9110, section 5.6.2).
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        return Err(format!("names `{name}`, which is not a header name in lower case"));
    }
    if WITHHELD_HEADERS.contains(&name) {
        return Err(format!("names `{name}`: credentials never reach a plugin, ask the `context` interface who calls"));
    }
    Ok(())
}
