//! The path of a route: its parameters, and what else would match the same requests.

use std::collections::BTreeSet;

/// Longest path that the manifest's schema accepts, in bytes.
const BYTES_MAX: usize = 512;

/// A path that the host can match.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoutePath {
    /// Names of the parameters, in order.
    pub(crate) params: Vec<String>,
    /// The path with its parameters' names left out: two routes of one shape match the same requests.
    pub(crate) shape: String,
}

impl RoutePath {
    /// Reads a path; the error says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(below) = text.strip_prefix('/') else {
            return Err(format!("a path starts with `/`: write \"/{text}\""));
        };
        if text.len() > BYTES_MAX {
            return Err(format!("a path has at most {BYTES_MAX} bytes"));
        }
        let mut path = RoutePath { params: Vec::new(), shape: String::new() };
        let mut names = BTreeSet::new();
        if below.is_empty() {
            path.shape.push('/');
            return Ok(path);
        }
        let mut segments = below.split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            path.shape.push('/');
            match Segment::parse(segment, is_last)? {
                Segment::Literal => path.shape.push_str(segment),
                Segment::Param(name) => {
                    path.shape.push_str("{}");
                    path.params.push(name.to_owned());
                }
                Segment::Rest(_) if !is_last => {
                    return Err(format!("`{segment}` takes the rest of the path: write it last"));
                }
                Segment::Rest(name) => {
                    path.shape.push_str("{*}");
                    path.params.push(name.to_owned());
                }
            }
        }
        match path.params.iter().find(|name| !names.insert(name.as_str())) {
            Some(name) => Err(format!("the parameter `{name}` is in the path twice: give each its own name")),
            None => Ok(path),
        }
    }
}

enum Segment<'a> {
    Literal,
    Param(&'a str),
    Rest(&'a str),
}

impl<'a> Segment<'a> {
    fn parse(segment: &'a str, is_last: bool) -> Result<Self, String> {
        if let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let (name, is_rest) = match inner.strip_prefix('*') {
                Some(name) => (name, true),
                None => (inner, false),
            };
            if !is_name(name) {
                return Err(format!("`{segment}` names no parameter: write a Rust name in the braces, like `{{id}}`"));
            }
            return Ok(if is_rest { Segment::Rest(name) } else { Segment::Param(name) });
        }
        if segment.contains(['{', '}']) {
            return Err(format!(
                "`{segment}` mixes text and braces: a segment is all text, `{{name}}`, or `{{*name}}` at the end"
            ));
        }
        if segment.starts_with([':', '*']) {
            let name = segment.trim_start_matches([':', '*']);
            return Err(format!(
                "`{segment}` is not a parameter here: write `{{{name}}}`, or `{{*{name}}}` for the rest"
            ));
        }
        if segment.is_empty() {
            return Err(match is_last {
                true => "a path does not end with `/`: leave the last one out".into(),
                false => "a path has no empty segment: write one `/` where there are two".into(),
            });
        }
        if segment == "." || segment == ".." {
            return Err(format!("clients resolve `{segment}` before they send a path: leave it out"));
        }
        match segment.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._~!$&'()*+,;=:@".contains(*c)) {
            Some(c) => Err(format!("`{c}` cannot be in a path as it is (RFC 3986 §3.3): leave it out")),
            None => Ok(Segment::Literal),
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::RoutePath;

    #[track_caller]
    fn check(path: &str, params: &[&str], shape: &str) {
        let params = params.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(RoutePath::parse(path), Ok(RoutePath { params, shape: shape.into() }));
    }

    #[track_caller]
    fn check_refusal(path: &str, says: &str) {
        let error = RoutePath::parse(path).expect_err("the path is wrong");
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn reads_literals_parameters_and_the_rest() {
        check("/", &[], "/");
        check("/a/b.c", &[], "/a/b.c");
        check("/{id}", &["id"], "/{}");
        check("/o/{id}/lines/{line_no}", &["id", "line_no"], "/o/{}/lines/{}");
        check("/files/{*rest}", &["rest"], "/files/{*}");
    }

    #[test]
    fn says_what_to_write_instead() {
        check_refusal("", "write \"/\"");
        check_refusal("orders", "write \"/orders\"");
        check_refusal("/a//b", "one `/`");
        check_refusal("/a/", "does not end with `/`");
        check_refusal("/{}", "names no parameter");
        check_refusal("/{1a}", "names no parameter");
        check_refusal("/{id", "mixes text and braces");
        check_refusal("/v{id}", "mixes text and braces");
        check_refusal("/:id", "write `{id}`");
        check_refusal("/*rest", "`{*rest}`");
        check_refusal("/{*rest}/x", "write it last");
        check_refusal("/{id}/{id}", "twice");
        check_refusal("/a b", "` ` cannot be in a path");
        check_refusal("/a?b", "`?` cannot be in a path");
        check_refusal("/../a", "resolve `..`");
        check_refusal(&"/a".repeat(300), "at most 512");
    }
}
