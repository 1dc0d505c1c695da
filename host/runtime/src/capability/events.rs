//! `backplane:plugin/events`: events that the call publishes, within its transaction.
//!
//! Nothing here waits. What an event may be is checked here, how many there may be is the transaction's to say
//! (`transaction`).

mod content;

use wasmtime::component::{HasData, Linker};

use self::content::{is_json_type, is_media_type};
use crate::{
    bindings::backplane::plugin::events::{self, Error, Host, NewEvent},
    context::CallContext,
    keyspace::{self, Keyspace},
    manifest::{TopicPattern, is_topic},
    state::{InstanceState, PluginEnv},
    transaction::{Draft, Scope},
};

/// Longest key.
const KEY_BYTES_MAX: usize = 256;
/// Longest payload.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;

struct HasEvents;

impl HasData for HasEvents {
    type Data<'a> = EventsView<'a>;
}

/// Sees the call's transaction, which it starts at the first use, and the topics that the plugin may publish to.
struct EventsView<'a> {
    plugin: &'a PluginEnv,
    call: &'a CallContext,
    scope: &'a Scope,
    draft: &'a mut Option<Box<Draft>>,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    events::add_to_linker::<_, HasEvents>(linker, |state| EventsView {
        plugin: &state.plugin,
        call: &state.call,
        scope: &state.scope,
        draft: &mut state.draft,
    })
}

impl EventsView<'_> {
    /// Publishes events, all or none, and returns their ids.
    fn publish_all(&mut self, events: Vec<NewEvent>) -> Result<Vec<String>, Error> {
        let Some(keyspace) = self.call.keyspace.as_deref() else { return Err(Error::NoTransaction) };
        let draft = Draft::in_place(self.draft, self.scope, &self.plugin.commons.transactions, self.call.deadline);
        let draft = draft.ok_or(Error::NoTransaction)?;
        draft.check_publish(events.len())?;
        events.iter().try_for_each(|event| check(event, &self.plugin.publishes))?;
        let events: Vec<_> = events.into_iter().map(|event| self.call.identify(event, keyspace)).collect();
        let ids = events.iter().map(|event| event.id.clone()).collect();
        draft.publish(events)?;
        Ok(ids)
    }
}

impl Host for EventsView<'_> {
    fn publish(&mut self, event: NewEvent) -> Result<String, Error> {
        let ids = self.publish_all(vec![event])?;
        Ok(ids.into_iter().collect())
    }

    fn publish_many(&mut self, events: Vec<NewEvent>) -> Result<Vec<String>, Error> {
        self.publish_all(events)
    }
}

impl CallContext {
    /// Gives an event its id, and the trace that it belongs to.
    fn identify(&self, event: NewEvent, keyspace: &dyn Keyspace) -> keyspace::NewEvent {
        let NewEvent { topic, key, content_type, payload } = event;
        let (id, trace_parent) = (keyspace.new_event_id(), self.trace_parent.clone());
        keyspace::NewEvent { id, topic, key, content_type, payload, trace_parent }
    }
}

/// Checks everything that does not hang on the transaction.
fn check(event: &NewEvent, publishes: &[TopicPattern]) -> Result<(), Error> {
    if !is_topic(&event.topic) {
        return Err(Error::InvalidTopic);
    }
    if !publishes.iter().any(|pattern| pattern.matches(&event.topic)) {
        return Err(Error::TopicNotDeclared);
    }
    let is_key = |key: &String| (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
    if !event.key.as_ref().is_none_or(is_key) {
        return Err(Error::InvalidKey);
    }
    if event.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Error::PayloadTooLarge);
    }
    let is_valid =
        is_media_type(&event.content_type) && (!is_json_type(&event.content_type) || is_json(&event.payload));
    if is_valid { Ok(()) } else { Err(Error::InvalidContent) }
}

/// Returns whether `payload` is one JSON text (RFC 8259), as that of an event has to be whose content type says so.
pub fn is_json(payload: &[u8]) -> bool {
    // As text: what is ignored is not looked at by its bytes.
    str::from_utf8(payload).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn publishes() -> Vec<TopicPattern> {
        let text = r#"{"api":"1.0","name":"a","version":"0.0.1","publishes":["orders.*","audit"]}"#;
        Manifest::from_json(text.as_bytes()).expect("a valid manifest").manifest.publishes
    }

    fn event(topic: &str, key: Option<&str>, content_type: &str, payload: &[u8]) -> NewEvent {
        let key = key.map(str::to_owned);
        NewEvent { topic: topic.into(), key, content_type: content_type.into(), payload: payload.into() }
    }

    #[test]
    fn refuses_what_is_no_event_of_the_plugin() {
        let publishes = publishes();
        let verdict = |topic: &str, key: Option<&str>, content_type: &str, payload: &[u8]| {
            check(&event(topic, key, content_type, payload), &publishes).map_err(|error| format!("{error:?}"))
        };
        assert_eq!(verdict("orders.created", Some("42"), "application/json", b"{}"), Ok(()));
        assert_eq!(verdict("audit", None, "text/plain; charset=utf-8", b"{"), Ok(()));
        assert_eq!(verdict("orders.*", None, "text/plain", b""), Err("Error::InvalidTopic".to_owned()));
        for topic in ["orders", "audit.a", "payments.settled"] {
            assert_eq!(verdict(topic, None, "text/plain", b""), Err("Error::TopicNotDeclared".to_owned()));
        }
        for key in ["", "a\nb", &"x".repeat(257)] {
            assert_eq!(verdict("audit", Some(key), "text/plain", b""), Err("Error::InvalidKey".to_owned()));
        }
        for (content_type, payload) in [
            ("json", "{}"),
            ("application/json", "{"),
            ("application/problem+json; a=b", ""),
            ("Application/JSON", "x"),
        ] {
            assert_eq!(
                verdict("audit", None, content_type, payload.as_bytes()),
                Err("Error::InvalidContent".to_owned())
            );
        }
        assert_eq!(verdict("audit", None, "text/plain", &vec![0; 256 << 10]), Ok(()));
        assert_eq!(
            verdict("audit", None, "text/plain", &vec![0; (256 << 10) + 1]),
            Err("Error::PayloadTooLarge".to_owned())
        );
    }

    #[test]
    fn json_is_one_text_in_utf_8() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["null", "0", " {\"a\": [1, \"é\"]} ", &deep] {
            assert!(is_json(text.as_bytes()), "{text:.50}");
        }
        for bytes in [&b""[..], b"{} {}", b"\"\xff\"", b"nan", b"{'a':1}"] {
            assert!(!is_json(bytes), "{bytes:?}");
        }
    }
}
