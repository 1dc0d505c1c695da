//! Which routes of a plugin a line of the configuration is about: `"*"`, `"POST"`, `"/{id}"` or `"POST /{id}"`.

use backplane_runtime::manifest::{Method, PathPattern};

/// What a key can be, for the message to somebody who wrote something else.
const FORMS: &str = "write \"*\" for every route, a method such as \"POST\", a path as the plugin has it such as \"/{id}\", or both as in \"POST /{id}\"";

/// The methods that a key can name. `HEAD` is not among them: it is `GET` without the content.
const METHODS: [Method; 7] =
    [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options, Method::Any];

/// Some routes of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSelector {
    /// Requests with this method; with every one when absent. [`Method::Any`] is the routes that are listed as `ANY`.
    pub method: Option<Method>,
    /// Requests to this path below the plugin's mount; to every one when absent.
    pub path: Option<PathPattern>,
}

impl RouteSelector {
    /// Reads a key.
    ///
    /// # Errors
    /// The reason, as it follows the name of the key.
    pub(super) fn parse(key: &str) -> Result<Self, String> {
        if key == "*" {
            return Ok(Self { method: None, path: None });
        }
        let (method, path) = match key.split_once(' ') {
            Some((method, path)) => (Some(method), Some(path)),
            None if key.starts_with('/') => (None, Some(key)),
            None => (Some(key), None),
        };
        Ok(Self {
            method: method.map(parse_method).transpose()?,
            path: path.map(PathPattern::parse).transpose().map_err(|reason| format!("is no path: it {reason}"))?,
        })
    }
}

fn parse_method(text: &str) -> Result<Method, String> {
    if text == "HEAD" {
        return Err("is said with `GET`, which holds for `HEAD` too: write that".to_owned());
    }
    let found = METHODS.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| format!("is not understood: {FORMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let read = |key| {
            let RouteSelector { method, path } = RouteSelector::parse(key).expect("a key");
            (method, path.map(|path| path.to_string()))
        };
        assert_eq!(read("*"), (None, None));
        assert_eq!(read("POST"), (Some(Method::Post), None));
        assert_eq!(read("ANY"), (Some(Method::Any), None));
        assert_eq!(read("/{id}"), (None, Some("/{id}".into())));
        assert_eq!(read("/"), (None, Some("/".into())));
        assert_eq!(read("DELETE /a/{*rest}"), (Some(Method::Delete), Some("/a/{*rest}".into())));
    }

    #[test]
    fn refuses_everything_else() {
        for key in ["", " ", "post", "PURGE", "orders", "* /a", "POST/a", "POST /", " /a", "POST  /a", "POST a", "/a/"]
        {
            let reason = RouteSelector::parse(key).err();
            assert_eq!(reason.is_some(), key != "POST /", "{key:?}: {reason:?}");
        }
        assert!(RouteSelector::parse("HEAD /a").is_err_and(|reason| reason.contains("`GET`")));
    }
}
