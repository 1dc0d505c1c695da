//! What a topic, a key, a payload and a transaction may be.

use backplane_sdk::prelude::*;

use super::case::{Case, expect, note, write};

/// A topic that nobody subscribes to.
const SILENT: events::Topic = events::topic("silent");

pub(super) const CASES: &[Case] = &[
    Case {
        name: "knows_what_a_topic_is",
        steps: &[
            write(|_| {
                let (long, longest) = ("a".repeat(65), format!("cases.{}", "a".repeat(64)));
                let too_long = format!("{}.{}", "a".repeat(64), "b".repeat(64));
                for topic in ["cases.a-b_c.0", "cases.a.b.c.d.e.f.g", &longest, "silent"] {
                    expect(events::topic(topic).publish_text("").is_ok(), true)?;
                }
                for topic in [
                    "",
                    ".",
                    "a.",
                    ".a",
                    "a..b",
                    "A",
                    "a b",
                    "ä",
                    "*",
                    "cases.*",
                    "a.b.c.d.e.f.g.h.i",
                    &long,
                    &too_long,
                ] {
                    expect(events::topic(topic).publish_text(""), Err(events::Error::InvalidTopic))?;
                }
                Err(Problem::conflict("that was all"))
            })
            .fails(409, "conflict"),
            write(|_| Ok(events::topic("No").publish_text("").map(drop)?)).fails(500, "internal"),
        ],
        handle: note,
    },
    Case {
        name: "publishes_only_what_the_manifest_names",
        steps: &[
            write(|_| {
                for topic in ["cases", "silent.below", "twice.other", "payments.settled", "casesandmore.a"] {
                    expect(events::topic(topic).publish_text(""), Err(events::Error::TopicNotDeclared))?;
                }
                Ok(())
            }),
            write(|_| Ok(events::topic("payments.settled").publish_text("").map(drop)?)).fails(500, "internal"),
        ],
        handle: note,
    },
    Case {
        name: "knows_what_a_key_is",
        steps: &[
            write(|_| {
                let (longest, too_long) = ("a".repeat(256), "a".repeat(257));
                for key in [" ", "/", "世界", &longest] {
                    expect(SILENT.key(key).publish_text("").is_ok(), true)?;
                }
                for key in ["", "\0", "a\nb", "\u{7f}", &too_long] {
                    expect(SILENT.key(key).publish_text(""), Err(events::Error::InvalidKey))?;
                }
                Ok(())
            }),
            write(|_| Ok(SILENT.key("").publish_text("").map(drop)?)).fails(422, "invalid_event_key"),
        ],
        handle: note,
    },
    Case {
        name: "knows_what_a_content_is",
        steps: &[
            write(|_| {
                let too_long = format!("text/{}", "a".repeat(124));
                for (content_type, payload) in [
                    ("text/plain", "{"),
                    ("text/plain;charset=utf-8", ""),
                    ("application/octet-stream; a=\"b;c\"", ""),
                    ("application/json", " {\"a\": [1, \"é\"]} "),
                    ("application/vnd.a+json; charset=utf-8", "null"),
                ] {
                    expect(SILENT.publish_bytes(content_type, payload).is_ok(), true)?;
                }
                for (content_type, payload) in [
                    ("", ""),
                    ("json", "{}"),
                    ("text/", ""),
                    ("text/plain/x", ""),
                    ("text plain", ""),
                    ("text/plain; charset", ""),
                    ("text/plain\r\nx: y", ""),
                    (&too_long, ""),
                    ("application/json", ""),
                    ("application/json", "{"),
                    ("application/json", "1 2"),
                    ("Application/Vnd.a+JSON", "x"),
                ] {
                    let published = SILENT.publish_bytes(content_type, payload);
                    expect(published, Err(events::Error::InvalidContent))?;
                }
                let not_utf8 = SILENT.publish_bytes("application/json", b"\"\xff\"".to_vec());
                expect(not_utf8, Err(events::Error::InvalidContent))
            }),
            write(|_| Ok(SILENT.publish_bytes("json", "").map(drop)?)).fails(500, "internal"),
        ],
        handle: note,
    },
    Case {
        name: "bounds_a_payload",
        steps: &[
            write(|_| {
                let payload = |bytes| SILENT.publish_bytes("application/octet-stream", vec![0; bytes]);
                expect(payload(256 << 10).is_ok(), true)?;
                expect(payload((256 << 10) + 1), Err(events::Error::PayloadTooLarge))
            }),
            write(|_| Ok(SILENT.publish_text("x".repeat((256 << 10) + 1)).map(drop)?)).fails(413, "event_too_large"),
        ],
        handle: note,
    },
    Case {
        name: "bounds_the_events_of_a_call",
        steps: &[
            write(|_| {
                let event = SILENT.text("x");
                events::publish_many(&vec![event.clone(); 990])?;
                expect(events::publish_many(&vec![event.clone(); 11]), Err(events::Error::TransactionTooLarge))?;
                expect(events::publish_many(&vec![event; 10]).is_ok(), true)?;
                expect(SILENT.publish_text("x"), Err(events::Error::TransactionTooLarge))?;
                Err(Problem::conflict("that was all"))
            })
            .fails(409, "conflict"),
            write(|_| Ok(events::publish_many(&vec![SILENT.text("x"); 1001]).map(drop)?))
                .fails(422, "transaction_too_large"),
        ],
        handle: note,
    },
    Case {
        name: "bounds_the_bytes_of_a_call",
        steps: &[write(|_| {
            let event = SILENT.text("x".repeat(250 << 10));
            for _ in 0..16 {
                events::publish(&event)?;
            }
            expect(events::publish(&event), Err(events::Error::TransactionTooLarge))?;
            expect(SILENT.publish_text("x").is_ok(), true)?;
            Err(Problem::conflict("that was all"))
        })
        .fails(409, "conflict")],
        handle: note,
    },
];
