//! The attributes of a CloudEvent, in whatever mode it came, and what they have to be.

use backplane_events::{EventKey, Topic};
use backplane_runtime::is_json;
use jiff::Timestamp;

use super::{ID_BYTES_MAX, Incoming, MediaType, PAYLOAD_BYTES_MAX, ReadEventError, SOURCE_BYTES_MAX};
use crate::dispatch::is_trace_parent;

/// What a type is where nothing says it (CloudEvents 1.0, JSON format, section 3.1).
pub(super) const JSON: &str = "application/json";

/// Attributes as text.
///
/// `dataschema`, `subject` and extensions that are not here have no place in the log. They are refused: an event that
/// is answered with 202 is kept whole.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) specversion: Option<String>,
    pub(super) id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) r#type: Option<String>,
    pub(super) time: Option<String>,
    pub(super) datacontenttype: Option<String>,
    pub(super) partitionkey: Option<String>,
    pub(super) traceparent: Option<String>,
}

impl Attributes {
    /// Sets an attribute by its name.
    ///
    /// # Errors
    /// When there is no place for it, or it is there already.
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<(), ReadEventError> {
        let place = match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.r#type,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            "partitionkey" => &mut self.partitionkey,
            "traceparent" => &mut self.traceparent,
            // Belongs to `traceparent`, and no trace is the worse without it.
            "tracestate" => return Ok(()),
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(ReadEventError::invalid(format!(
                    "the attribute `{other}` has no place in the log: put it into the data"
                )));
            }
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(ReadEventError::invalid(format!("the attribute `{name}` is there twice"))),
        }
    }

    /// Makes an event of these attributes and a payload.
    ///
    /// # Errors
    /// When one of them is not what it has to be.
    pub(super) fn with_payload(self, payload: Vec<u8>) -> Result<Incoming, ReadEventError> {
        if self.specversion.as_deref() != Some("1.0") {
            return Err(ReadEventError::invalid("`specversion` must be \"1.0\""));
        }
        let id = self.id.map(check_id).transpose()?;
        let source = self.source.map(check_source).transpose()?;
        let topic = self.r#type.as_deref().map(parse_topic).transpose()?;
        let time = self.time.as_deref().map(parse_time).transpose()?;
        let trace_parent = self.traceparent.filter(|trace_parent| is_trace_parent(trace_parent));
        let content_type = self.datacontenttype.unwrap_or_else(|| JSON.to_owned());
        check_content(&content_type, &payload)?;
        let key = self.partitionkey.as_deref().map(parse_key).transpose()?;
        Ok(Incoming { id, source, topic, key, time, content_type, payload, trace_parent })
    }
}

/// Checks that a payload is not too long, and is what its type says, as far as that can be told.
pub(super) fn check_content(content_type: &str, payload: &[u8]) -> Result<(), ReadEventError> {
    let media_type = MediaType::parse(content_type).ok_or_else(|| {
        ReadEventError::invalid("the content type is not a media type such as `text/plain` of at most 128 bytes")
    })?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(ReadEventError::TooLarge);
    }
    if media_type.is_json() && !is_json(payload) {
        return Err(ReadEventError::invalid("the content type says JSON, and the data is none"));
    }
    Ok(())
}

pub(super) fn parse_topic(text: &str) -> Result<Topic, ReadEventError> {
    Topic::new(text).map_err(|error| ReadEventError::Topic(error.to_string()))
}

pub(super) fn parse_key(text: &str) -> Result<EventKey, ReadEventError> {
    EventKey::new(text).map_err(|error| ReadEventError::invalid(error.to_string()))
}

fn parse_time(text: &str) -> Result<Timestamp, ReadEventError> {
    text.parse()
        .map_err(|_invalid| ReadEventError::invalid("`time` must be as in RFC 3339: `2026-11-25T09:20:01.120Z`"))
}

pub(super) fn check_id(id: String) -> Result<String, ReadEventError> {
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(ReadEventError::invalid("`id` must be 1 to 64 bytes of text without control characters"));
    }
    Ok(id)
}

/// Checks the characters of a URI reference (RFC 3986, section 2), and no more: what it means is the client's.
pub(super) fn check_source(source: String) -> Result<String, ReadEventError> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if source.is_empty() || source.len() > SOURCE_BYTES_MAX || !source.bytes().all(is_allowed) {
        return Err(ReadEventError::invalid("`source` must be a URI reference of 1 to 256 bytes"));
    }
    Ok(source)
}
