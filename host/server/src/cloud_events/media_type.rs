//! Media types, as far as it matters for a payload (RFC 9110, section 8.3.1).

/// Longest media type in bytes, parameters included.
const BYTES_MAX: usize = 128;

/// A media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType<'a> {
    /// `text` of `text/plain; charset=utf-8`.
    kind: &'a str,
    /// `plain` of it.
    subtype: &'a str,
}

impl<'a> MediaType<'a> {
    /// Reads a media type; its parameters are for others.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > BYTES_MAX || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return None;
        }
        let essence = text.split_once(';').map_or(text, |(essence, _)| essence).trim_ascii();
        let (kind, subtype) = essence.split_once('/')?;
        (is_token(kind) && is_token(subtype)).then_some(Self { kind, subtype })
    }

    /// Returns whether it is this one, whatever its parameters are.
    pub fn is(self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }

    /// Returns whether it says JSON (RFC 6839, section 3.1).
    pub fn is_json(self) -> bool {
        let ends_in_json = self.subtype.len().checked_sub(5).and_then(|at| self.subtype.get(at..));
        self.subtype.eq_ignore_ascii_case("json") || ends_in_json.is_some_and(|end| end.eq_ignore_ascii_case("+json"))
    }

    /// Returns whether it says text for people.
    pub fn is_text(self) -> bool {
        self.kind.eq_ignore_ascii_case("text")
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_type_whatever_its_parameters_are() {
        for text in ["text/plain", "Text/Plain; charset=utf-8", "text/plain;charset=\"a; b\""] {
            let media_type = MediaType::parse(text).expect("a media type");
            assert!(media_type.is("text/plain") && media_type.is_text() && !media_type.is_json(), "{text}");
        }
        for text in ["application/json", "application/JSON; a=b", "application/problem+json", "a/b+JSON"] {
            assert!(MediaType::parse(text).is_some_and(MediaType::is_json), "{text}");
        }
        for text in ["application/jsonl", "text/json-x", "a/xjson", "application/x"] {
            assert!(MediaType::parse(text).is_some_and(|media_type| !media_type.is_json()), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let long = format!("a/{}", "b".repeat(127));
        for text in ["", "text", "/", "text/", "/plain", "te xt/plain", "text/plain/x", "text/plä", "a/b\n", &long] {
            assert_eq!(MediaType::parse(text), None, "{text}");
        }
    }
}
