//! Counting with `increment`.

use std::time::Duration;

use super::case::{Case, expect, read, write};
use backplane_sdk::prelude::*;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "counts_from_nothing",
        steps: &[
            write(|bucket| Ok(bucket.increment("visits", 2)?)),
            write(|bucket| Ok(bucket.increment("visits", -5)?)),
            read(|bucket| {
                expect(bucket.get_json::<i64>("visits")?, Some(-3))?;
                expect(bucket.get_text("visits")?.as_deref(), Some("-3"))
            }),
        ],
    },
    Case {
        name: "counts_on_what_was_set",
        steps: &[
            write(|bucket| {
                bucket.set_json("own", &40)?;
                bucket.increment("own", 2)?;
                bucket.set_json("committed", &40)?;
                expect(bucket.get_json("own")?, Some(42))
            }),
            write(|bucket| {
                bucket.increment("committed", 1)?;
                bucket.increment("committed", 1)?;
                expect(bucket.get_json("committed")?, Some(42))?;
                expect(
                    bucket.list().text().page()?.items.iter().map(|entry| entry.value.as_str()).collect(),
                    vec!["42", "42"],
                )
            }),
            read(|bucket| expect(bucket.get_many_json(&["own", "committed"])?, vec![Some(42), Some(42)])),
        ],
    },
    Case {
        name: "counts_from_nothing_after_a_delete",
        steps: &[
            write(|bucket| Ok(bucket.set_json("key", &7)?)),
            write(|bucket| {
                bucket.delete("key")?;
                bucket.increment("key", 1)?;
                expect(bucket.get_json("key")?, Some(1))
            }),
            read(|bucket| expect(bucket.get_json("key")?, Some(1))),
            write(|bucket| {
                bucket.increment("key", 1)?;
                Ok(bucket.delete("key")?)
            }),
            read(|bucket| expect(bucket.get("key")?, None)),
        ],
    },
    Case {
        name: "sets_over_what_was_counted",
        steps: &[
            write(|bucket| {
                bucket.increment("key", 5)?;
                bucket.set("key", "text")?;
                expect(bucket.get_text("key")?.as_deref(), Some("text"))
            }),
            read(|bucket| expect(bucket.get_text("key")?.as_deref(), Some("text"))),
        ],
    },
    Case {
        name: "keeps_the_time_of_what_it_counts",
        steps: &[
            write(|bucket| {
                bucket.set_for("own", "1", Duration::from_secs(30))?;
                bucket.increment("own", 1)?;
                bucket.set_for("committed", "1", Duration::from_secs(30))?;
                Ok(bucket.set_for("long", "1", Duration::from_secs(3600))?)
            }),
            write(|bucket| {
                bucket.increment("committed", 1)?;
                Ok(bucket.increment("long", 1)?)
            }),
            read(|bucket| expect(bucket.get_many_json(&["own", "committed"])?, vec![Some(2), Some(2)])),
            read(|bucket| expect(bucket.get_many_json(&["own", "committed", "long"])?, vec![None, None, Some(2)]))
                .after_ms(30_000),
            // What is counted after its time begins anew, and has none.
            write(|bucket| Ok(bucket.increment("committed", 1)?)),
            read(|bucket| expect(bucket.get_json("committed")?, Some(1))).after_ms(30_000),
        ],
    },
    Case {
        name: "counts_integers_only",
        steps: &[
            write(|bucket| {
                bucket.set("text", "seven")?;
                expect(bucket.increment("text", 1), Err(kv::Error::NotAnInteger))?;
                bucket.set_json("most", &i64::MAX)?;
                expect(bucket.increment("most", 1), Err(kv::Error::NotAnInteger))?;
                bucket.increment("most", 0)?;
                bucket.set_json("least", &i64::MIN)?;
                expect(bucket.increment("least", -1), Err(kv::Error::NotAnInteger))?;
                expect(bucket.get_json("most")?, Some(i64::MAX))
            }),
            write(|bucket| {
                bucket.set("other", "written")?;
                Ok(bucket.increment("text", 1)?)
            })
            .fails(500, "plugin_failed"),
            write(|bucket| Ok(bucket.increment("most", 1)?)).fails(500, "plugin_failed"),
            read(|bucket| {
                expect(bucket.get("other")?, None)?;
                expect(bucket.get_text("text")?.as_deref(), Some("seven"))?;
                expect(bucket.get_json("most")?, Some(i64::MAX))
            }),
        ],
    },
    Case {
        name: "lists_up_to_what_cannot_be_counted",
        steps: &[
            write(|bucket| Ok(bucket.set("a", "1").and(bucket.set("b", "text")).and(bucket.set("c", "1"))?)),
            write(|bucket| {
                bucket.increment("b", 1)?;
                let list = || bucket.list();
                expect(list().page().map(drop), Err(kv::Error::NotAnInteger))?;
                expect(list().limit(2).page().map(drop), Err(kv::Error::NotAnInteger))?;
                // What only tells that there is more is not read.
                let page = list().limit(1).page()?;
                expect((page.items.len(), page.next.as_deref()), (1, Some("a")))?;
                let page = list().descending().limit(1).page()?;
                expect((page.items.len(), page.next.as_deref()), (1, Some("c")))?;
                expect(list().after("b".to_owned()).page()?.items.len(), 1)?;
                Ok(bucket.delete("b")?)
            }),
        ],
    },
];
