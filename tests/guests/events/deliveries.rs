//! What a handler is given, in which order, and what it may do.

use backplane_sdk::prelude::*;

use super::case::{Case, eventually, expect, note, text, write};
use super::outcomes::no_event;

const PATTERNS: kv::Bucket = kv::bucket("is_handled_once_for_every_pattern");

pub(super) const CASES: &[Case] = &[
    Case {
        name: "says_everything_about_an_event",
        steps: &[
            write(|place| {
                let topic = place.topic();
                let id = events::topic(&topic).key("Zürich 7").publish_bytes("text/csv; header=absent", "a,b")?;
                Ok(place.bucket().set_text("id", &id)?)
            }),
            eventually(|place| place.expect_log("a,b")),
        ],
        handle: |place, event| {
            expect(Some(event.id.clone()), place.bucket().get_text("id")?)?;
            expect(event.source.as_str(), "/plugins/events")?;
            expect(&event.topic, &place.topic())?;
            expect(event.key.as_deref(), Some("Zürich 7"))?;
            expect(event.content_type.as_str(), "text/csv; header=absent")?;
            expect(event.attempt, 1)?;
            expect(Context.caller(), None)?;
            place.note(&text(event))
        },
    },
    Case {
        name: "keeps_the_order_of_a_key",
        steps: &[
            write(|place| {
                for number in 1..=5 {
                    place.publish(&number.to_string())?;
                }
                Ok(())
            }),
            write(|place| place.publish("6").map(drop)),
            write(|place| place.publish("7").map(drop)),
            eventually(|place| place.expect_log("1 2 3 4 5 6 7")),
        ],
        handle: note,
    },
    Case {
        name: "handles_events_without_a_key",
        steps: &[
            write(|place| {
                for number in 0..20_u32 {
                    events::topic(&place.topic()).publish_json(&number)?;
                }
                Ok(())
            }),
            eventually(|place| {
                let mut handled: Vec<u32> = Vec::new();
                for entry in place.bucket().list() {
                    handled.push(entry?.key.parse()?);
                }
                handled.sort_unstable();
                expect(handled, (0..20).collect())
            }),
        ],
        handle: |place, event| {
            expect(event.key.clone(), None)?;
            Ok(place.bucket().set(&text(event), "")?)
        },
    },
    Case {
        name: "is_handled_once_for_every_pattern",
        steps: &[
            write(|_| {
                events::topic("twice.both").key("key").publish_text("a")?;
                events::topic("twice.both").key("key").publish_text("b")?;
                Ok(())
            }),
            eventually(|_| {
                expect(PATTERNS.get_text("below")?.as_deref(), Some("a b "))?;
                expect(PATTERNS.get_text("exactly")?.as_deref(), Some("a b "))
            }),
        ],
        handle: no_event,
    },
    Case {
        name: "publishes_from_a_handler",
        steps: &[write(|place| place.publish("3").map(drop)), eventually(|place| place.expect_log("3 2 1 0"))],
        handle: |place, event| {
            place.note(&text(event))?;
            match text(event).parse::<u32>()?.checked_sub(1) {
                Some(next) => place.publish(&next.to_string()).map(drop),
                None => Ok(()),
            }
        },
    },
    Case {
        name: "has_an_effect_once",
        steps: &[
            write(|place| {
                for _ in 0..50 {
                    place.publish("1")?;
                }
                Ok(())
            }),
            write(|place| place.publish_as("other", "1").map(drop)),
            eventually(|place| expect(place.bucket().get_json("count")?, Some(51))),
            write(|place| place.publish("100").map(drop)),
            eventually(|place| expect(place.bucket().get_json("count")?, Some(151))),
        ],
        handle: |place, event| Ok(place.bucket().increment("count", text(event).parse()?)?),
    },
];

/// Notes which pattern's handler handled.
pub(super) fn note_pattern(pattern: &str, text: &str) -> Result<()> {
    let log = PATTERNS.get_text(pattern)?.unwrap_or_default();
    Ok(PATTERNS.set_text(pattern, &format!("{log}{text} "))?)
}
