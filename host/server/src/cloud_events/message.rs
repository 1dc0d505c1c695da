//! Events that come as fields of a message, and not as text.

use jiff::Timestamp;

use super::{
    Incoming, ReadEventError,
    attributes::{check_content, check_id, check_source, parse_key, parse_topic},
};

/// What a payload is where nothing says it.
const OCTETS: &str = "application/octet-stream";

/// An event as a message has it. What is left out is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventMessage<'a> {
    /// What it is about.
    pub topic: &'a str,
    /// Events of one key stay in their order.
    pub key: &'a str,
    /// Media type of the payload.
    pub content_type: &'a str,
    /// What it carries.
    pub payload: &'a [u8],
    /// As the client chose it.
    pub id: &'a str,
    /// Who the client says that it is.
    pub source: &'a str,
    /// When it happened, in seconds and nanoseconds since 1970.
    pub time: Option<(i64, i32)>,
}

/// Reads an event.
///
/// # Errors
/// When a field is not what it has to be, or the payload is too long or not what its type says.
pub fn read_message(message: EventMessage<'_>) -> Result<Incoming, ReadEventError> {
    let given = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let content_type = given(message.content_type).unwrap_or_else(|| OCTETS.to_owned());
    check_content(&content_type, message.payload)?;
    Ok(Incoming {
        id: given(message.id).map(check_id).transpose()?,
        source: given(message.source).map(check_source).transpose()?,
        topic: Some(parse_topic(message.topic)?),
        key: given(message.key).map(|key| parse_key(&key)).transpose()?,
        time: message.time.map(parse_time).transpose()?,
        content_type,
        payload: message.payload.to_vec(),
        trace_parent: None,
    })
}

fn parse_time((seconds, nanos): (i64, i32)) -> Result<Timestamp, ReadEventError> {
    Timestamp::new(seconds, nanos).map_err(|_invalid| ReadEventError::invalid("`time` must be a time of a calendar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: EventMessage<'_> = EventMessage {
        topic: "orders.created",
        key: "",
        content_type: "",
        payload: b"x",
        id: "",
        source: "",
        time: None,
    };

    #[test]
    fn what_is_empty_is_left_out() {
        let event = read_message(REQUIRED).expect("an event");
        assert_eq!(event.topic.map(|topic| topic.to_string()).as_deref(), Some("orders.created"));
        assert_eq!((event.content_type.as_str(), event.payload.as_slice()), (OCTETS, b"x".as_slice()));
        assert_eq!((event.id, event.source, event.key, event.time), (None, None, None, None));
    }

    #[test]
    fn reads_every_field() {
        let message = EventMessage {
            key: "a",
            content_type: "application/json",
            payload: b"{}",
            id: "a-1",
            source: "/shop",
            time: Some((1, 5)),
            ..REQUIRED
        };
        let event = read_message(message).expect("an event");
        assert_eq!((event.id.as_deref(), event.source.as_deref()), (Some("a-1"), Some("/shop")));
        assert_eq!(event.time.map(|time| time.as_nanosecond()), Some(1_000_000_005));
        assert_eq!(event.key.map(|key| key.as_str().to_owned()).as_deref(), Some("a"));
    }

    #[test]
    fn refuses_what_no_event_is() {
        let long = "a".repeat(65);
        for message in [
            EventMessage { topic: "", ..REQUIRED },
            EventMessage { topic: "Not a topic", ..REQUIRED },
            EventMessage { content_type: "json", ..REQUIRED },
            EventMessage { content_type: "application/json", ..REQUIRED },
            EventMessage { content_type: "application/json", payload: b"\"\xff\"", ..REQUIRED },
            EventMessage { id: &long, ..REQUIRED },
            EventMessage { source: "not a uri", ..REQUIRED },
            EventMessage { time: Some((i64::MAX, 0)), ..REQUIRED },
        ] {
            assert!(read_message(message).is_err(), "{message:?}");
        }
        let large = vec![0; super::super::PAYLOAD_BYTES_MAX + 1];
        let large = read_message(EventMessage { payload: &large, ..REQUIRED });
        assert!(matches!(large, Err(ReadEventError::TooLarge)));
    }
}
