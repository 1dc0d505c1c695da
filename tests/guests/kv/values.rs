//! What a key can hold, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use backplane_sdk::prelude::*;

use super::case::{Case, expect, read, write};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "holds_bytes_text_and_json",
        steps: &[
            write(|bucket| {
                bucket.set("bytes", [0, 255, 128])?;
                bucket.set("empty", "")?;
                bucket.set_text("text", "世界")?;
                Ok(bucket.set_json("json", &BTreeMap::from([("a", [1, 2])]))?)
            }),
            read(|bucket| {
                expect(bucket.get("bytes")?, Some(vec![0, 255, 128]))?;
                expect(bucket.get("empty")?, Some(Vec::new()))?;
                expect(bucket.get_text("text")?.as_deref(), Some("世界"))?;
                expect(bucket.get_text("json")?.as_deref(), Some(r#"{"a":[1,2]}"#))?;
                expect(bucket.get_json("json")?, Some(BTreeMap::from([("a".to_owned(), [1, 2])])))
            }),
        ],
    },
    Case {
        name: "says_what_it_cannot_read",
        steps: &[
            write(|bucket| Ok(bucket.set("key", [255])?)),
            read(|bucket| {
                let fault = "`key` in bucket `says_what_it_cannot_read` is not text: ";
                let text = bucket.get_text("key");
                expect(matches!(text, Err(kv::Error::Unreadable(found)) if found.starts_with(fault)), true)?;
                expect(matches!(bucket.get_json::<u8>("key"), Err(kv::Error::Unreadable(_))), true)
            }),
            read(|bucket| bucket.list().text().page().map(drop).map_err(Into::into)).fails(500, "internal"),
        ],
    },
    Case {
        name: "keeps_buckets_apart",
        steps: &[
            write(|bucket| {
                bucket.set("key", "here")?;
                Ok(kv::bucket("keeps_buckets_apart.2").set("key", "there")?)
            }),
            write(|bucket| Ok(bucket.delete("key")?)),
            read(|bucket| {
                expect(bucket.get("key")?, None)?;
                expect(bucket.list().page()?, kv::Page::default())?;
                expect(kv::bucket("keeps_buckets_apart.2").get_text("key")?.as_deref(), Some("there"))
            }),
        ],
    },
    Case {
        name: "reads_many_keys_at_once",
        steps: &[
            write(|bucket| {
                for number in 0..250 {
                    bucket.set_json(&format!("key-{number}"), &number)?;
                }
                Ok(())
            }),
            read(|bucket| {
                let mut keys: Vec<String> = (0..260).map(|number| format!("key-{number}")).collect();
                keys.push("key-7".into());
                let mut expected: Vec<Option<u32>> = (0..250).map(Some).collect();
                expected.extend([None; 10]);
                expected.push(Some(7));
                expect(bucket.get_many_json(&keys)?, expected)?;
                expect(bucket.get_many::<&str>(&[])?, Vec::new())
            }),
        ],
    },
    Case {
        name: "forgets_a_key_when_its_time_is_over",
        steps: &[
            write(|bucket| {
                bucket.set_for("short", "1", Duration::from_millis(20))?;
                bucket.set_json_for("long", &1, HOUR)?;
                bucket.set("for-ever", "1")?;
                // Within the call the time stands still.
                expect(bucket.get_text("short")?.as_deref(), Some("1"))
            }),
            read(|bucket| {
                expect(bucket.get("short")?, None)?;
                expect(keys(bucket)?, vec!["for-ever".to_owned(), "long".to_owned()])
            })
            .after_ms(20),
        ],
    },
    Case {
        name: "sets_a_new_time_or_none",
        steps: &[
            write(|bucket| {
                bucket.set_for("kept", "1", Duration::from_millis(1))?;
                bucket.set("kept", "2")?;
                bucket.set_for("shortened", "1", HOUR)?;
                bucket.set_for("shortened", "2", Duration::from_millis(1))?;
                bucket.set_for("renewed", "1", Duration::from_millis(1))?;
                Ok(bucket.set_for("renewed", "2", HOUR)?)
            }),
            read(|bucket| expect(keys(bucket)?, vec!["kept".to_owned(), "renewed".to_owned()])).after_ms(1),
        ],
    },
    Case {
        name: "takes_no_time_for_a_delete",
        steps: &[
            write(|bucket| {
                bucket.set("key", "1")?;
                bucket.set_for("key", "2", Duration::ZERO)?;
                expect(bucket.get("key")?, None)
            }),
            read(|bucket| expect(bucket.get("key")?, None)),
        ],
    },
    Case {
        name: "rounds_a_short_time_up",
        steps: &[write(|bucket| {
            bucket.set_for("key", "1", Duration::from_nanos(1))?;
            expect(bucket.get_text("key")?.as_deref(), Some("1"))
        })],
    },
    Case {
        name: "sets_a_key_for_longer_than_time_can_be_told",
        steps: &[
            write(|bucket| Ok(bucket.set_for("key", "1", Duration::MAX)?)),
            read(|bucket| expect(bucket.get_text("key")?.as_deref(), Some("1"))).after_ms(1),
        ],
    },
];

fn keys(bucket: kv::Bucket) -> Result<Vec<String>> {
    bucket.list().map(|entry| Ok(entry?.key)).collect()
}
