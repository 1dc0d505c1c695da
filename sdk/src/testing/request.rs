//! A request that goes through the generated dispatch, and its response.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::manifest::{Manifest, Match};
use super::{double, keyspace};
use crate::context::Principal;
use crate::{Plugin, Problem, Request, Response};

/// Longest message of a problem, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest code of a problem, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// A request to a plugin, made with [`get`], [`post`] and their like, and sent with [`send`](Self::send).
#[derive(Clone, Debug)]
pub struct TestRequest {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    caller: Option<Principal>,
}

/// Makes a request of any method. The target is below the plugin's mount and percent-encoded: `/7?full=true`.
pub fn request(method: &str, target: &str) -> TestRequest {
    let (method, target) = (method.to_owned(), target.to_owned());
    TestRequest { method, target, headers: Vec::new(), body: Vec::new(), caller: double::caller() }
}

/// Makes a `GET` request.
pub fn get(target: &str) -> TestRequest {
    request("GET", target)
}

/// Makes a `POST` request.
pub fn post(target: &str) -> TestRequest {
    request("POST", target)
}

/// Makes a `PUT` request.
pub fn put(target: &str) -> TestRequest {
    request("PUT", target)
}

/// Makes a `PATCH` request.
pub fn patch(target: &str) -> TestRequest {
    request("PATCH", target)
}

/// Makes a `DELETE` request.
pub fn delete(target: &str) -> TestRequest {
    request("DELETE", target)
}

impl TestRequest {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body and its `content-type`.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sets a JSON body.
    ///
    /// # Panics
    /// When the value has no JSON form.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("a body in a test is plain data, which always has a JSON form");
        self.body("application/json", body)
    }

    /// Sets a plain text body.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.body("text/plain; charset=utf-8", text.into())
    }

    /// Signs in a caller with some roles, and without scopes.
    #[must_use]
    pub fn signed_in<'a>(self, subject: &str, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.caller(Principal::new(subject, roles))
    }

    /// Sets who calls, for scopes and claims besides roles:
    /// `Principal::new("ada", ["clerk"]).with_scopes(["orders:read"])`. `None` is nobody.
    #[must_use]
    pub fn caller(self, caller: impl Into<Option<Principal>>) -> Self {
        Self { caller: caller.into(), ..self }
    }

    /// Sends the request through the plugin as a fresh instance would meet it: `#[init]`, then the handler.
    ///
    /// Routes, access, the headers that a route asks for and its longest body are checked as the host does, and refused
    /// with its status and code; time, memory and other limits are not. A problem becomes the response that the host
    /// would make of it. What the handler wrote is committed when it answers `Ok`, and is gone when it does not.
    ///
    /// # Panics
    /// When the handler does. What it wrote is gone.
    pub fn send<P: Plugin>(self) -> TestResponse {
        self.send_overtaken::<P>(|| ())
    }

    /// Sends the request while another call is faster: what `others` does is committed after the handler has run for the
    /// first time, and before its own commit. When that changes what the handler read, it runs again, as on a host.
    ///
    /// ```
    /// #[backplane_sdk::plugin]
    /// mod counter {
    ///     use backplane_sdk::prelude::*;
    ///
    ///     #[post("/", public)]
    ///     fn count() -> Result<Json<u64>> {
    ///         let count = kv::bucket("counts").get_json::<u64>("all")?.unwrap_or(0) + 1;
    ///         kv::bucket("counts").set_json("all", &count)?;
    ///         Ok(Json(count))
    ///     }
    /// }
    ///
    /// use backplane_sdk::testing;
    /// let overtaken = testing::post("/").send_overtaken::<counter::Plugin>(|| {
    ///     assert_eq!(testing::post("/").send::<counter::Plugin>().text(), "1");
    /// });
    /// assert_eq!(overtaken.text(), "2");
    /// ```
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn send_overtaken<P: Plugin>(self, others: impl FnOnce()) -> TestResponse {
        let caller = self.caller.clone();
        TestResponse(double::with_caller(caller, || self.answer::<P>(others).unwrap_or_else(problem_response)))
    }

    fn answer<P: Plugin>(self, others: impl FnOnce()) -> Result<Response, Problem> {
        let manifest = Manifest::of::<P>();
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (self.target.as_str(), None),
        };
        let (index, route, params) = match manifest.find(&self.method, path) {
            Match::Route { index, route, params } => (index, route, params),
            Match::NoSuchPath => return Err(Problem::new(404, "not_found", "the plugin has no such path")),
            Match::NoSuchMethod => return Err(Problem::new(405, "method_not_allowed", "the path has no such method")),
        };
        route.access.require(self.caller.as_ref())?;
        if self.body.len() > route.body_bytes_max {
            return Err(Problem::new(413, "payload_too_large", "the body is longer than the route accepts"));
        }
        let request = Request {
            route: index,
            path: path.to_owned(),
            method: self.method,
            query,
            params,
            headers: self.headers.into_iter().filter(|(name, _)| route.wants_header(name)).collect(),
            body: self.body,
        };
        let handler = || {
            double::with_plugin(&manifest, || {
                keyspace::run_without(P::init)?;
                P::handle(request.clone())
            })
        };
        keyspace::run(manifest.scope(route.state_access()), handler, others).map_err(Into::into)
    }
}

/// Answers with a problem within the contract's bounds, as the host does.
fn problem_response(problem: Problem) -> Response {
    let mut problem = problem.report();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let valid = (1..=CODE_BYTES_MAX).contains(&problem.code.len()) && problem.code.bytes().all(allowed);
    let code = if valid { problem.code } else { "plugin_error".to_owned() };
    let status = if (400..=599).contains(&problem.status) { problem.status } else { 500 };
    problem.message.truncate(problem.message.floor_char_boundary(MESSAGE_BYTES_MAX));
    let body = serde_json::json!({ "status": status, "code": code, "detail": problem.message });
    Response {
        status,
        headers: vec![("content-type".into(), "application/problem+json".into())],
        body: body.to_string().into_bytes(),
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct TestResponse(Response);

impl TestResponse {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns the first value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body.
    pub fn bytes(&self) -> &[u8] {
        &self.0.body
    }

    /// Returns the body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.0.body).expect("a test reads as text only what it expects to be text")
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// When it is not JSON, or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.0.body).expect("a test reads as JSON only what it expects to be JSON")
    }
}
