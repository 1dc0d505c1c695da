//! What becomes of a call's events, and which calls may publish.

use std::collections::BTreeSet;

use backplane_sdk::prelude::*;

use super::case::{Case, Place, eventually, expect, none, note, read, write};

const NUMBERS: kv::Bucket = kv::bucket("reads_a_payload_as_its_type_or_gives_up");

pub(super) const CASES: &[Case] = &[
    Case {
        name: "delivers_what_an_ok_published",
        steps: &[write(|place| place.publish("a").map(drop)), eventually(|place| place.expect_log("a"))],
        handle: note,
    },
    Case {
        name: "forgets_what_an_err_published",
        steps: &[
            write(|place| {
                place.publish("lost")?;
                Err(Problem::conflict("not today"))
            })
            .fails(409, "conflict"),
            write(|place| place.publish("kept").map(drop)),
            eventually(|place| place.expect_log("kept")),
        ],
        handle: note,
    },
    Case {
        name: "forgets_what_a_trap_published",
        steps: &[
            write(|place| {
                place.publish("lost")?;
                panic_on_purpose()
            })
            .fails(500, "plugin_failed"),
            write(|place| place.publish("kept").map(drop)),
            eventually(|place| place.expect_log("kept")),
        ],
        handle: note,
    },
    Case {
        name: "publishes_together_with_what_is_written",
        steps: &[
            write(|place| {
                place.bucket().set_text("written", "by the same call")?;
                place.publish("a").map(drop)
            }),
            eventually(|place| place.expect_log("by the same call")),
        ],
        handle: |place, _| {
            let written = place.bucket().get_text("written")?.or_not_found("nothing was written")?;
            place.note(&written)
        },
    },
    Case {
        name: "goes_on_after_an_error",
        steps: &[
            write(|place| {
                place.publish("before")?;
                expect(events::topic("No").publish_text(""), Err(events::Error::InvalidTopic))?;
                expect(events::topic("cases").publish_text(""), Err(events::Error::TopicNotDeclared))?;
                place.publish("after").map(drop)
            }),
            eventually(|place| place.expect_log("before after")),
        ],
        handle: note,
    },
    Case {
        name: "publishes_all_of_many_or_none",
        steps: &[
            write(|place| {
                let topic = place.topic();
                let topic = events::topic(&topic).key("key");
                let bad = [topic.text("lost"), events::topic("elsewhere").text("")];
                expect(events::publish_many(&bad), Err(events::Error::TopicNotDeclared))?;
                expect(events::publish_many(&[]), Ok(Vec::new()))?;
                let ids = events::publish_many(&[topic.text("a"), topic.json("b")?, topic.bytes("text/csv", "c")])?;
                // A UUID of version 7 begins with its millisecond; within one, ids are in no order.
                let times: Vec<_> = ids.iter().map(|id| id.get(..13)).collect();
                expect(times.is_sorted(), true)?;
                expect(ids.iter().collect::<BTreeSet<_>>().len(), 3)
            }),
            eventually(|place| place.expect_log("a \"b\" c")),
        ],
        handle: note,
    },
    Case {
        name: "may_not_publish_where_it_reads",
        steps: &[
            read(|place| {
                let published = events::topic(&place.topic()).publish_text("lost");
                expect(published, Err(events::Error::ReadOnly))
            }),
            read(|place| place.publish("lost").map(drop)).fails(500, "internal"),
            write(|place| place.publish("kept").map(drop)),
            eventually(|place| place.expect_log("kept")),
        ],
        handle: note,
    },
    Case {
        name: "publishes_nothing_without_a_transaction",
        steps: &[
            none(|place| {
                let published = events::topic(&place.topic()).publish_text("lost");
                expect(published, Err(events::Error::NoTransaction))?;
                expect(events::publish_many(&[]), Err(events::Error::NoTransaction))
            }),
            none(|place| place.publish("lost").map(drop)).fails(500, "internal"),
        ],
        handle: note,
    },
    Case {
        name: "reads_a_payload_as_its_type_or_gives_up",
        steps: &[
            write(|_| {
                let topic = events::topic("typed").key("key");
                topic.publish_json(&[1, 2])?;
                topic.publish_json("no numbers")?;
                topic.publish_text("[3]")?;
                topic.publish_bytes("application/numbers+json", "[4]")?;
                Ok(())
            }),
            eventually(|place| place.expect_log("1 2 4")),
        ],
        handle: no_event,
    },
];

/// Handles what is read as numbers.
pub(super) fn note_numbers(numbers: &[u32]) -> Result<()> {
    let mut log = NUMBERS.get_text("log")?.unwrap_or_default();
    for number in numbers {
        log += &format!("{number} ");
    }
    Ok(NUMBERS.set_text("log", &log)?)
}

/// Handles nothing: the case has no event of its own topic.
pub(super) fn no_event(_: Place, event: &Event<Bytes>) -> Result<()> {
    Err(Problem::conflict(format!("nobody publishes to `{}`", event.topic)).fatal())
}

#[expect(clippy::panic, reason = "a trap is what the case is about")]
pub(super) fn panic_on_purpose() -> Result<()> {
    panic!("the case panics on purpose");
}
