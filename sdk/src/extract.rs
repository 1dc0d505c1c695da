//! What a handler may take.
//!
//! | Argument | What it holds |
//! |---|---|
//! | [`Path<T>`](Path) | the `{parameters}` of the route's path |
//! | [`Query<T>`](Query) | what follows `?` |
//! | [`Json<T>`](crate::respond::Json) | the body, as JSON |
//! | [`Text`](crate::respond::Text), [`Bytes`](crate::respond::Bytes) | the body, as it is |
//! | `#[header("if-match")] version: String` | a request header; the attribute also asks the host for it |
//! | [`Headers`](crate::respond::Headers) | every header that the route asks for |
//! | [`Method`] | the method, for `#[any]` routes |
//! | [`Principal`](crate::Principal) | the verified caller |
//! | [`Claims<T>`](crate::Claims) | the verified caller's claims |
//! | [`Context`](crate::Context) | the call: id, time left, caller |
//! | [`Config<T>`](crate::config::Config) | the settings of a `#[config]` struct |
//! | `Option<T>` | a body, query or caller that may be absent |
//! | `Result<T, Problem>` | any of them, its failure left to the handler |
//!
//! Arguments are read in order; the first that fails answers the request. A type of your own becomes an argument
//! by implementing [`Extract`].

mod body;
mod field;
mod header;
mod json;
mod path;
mod query;

use std::mem;

pub(crate) use header::header;
pub(crate) use json::is_json;
pub use path::Path;
pub use query::Query;

use crate::{Problem, Request, Result};

/// A type that a handler takes as an argument.
///
/// ```
/// use backplane_sdk::{Call, Extract, Problem, prelude::*};
///
/// /// The tenant that a request is about, for routes with `headers("x-tenant")`.
/// struct Tenant(String);
///
/// impl Extract for Tenant {
///     fn extract(call: &mut Call) -> Result<Self> {
///         let tenant = call.header("x-tenant").ok_or_else(|| Problem::bad_request("name a tenant in `x-tenant`"))?;
///         Ok(Tenant(tenant.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    label = "not something that can be read from a request",
    note = "take `Path<T>`, `Query<T>`, `Json<T>`, `Text`, `Bytes`, `Principal`, `Claims<T>`, `Context`, `Config<T>`, `Headers` or `Method`,",
    note = "mark it with `#[header(\"name\")]`, or implement `backplane_sdk::Extract` for it"
)]
pub trait Extract: Sized {
    /// Reads the value from a call.
    ///
    /// # Errors
    /// The problem that answers the request instead of the handler.
    fn extract(call: &mut Call) -> Result<Self>;
}

/// A type that a handler may take as `Option`, because a request may do without it.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `Option<{Self}>`",
    label = "this is never absent",
    note = "`Json<T>`, `Text`, `Bytes`, `Query<T>`, `Principal` and `Claims<T>` may be optional; to handle a failure, take `Result<_, Problem>`"
)]
pub trait ExtractOptional: Extract {
    /// Reads the value, or returns `None` when the request has nothing of the kind.
    ///
    /// # Errors
    /// The problem of a value that is there and wrong.
    fn extract_optional(call: &mut Call) -> Result<Option<Self>>;
}

impl<T: ExtractOptional> Extract for Option<T> {
    fn extract(call: &mut Call) -> Result<Self> {
        T::extract_optional(call)
    }
}

impl<T: Extract> Extract for Result<T, Problem> {
    fn extract(call: &mut Call) -> Result<Self> {
        Ok(T::extract(call))
    }
}

/// One request while its arguments are read. What is taken out is moved, not copied.
#[derive(Debug)]
pub struct Call {
    request: Request,
    names: &'static [&'static str],
    body_taken: bool,
}

impl Call {
    #[doc(hidden)]
    pub fn new(request: Request, names: &'static [&'static str]) -> Self {
        Self { request, names, body_taken: false }
    }

    /// Returns the method as the client sent it, for example `GET`.
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// Returns the path below the plugin's mount, percent-encoded as the client sent it.
    pub fn path(&self) -> &str {
        &self.request.path
    }

    /// Returns what followed `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.request.query.as_deref()
    }

    /// Returns a `{parameter}` by its name, decoded. `None` after [`Path`] has taken the parameters.
    pub fn param(&self, name: &str) -> Option<&str> {
        let position = self.names.iter().position(|candidate| *candidate == name)?;
        self.request.params.get(position).map(String::as_str)
    }

    /// Returns the first line of a header; `name` is in lower case.
    ///
    /// The host sends `content-type` and those that the route asks for with `headers(...)`, and no other.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// Returns every header that the host sent: names in lower case, in the client's order.
    pub fn headers(&self) -> &[(String, String)] {
        &self.request.headers
    }

    /// Returns whether the request has a body that nobody has taken yet.
    pub fn has_body(&self) -> bool {
        !self.request.body.is_empty()
    }

    /// Takes the body.
    ///
    /// # Errors
    /// A problem of status 500 when another argument has taken it before.
    pub fn take_body(&mut self) -> Result<Vec<u8>> {
        if mem::replace(&mut self.body_taken, true) {
            return Err(Problem::new(500, "internal", "two arguments of the handler read the body"));
        }
        Ok(mem::take(&mut self.request.body))
    }

    fn take_params(&mut self) -> (&'static [&'static str], Vec<String>) {
        (self.names, mem::take(&mut self.request.params))
    }
}

/// The method of the request as the client sent it, for example `GET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method(pub String);

impl Extract for Method {
    fn extract(call: &mut Call) -> Result<Self> {
        Ok(Method(mem::take(&mut call.request.method)))
    }
}
