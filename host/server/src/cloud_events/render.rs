//! Events as JSON for those who follow them: one line each.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;

use super::MediaType;
use crate::clock::timestamp;

/// An event of the log.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its place.
    pub seq: i64,
    /// Its id.
    pub id: &'a str,
    /// Who published it.
    pub source: &'a str,
    /// What it is about.
    pub topic: &'a str,
    /// Its key.
    pub key: Option<&'a str>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// Media type of the payload.
    pub content_type: &'a str,
    /// What it carries.
    pub payload: &'a [u8],
    /// The trace that it belongs to.
    pub trace_parent: Option<&'a str>,
}

/// The JSON format (CloudEvents 1.0), with the extensions for partitioning, tracing and sequence.
#[derive(Serialize)]
struct Document<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: jiff::Timestamp,
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitionkey: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    sequence: String,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Serialize)]
enum Data<'a> {
    #[serde(rename = "data")]
    Json(&'a RawValue),
    #[serde(rename = "data")]
    Text(&'a str),
    #[serde(rename = "data_base64")]
    Octets(String),
}

/// Writes an event as one line of JSON, without its end.
pub fn render(event: &Outgoing<'_>) -> Vec<u8> {
    let document = Document {
        specversion: "1.0",
        id: event.id,
        source: event.source,
        r#type: event.topic,
        time: timestamp(event.time_ms),
        datacontenttype: event.content_type,
        partitionkey: event.key,
        traceparent: event.trace_parent,
        sequence: event.seq.to_string(),
        data: data(event.content_type, event.payload),
    };
    let mut line = serde_json::to_vec(&document).expect("a struct of text and JSON is always JSON");
    // A payload may have line ends between its tokens; within a string JSON has none.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line
}

fn data<'a>(content_type: &str, payload: &'a [u8]) -> Data<'a> {
    let media_type = MediaType::parse(content_type);
    if media_type.is_some_and(MediaType::is_json)
        && let Ok(json) = serde_json::from_slice(payload)
    {
        return Data::Json(json);
    }
    match std::str::from_utf8(payload) {
        Ok(text) if media_type.is_some_and(MediaType::is_text) => Data::Text(text),
        _ => Data::Octets(STANDARD.encode(payload)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::read_structured, *};

    fn event<'a>(content_type: &'a str, payload: &'a [u8]) -> Outgoing<'a> {
        Outgoing {
            seq: 42,
            id: "a-1",
            source: "/plugins/orders",
            topic: "orders.created",
            key: None,
            time_ms: 1_764_062_401_120,
            content_type,
            payload,
            trace_parent: None,
        }
    }

    #[track_caller]
    fn check(content_type: &str, payload: &[u8], member: &str, expected: &Value) {
        let line = render(&event(content_type, payload));
        assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        let document: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(&document[member], expected, "{document}");
        assert_eq!(document.as_object().map(serde_json::Map::len), Some(8), "{document}");
    }

    #[test]
    fn writes_data_as_its_type_says() {
        check("application/json", b"{\r\n \"a\": 1\n}", "data", &json!({"a": 1}));
        check("application/json", b"null", "data", &Value::Null);
        check("text/plain", "Zürich\n".as_bytes(), "data", &json!("Zürich\n"));
        check("text/plain", &[255], "data_base64", &json!("/w=="));
        check("application/json", b"{", "data_base64", &json!("ew=="));
        check("application/octet-stream", b"abc", "data_base64", &json!("YWJj"));
    }

    #[test]
    fn writes_every_attribute_and_none_that_is_not_there() {
        let trace_parent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let event = Outgoing { key: Some("k"), trace_parent, ..event("application/json", b"1") };
        let document: Value = serde_json::from_slice(&render(&event)).expect("JSON");
        let expected = json!({
            "specversion": "1.0", "id": "a-1", "source": "/plugins/orders", "type": "orders.created",
            "time": "2025-11-25T09:20:01.12Z", "datacontenttype": "application/json", "partitionkey": "k",
            "traceparent": trace_parent, "sequence": "42", "data": 1,
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn what_goes_out_comes_in_again_but_for_its_sequence() {
        for (content_type, payload) in
            [("application/json", b"[1,\n2]".as_slice()), ("text/html", b"<p>"), ("image/png", &[0, 1, 255])]
        {
            let line = render(&event(content_type, payload));
            let mut document: Value = serde_json::from_slice(&line).expect("JSON");
            document.as_object_mut().expect("an object").remove("sequence");
            let read = read_structured(document.to_string().as_bytes()).expect("an event");
            assert_eq!((read.content_type.as_str(), read.id.as_deref()), (content_type, Some("a-1")));
            if content_type != "application/json" {
                assert_eq!(read.payload, payload);
            }
        }
    }
}
