//! Events whose data is the body, with attributes in headers where there are any (CloudEvents 1.0, HTTP binding,
//! section 3.1).

use std::borrow::Cow;

use backplane_events::EventKey;
use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::percent_decode;

use super::{
    Attributes, Incoming, ReadEventError,
    attributes::{check_content, parse_key},
};

/// Begins the name of a header that is an attribute.
const PREFIX: &str = "ce-";

/// What a body is where nothing says it (RFC 9110, section 8.3).
const OCTETS: &str = "application/octet-stream";

/// Returns whether headers say that the body is the data of a CloudEvent.
pub fn is_binary(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}

/// Reads an event in binary mode.
///
/// # Errors
/// When an attribute is not what it has to be, or the data is too long or not what its type says.
pub fn read_binary(headers: &HeaderMap, body: Vec<u8>) -> Result<Incoming, ReadEventError> {
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        if name == "datacontenttype" {
            return Err(ReadEventError::invalid("`datacontenttype` is the header `content-type` here"));
        }
        // A value may be a quoted string, and is percent-encoded UTF-8 (HTTP binding, section 3.1.3.2).
        let value = unquoted(value.as_bytes());
        let value = value
            .ok_or_else(|| ReadEventError::invalid(format!("the header `ce-{name}` has a quote without its pair")))?;
        let decoded = percent_decode(&value).decode_utf8();
        let decoded =
            decoded.map_err(|_invalid| ReadEventError::invalid(format!("the header `ce-{name}` is not text")));
        attributes.set(name, decoded?.into_owned())?;
    }
    attributes.datacontenttype = Some(content_type(headers)?);
    attributes.with_payload(body)
}

/// Reads an event that is nothing but its data. `key` comes from elsewhere.
///
/// # Errors
/// When the key is none, or the data is too long or not what its type says.
pub fn read_plain(headers: &HeaderMap, key: Option<&str>, body: Vec<u8>) -> Result<Incoming, ReadEventError> {
    let key: Option<EventKey> = key.map(parse_key).transpose()?;
    let content_type = content_type(headers)?;
    check_content(&content_type, &body)?;
    let (id, source, topic, time, trace_parent) = (None, None, None, None, None);
    Ok(Incoming { id, source, topic, key, time, content_type, payload: body, trace_parent })
}

/// Returns what a value says that may be a quoted string (RFC 9110, section 5.6.4); `None` where it does not end.
fn unquoted(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(mut rest) = value.strip_prefix(b"\"") else { return Some(Cow::Borrowed(value)) };
    let mut text = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [b'"'] => return Some(Cow::Owned(text)),
            [b'\\', byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
            [] | [b'"' | b'\\', ..] => return None,
            [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

fn content_type(headers: &HeaderMap) -> Result<String, ReadEventError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let text = match (values.next(), values.next()) {
        (None, _) => Some(OCTETS),
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    text.map(str::to_owned).ok_or_else(|| ReadEventError::invalid("the request must have one `content-type` of ASCII"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        let mut headers = HeaderMap::new();
        lines.iter().map(line).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    const REQUIRED: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "a-1"), ("ce-source", "/shop"), ("ce-type", "orders.created")];

    fn read(more: &[(&'static str, &str)], body: &str) -> Result<Incoming, String> {
        let headers = headers(&[&REQUIRED, more].concat());
        assert!(is_binary(&headers));
        read_binary(&headers, body.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_attributes_from_headers_and_data_from_the_body() {
        let trace_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let more = [
            ("content-type", "application/json"),
            ("ce-time", "2026-11-25T09:20:01.120+01:00"),
            ("ce-partitionkey", "Z%C3%BCrich%201"),
            ("ce-traceparent", trace_parent),
            ("ce-tracestate", "a=b"),
            ("x-other", "not an attribute"),
        ];
        let event = read(&more, "{}").expect("an event");
        assert_eq!((event.id.as_deref(), event.source.as_deref()), (Some("a-1"), Some("/shop")));
        assert_eq!(event.topic.map(|topic| topic.to_string()).as_deref(), Some("orders.created"));
        assert_eq!(event.key.as_ref().map(EventKey::as_str), Some("Zürich 1"));
        assert_eq!(event.time.map(|time| time.to_string()).as_deref(), Some("2026-11-25T08:20:01.12Z"));
        assert_eq!((event.content_type.as_str(), event.payload.as_slice()), ("application/json", b"{}".as_slice()));
        assert_eq!(event.trace_parent.as_deref(), Some(trace_parent));
        assert_eq!(read(&[], "\u{1}").map(|event| event.content_type).as_deref(), Ok(OCTETS));
    }

    #[test]
    fn a_value_may_be_a_quoted_string() {
        for (value, key) in [(r#""Z%C3%BCrich 1""#, "Zürich 1"), (r#""a\"b\\c""#, "a\"b\\c"), (r#"a"b"#, "a\"b")] {
            let event = read(&[("ce-partitionkey", value)], "").expect(value);
            assert_eq!(event.key.as_ref().map(EventKey::as_str), Some(key), "{value}");
        }
        for value in [r#"""#, r#""a"#, r#""a\""#, r#""a"b"#, r#""a"b""#] {
            let error = read(&[("ce-partitionkey", value)], "").expect_err(value);
            assert!(error.contains("a quote without its pair"), "{error}");
        }
    }

    #[test]
    fn refuses_attributes_that_are_not_what_they_have_to_be() {
        let long = "x".repeat(257);
        for more in [
            ("ce-subject", "42"),
            ("ce-myextension", "a"),
            ("ce-id", "again"),
            ("ce-time", "yesterday"),
            ("ce-partitionkey", ""),
            ("ce-partitionkey", "%0A"),
            ("ce-partitionkey", "%FF"),
            ("ce-partitionkey", &long),
            ("ce-datacontenttype", "text/plain"),
            ("content-type", "text"),
            ("content-type", "application/json"),
        ] {
            assert!(read(&[more], "no JSON").is_err(), "{more:?}");
        }
        let twice = [("content-type", "text/plain"), ("content-type", "text/plain")];
        assert!(read(&twice, "").is_err());
    }

    #[test]
    fn refuses_an_id_a_source_and_a_type_that_are_none() {
        for (name, value) in [
            ("ce-specversion", "0.3"),
            ("ce-id", ""),
            ("ce-id", "%00"),
            ("ce-id", &"x".repeat(65)),
            ("ce-source", ""),
            ("ce-source", "a b"),
            ("ce-source", "<a>"),
            ("ce-type", "Orders"),
        ] {
            let lines: Vec<_> =
                REQUIRED.iter().map(|line| if line.0 == name { (name, value) } else { *line }).collect();
            assert!(read_binary(&headers(&lines), Vec::new()).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn a_plain_body_is_the_data_up_to_its_bound() {
        let plain = |content_type: &[(&'static str, &str)], key, body: &[u8]| {
            read_plain(&headers(content_type), key, body.to_vec())
        };
        let event = plain(&[("content-type", "text/csv")], Some("k"), b"a,b").expect("an event");
        assert_eq!((event.content_type.as_str(), event.key.as_ref().map(EventKey::as_str)), ("text/csv", Some("k")));
        assert!(plain(&[], None, &vec![0; super::super::PAYLOAD_BYTES_MAX]).is_ok());
        let too_long = vec![0; super::super::PAYLOAD_BYTES_MAX + 1];
        assert_eq!(plain(&[], None, &too_long), Err(ReadEventError::TooLarge));
        assert!(plain(&[], Some(""), b"").is_err());
        assert!(plain(&[("content-type", "application/x+json")], None, b"{").is_err());
    }

    #[test]
    fn json_is_utf8_in_its_strings_too() {
        let headers = headers(&[&REQUIRED, [("content-type", "application/json")].as_slice()].concat());
        for read in [read_binary, |headers: &HeaderMap, body: Vec<u8>| read_plain(headers, None, body)] {
            assert!(read(&headers, "\"\u{ff}\"".into()).is_ok());
            assert!(matches!(read(&headers, b"\"\xff\"".to_vec()), Err(ReadEventError::Invalid(_))));
        }
    }
}
