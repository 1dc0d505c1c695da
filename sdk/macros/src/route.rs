//! One function with a route attribute.

use proc_macro2::Span;
use syn::{Attribute, Error, ItemFn, LitStr, Result};

use crate::access;
use crate::arguments::{self, Argument};
use crate::description::first_sentence;
use crate::manifest;
use crate::options::{AttributeOption, parse_attribute};
use crate::path::RoutePath;

/// The method that a route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Method(&'static str);

/// The methods as attributes, and as the manifest names them.
const METHODS: [(&str, Method); 8] = [
    ("get", Method("GET")),
    ("post", Method("POST")),
    ("put", Method("PUT")),
    ("patch", Method("PATCH")),
    ("delete", Method("DELETE")),
    ("head", Method("HEAD")),
    ("options", Method("OPTIONS")),
    ("any", Method("ANY")),
];

/// Headers that carry what only the host may see.
const FORBIDDEN_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Most headers that the manifest's schema accepts.
const HEADERS_MAX: usize = 32;

const OPTIONS: [&str; 8] = ["public", "signed_in", "roles", "scopes", "transaction", "headers", "body_max", "timeout"];

impl Method {
    /// Returns the method of an attribute's name.
    pub(crate) fn find(attribute: &str) -> Option<Self> {
        METHODS.iter().find(|(name, _)| *name == attribute).map(|(_, method)| *method)
    }

    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// Returns whether a request of this method has no body that means anything (RFC 9110 §9.3).
    pub(crate) fn is_without_body(self) -> bool {
        matches!(self.0, "GET" | "HEAD")
    }
}

/// A route, ready to be written down and to be called.
pub(crate) struct Route {
    pub(crate) manifest: manifest::Route,
    pub(crate) path: RoutePath,
    pub(crate) path_span: Span,
    pub(crate) function: syn::Ident,
    pub(crate) output: syn::ReturnType,
    pub(crate) arguments: Vec<Argument>,
}

impl Route {
    /// Reads the attribute and the function under it, and takes `#[header]` off the function's arguments.
    pub(crate) fn parse(method: Method, attribute: &Attribute, function: &mut ItemFn) -> Result<Self> {
        let missing = "a route needs its path first: write for example `#[get(\"/{id}\")]`";
        let (path_text, options) = parse_attribute(attribute, missing, &OPTIONS)?;
        let path = RoutePath::parse(&path_text.value()).map_err(|message| Error::new(path_text.span(), message))?;
        let mut route = manifest::Route {
            method: method.name(),
            path: path_text.value(),
            handler: function.sig.ident.to_string(),
            summary: first_sentence(&function.attrs),
            access: access::read(&options)?,
            transaction: None,
            headers: Vec::new(),
            body_bytes_max: None,
            timeout_ms: None,
        };
        apply(&options, &mut route)?;
        let arguments = arguments::parse(function, method, &path)?;
        for argument in &arguments {
            if let Argument::Header { name, .. } = argument {
                add_header(&mut route.headers, name)?;
            }
        }
        Ok(Route {
            manifest: route,
            path,
            path_span: path_text.span(),
            function: function.sig.ident.clone(),
            output: function.sig.output.clone(),
            arguments,
        })
    }
}

fn apply(options: &[AttributeOption], route: &mut manifest::Route) -> Result<()> {
    for option in options {
        match option.name.as_str() {
            // Read together by `access`.
            "public" | "signed_in" | "roles" | "scopes" => {}
            "transaction" => route.transaction = Some(option.choice(&["read", "write", "none"])?),
            "headers" => {
                for name in option.texts(HEADERS_MAX)? {
                    add_header(&mut route.headers, &name)?;
                }
            }
            "body_max" => route.body_bytes_max = Some(option.bytes()?),
            "timeout" => route.timeout_ms = Some(option.millis()?),
            other => unreachable!("`{other}` is in `OPTIONS`, and has no meaning here"),
        }
    }
    Ok(())
}

/// Adds a header that the route asks for, once.
fn add_header(headers: &mut Vec<String>, name: &LitStr) -> Result<()> {
    let header = name.value();
    let is_token = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$%&'*+-.^_`|~".contains(c);
    if FORBIDDEN_HEADERS.contains(&header.to_ascii_lowercase().as_str()) {
        let message = format!("`{header}` never reaches a plugin: take a `Principal` to learn who calls");
        return Err(Error::new(name.span(), message));
    }
    if header.is_empty() || !header.chars().all(is_token) {
        let message = format!("`{header}` is not a header name in lower case, like \"if-match\"");
        return Err(Error::new(name.span(), message));
    }
    if header != "content-type" && !headers.contains(&header) {
        headers.push(header);
    }
    if headers.len() > HEADERS_MAX {
        return Err(Error::new(name.span(), format!("a route asks for at most {HEADERS_MAX} headers")));
    }
    Ok(())
}
