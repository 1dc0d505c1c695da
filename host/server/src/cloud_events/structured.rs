//! Events as JSON: one, or a list (CloudEvents 1.0, JSON format), and a shorter form for who does not know CloudEvents.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Attributes, BATCH_EVENTS_MAX, Incoming, MediaType, PAYLOAD_BYTES_MAX, ReadEventError,
    attributes::{JSON, parse_key, parse_topic},
};

/// Longest message of what is wrong with JSON, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// An event as JSON. `null` is as good as nothing (JSON format, section 2.2).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Structured<'a> {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    r#type: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    partitionkey: Option<String>,
    traceparent: Option<String>,
    #[serde(rename = "tracestate")]
    _tracestate: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
}

/// An event in the shorter form: JSON about a topic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Short<'a> {
    topic: String,
    key: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads one event.
///
/// # Errors
/// When it is none.
pub fn read_structured(body: &[u8]) -> Result<Incoming, ReadEventError> {
    parse::<Structured<'_>>(body, b'{')?.read()
}

/// Reads a list of events.
///
/// # Errors
/// When one of them is none, or there are too many.
pub fn read_batch(body: &[u8]) -> Result<Vec<Incoming>, ReadEventError> {
    read_list(parse::<Vec<Structured<'_>>>(body, b'[')?, Structured::read)
}

/// Reads a list of events in the shorter form: `[{"topic", "key"?, "data"?}]`.
///
/// # Errors
/// When one of them is none, or there are too many.
pub fn read_topics(body: &[u8]) -> Result<Vec<Incoming>, ReadEventError> {
    read_list(parse::<Vec<Short<'_>>>(body, b'[')?, Short::read)
}

fn read_list<T>(
    list: Vec<T>,
    read: impl Fn(T) -> Result<Incoming, ReadEventError>,
) -> Result<Vec<Incoming>, ReadEventError> {
    if list.len() > BATCH_EVENTS_MAX {
        return Err(ReadEventError::TooMany);
    }
    let numbered = list.into_iter().enumerate();
    numbered.map(|(index, event)| read(event).map_err(|error| error.of_event(index + 1))).collect()
}

/// A list of values in the right order would do for serde where an object is meant; it is not what is documented.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], begins: u8) -> Result<T, ReadEventError> {
    if body.trim_ascii_start().first() != Some(&begins) {
        let expected = if begins == b'{' { "an object" } else { "a list" };
        return Err(ReadEventError::invalid(format!("the body is not JSON with {expected}")));
    }
    serde_json::from_slice(body).map_err(|error| {
        let message: String = error.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        ReadEventError::invalid(format!("the body is not what it should be: {message}"))
    })
}

impl Structured<'_> {
    fn read(self) -> Result<Incoming, ReadEventError> {
        let content_type = self.datacontenttype.unwrap_or_else(|| JSON.to_owned());
        let is_json = MediaType::parse(&content_type).is_some_and(MediaType::is_json);
        let payload = match (self.data, self.data_base64) {
            (Some(_), Some(_)) => {
                return Err(ReadEventError::invalid("there are `data` and `data_base64`: send one of them"));
            }
            (None, Some(encoded)) => STANDARD
                .decode(encoded)
                .map_err(|_invalid| ReadEventError::invalid("`data_base64` is not Base64 (RFC 4648, section 4)"))?,
            (Some(data), None) if is_json => data.get().as_bytes().to_vec(),
            (Some(data), None) => serde_json::from_str::<String>(data.get())
                .map_err(|_invalid| ReadEventError::invalid("`data` must be a string where its type is not JSON"))?
                .into_bytes(),
            (None, None) if is_json => b"null".to_vec(),
            (None, None) => Vec::new(),
        };
        let attributes = Attributes {
            specversion: self.specversion,
            id: self.id,
            source: self.source,
            r#type: Some(self.r#type.ok_or_else(|| ReadEventError::invalid("`type` is missing: it is the topic"))?),
            time: self.time,
            datacontenttype: Some(content_type),
            partitionkey: self.partitionkey,
            traceparent: self.traceparent,
        };
        attributes.with_payload(payload)
    }
}

impl Short<'_> {
    fn read(self) -> Result<Incoming, ReadEventError> {
        let payload = self.data.map_or("null", RawValue::get).as_bytes().to_vec();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(ReadEventError::TooLarge);
        }
        let topic = Some(parse_topic(&self.topic)?);
        let key = self.key.as_deref().map(parse_key).transpose()?;
        let (id, source, time, trace_parent) = (None, None, None, None);
        Ok(Incoming { id, source, topic, key, time, content_type: JSON.to_owned(), payload, trace_parent })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(more: &Value) -> Value {
        let mut event = json!({"specversion": "1.0", "id": "a-1", "source": "/shop", "type": "orders.created"});
        let members = event.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        event
    }

    fn read(more: &Value) -> Result<Incoming, ReadEventError> {
        read_structured(event(more).to_string().as_bytes())
    }

    #[track_caller]
    fn check_payload(more: &Value, content_type: &str, payload: &[u8]) {
        let event = read(more).expect("an event");
        assert_eq!((event.content_type.as_str(), event.payload.as_slice()), (content_type, payload), "{more}");
    }

    #[test]
    fn reads_data_in_every_form() {
        check_payload(&json!({"data": {"a": [1]}}), JSON, br#"{"a":[1]}"#);
        check_payload(&json!({"data": "text"}), JSON, br#""text""#);
        check_payload(&json!({}), JSON, b"null");
        check_payload(&json!({"data": null}), JSON, b"null");
        check_payload(&json!({"datacontenttype": "text/plain", "data": "a\nb"}), "text/plain", b"a\nb");
        check_payload(&json!({"datacontenttype": "text/plain"}), "text/plain", b"");
        check_payload(&json!({"datacontenttype": "a/b", "data_base64": "AP8="}), "a/b", &[0, 255]);
        check_payload(&json!({"data_base64": "e30="}), JSON, b"{}");
    }

    #[test]
    fn what_the_client_leaves_out_is_left_out() {
        let body = br#"{"specversion":"1.0","type":"orders.created","id":null}"#;
        let event = read_structured(body).expect("an event");
        assert_eq!((event.id, event.source, event.time), (None, None, None));
    }

    #[test]
    fn refuses_what_is_no_event() {
        for more in [
            json!({"specversion": "1.1"}),
            json!({"specversion": null}),
            json!({"type": null}),
            json!({"id": 7}),
            json!({"subject": "42"}),
            json!({"comexampleextension": 1}),
            json!({"data": 1, "data_base64": "AP8="}),
            json!({"data_base64": "AP8="}),
            json!({"data_base64": "???"}),
            json!({"datacontenttype": "text/plain", "data": {"a": 1}}),
            json!({"datacontenttype": "text"}),
        ] {
            assert!(matches!(read(&more), Err(ReadEventError::Invalid(_))), "{more}");
        }
        assert!(matches!(read(&json!({"type": "Orders"})), Err(ReadEventError::Topic(_))));
        for body in ["", "null", "[]", "\"a\"", "{", r#"{"specversion":"1.0","specversion":"1.0","type":"a"}"#] {
            assert!(read_structured(body.as_bytes()).is_err(), "{body}");
        }
        let deep = format!(r#"{{"specversion":"1.0","type":"a","data":{}}}"#, "[".repeat(100_000));
        assert!(read_structured(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_payload_is_bounded_however_it_is_written() {
        let text = "x".repeat(PAYLOAD_BYTES_MAX - 2);
        assert!(read(&json!({"data": text})).is_ok());
        assert_eq!(read(&json!({"data": format!("{text}x")})), Err(ReadEventError::TooLarge));
        let encoded = STANDARD.encode(vec![0; PAYLOAD_BYTES_MAX + 1]);
        assert_eq!(read(&json!({"datacontenttype": "a/b", "data_base64": encoded})), Err(ReadEventError::TooLarge));
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let body = json!([event(&json!({})), event(&json!({"id": "a-2"}))]).to_string();
        assert_eq!(read_batch(body.as_bytes()).expect("events").len(), 2);
        assert_eq!(read_batch(b"[]"), Ok(Vec::new()));
        let body = json!([event(&json!({})), event(&json!({"id": ""}))]).to_string();
        let error = read_batch(body.as_bytes()).expect_err("the second one is none");
        assert!(error.to_string().starts_with("event 2: `id`"), "{error}");
        let many = vec![event(&json!({})); BATCH_EVENTS_MAX + 1];
        assert_eq!(read_batch(json!(many).to_string().as_bytes()), Err(ReadEventError::TooMany));
        assert!(read_batch(event(&json!({})).to_string().as_bytes()).is_err());
    }

    #[test]
    fn json_is_utf8_in_its_strings_too() {
        let with = |data: &[u8]| [br#"{"specversion":"1.0","type":"a","data":"#, data, b"}"].concat();
        let short = |data: &[u8]| [br#"[{"topic":"a","data":"#, data, b"}]"].concat();
        let list = |data: &[u8]| [b"[", with(data).as_slice(), b"]"].concat();
        for (data, is_json) in [("\"\u{ff}\"".as_bytes(), true), (b"\"\xff\"", false), (b"{\"\xff\":[]}", false)] {
            assert_eq!(read_structured(&with(data)).is_ok(), is_json, "{data:?}");
            assert_eq!(read_batch(&list(data)).is_ok(), is_json, "{data:?}");
            assert_eq!(read_topics(&short(data)).is_ok(), is_json, "{data:?}");
            assert_eq!(read(&json!({"data_base64": STANDARD.encode(data)})).is_ok(), is_json, "{data:?}");
        }
    }

    #[test]
    fn the_shorter_form_is_a_topic_and_json() {
        let events = read_topics(br#"[{"topic":"a.b","key":"k","data":[1, 2]},{"topic":"a"}]"#).expect("events");
        let read: Vec<_> = events.iter().map(|event| (event.content_type.as_str(), event.payload.as_slice())).collect();
        assert_eq!(read, [(JSON, b"[1, 2]".as_slice()), (JSON, b"null")]);
        for body in [r#"[{"topic":"A"}]"#, r#"[{"data":1}]"#, r#"[{"topic":"a","id":"x"}]"#, r#"[["a"]]"#, "{}"] {
            assert!(read_topics(body.as_bytes()).is_err(), "{body}");
        }
    }
}
