//! The path of a route: literal segments, `{parameter}` segments, and a `{*rest}` at the end.

use std::fmt;

/// Longest path in bytes.
const PATH_BYTES_MAX: usize = 512;
/// Most segments of one path.
const SEGMENTS_MAX: usize = 32;

/// One part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text that must be there as it is.
    Literal(String),
    /// Any one segment that is not empty.
    Parameter(String),
    /// Everything that follows, also nothing.
    Rest(String),
}

/// A checked path. `/` has no segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

impl PathPattern {
    /// Parses `text`.
    ///
    /// # Errors
    /// The reason as a fragment that follows the name of the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("has {} bytes, more than {PATH_BYTES_MAX}", text.len()));
        }
        let Some(relative) = text.strip_prefix('/') else {
            return Err(format!("must start with `/`: write `/{text}`"));
        };
        let parts: Vec<&str> = if relative.is_empty() { Vec::new() } else { relative.split('/').collect() };
        if parts.len() > SEGMENTS_MAX {
            return Err(format!("has {} segments, more than {SEGMENTS_MAX}", parts.len()));
        }
        let mut segments = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            segments.push(parse_segment(part, at + 1 == parts.len(), &segments)?);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// Returns the path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the path with its parameters' names taken out: equal for two paths that match the same requests.
    pub fn shape(&self) -> String {
        let shapes = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Parameter(_) => "/{}".to_owned(),
            Segment::Rest(_) => "/{*}".to_owned(),
        });
        shapes.collect()
    }
}

fn parse_segment(part: &str, last: bool, before: &[Segment]) -> Result<Segment, String> {
    if !part.contains(['{', '}']) {
        return parse_literal(part);
    }
    let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return Err(format!("has the segment `{part}`: a parameter is a whole segment, `{{name}}`"));
    };
    let (name, rest) = match inner.strip_prefix('*') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !is_name(name) {
        return Err(format!("has the parameter `{{{inner}}}`: a name has letters, digits and `_`"));
    }
    let taken =
        |segment: &Segment| matches!(segment, Segment::Parameter(other) | Segment::Rest(other) if other == name);
    if before.iter().any(taken) {
        return Err(format!("names the parameter `{name}` twice"));
    }
    match (rest, last) {
        (true, false) => Err(format!("has `{{*{name}}}` before its end: only the last segment takes the rest")),
        (true, true) => Ok(Segment::Rest(name.to_owned())),
        (false, _) => Ok(Segment::Parameter(name.to_owned())),
    }
}

fn parse_literal(part: &str) -> Result<Segment, String> {
    if part.is_empty() {
        return Err("has an empty segment: no `//`, and no `/` at the end".to_owned());
    }
    if part == "." || part == ".." {
        return Err(format!("has the segment `{part}`, which clients take out of a path"));
    }
    // Unreserved characters and sub-delimiters (RFC 3986, section 3.3); anything else would need encoding, and
    // a literal is compared with the path as the client sent it.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    if !part.bytes().all(plain) {
        return Err(format!("has the segment `{part}`: use letters, digits and -._~!$&'()*+,;=:@"));
    }
    Ok(Segment::Literal(part.to_owned()))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for PathPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
