//! What becomes of a call's writes, and which calls may write.

use backplane_sdk::prelude::*;

use super::case::{Case, expect, none, query, read, write};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "reads_its_own_writes",
        steps: &[write(|bucket| {
            expect(bucket.get_text("key")?, None)?;
            bucket.set("key", "one")?;
            expect(bucket.get_text("key")?.as_deref(), Some("one"))?;
            bucket.set("key", "two")?;
            expect(bucket.get_many(&["key", "other"])?, vec![Some(b"two".to_vec()), None])?;
            bucket.delete("key")?;
            expect(bucket.get_text("key")?, None)?;
            bucket.set("key", "three")?;
            expect(bucket.get_text("key")?.as_deref(), Some("three"))
        })],
    },
    Case {
        name: "keeps_what_an_ok_wrote",
        steps: &[
            write(|bucket| Ok(bucket.set("key", "kept")?)),
            read(|bucket| expect(bucket.get_text("key")?.as_deref(), Some("kept"))),
            write(|bucket| Ok(bucket.delete("key")?)),
            read(|bucket| expect(bucket.get("key")?, None)),
        ],
    },
    Case {
        name: "forgets_what_an_err_wrote",
        steps: &[
            write(|bucket| Ok(bucket.set("old", "old")?)),
            write(|bucket| {
                bucket.set("new", "new")?;
                bucket.delete("old")?;
                bucket.increment("count", 1)?;
                Err(Problem::conflict("not today"))
            })
            .fails(409, "conflict"),
            read(|bucket| expect(bucket.get_many(&["new", "old", "count"])?, vec![None, Some(b"old".to_vec()), None])),
        ],
    },
    Case {
        name: "forgets_what_a_trap_wrote",
        steps: &[
            write(|bucket| {
                bucket.set("key", "lost")?;
                panic_on_purpose()
            })
            .fails(500, "plugin_failed"),
            read(|bucket| expect(bucket.get("key")?, None)),
        ],
    },
    Case {
        name: "goes_on_after_an_error",
        steps: &[
            write(|bucket| {
                bucket.set("before", "1")?;
                expect(bucket.set("", "2"), Err(kv::Error::InvalidKey))?;
                expect(bucket.set("large", vec![0; (1 << 20) + 1]), Err(kv::Error::ValueTooLarge))?;
                Ok(bucket.set("after", "3")?)
            }),
            read(|bucket| {
                expect(bucket.get_many(&["before", "large", "after"])?, vec![Some(vec![b'1']), None, Some(vec![b'3'])])
            }),
        ],
    },
    Case {
        name: "may_not_write_where_it_reads",
        steps: &[
            write(|bucket| Ok(bucket.set("key", "1")?)),
            read(refuses_to_write),
            query(refuses_to_write),
            read(|bucket| Ok(bucket.set("key", "2")?)).fails(500, "internal"),
            read(|bucket| expect(bucket.get_json("key")?, Some(1))),
        ],
    },
    Case {
        name: "has_no_state_without_a_transaction",
        steps: &[
            none(|bucket| {
                expect(bucket.get("key"), Err(kv::Error::NoTransaction))?;
                expect(bucket.get_many(&["key"]), Err(kv::Error::NoTransaction))?;
                expect(bucket.set("key", "1"), Err(kv::Error::NoTransaction))?;
                expect(bucket.delete("key"), Err(kv::Error::NoTransaction))?;
                expect(bucket.increment("key", 1), Err(kv::Error::NoTransaction))?;
                expect(bucket.list().page(), Err(kv::Error::NoTransaction))
            }),
            none(|bucket| bucket.get("key").map(drop).map_err(Into::into)).fails(500, "internal"),
        ],
    },
];

fn refuses_to_write(bucket: kv::Bucket) -> Result<()> {
    expect(bucket.set("key", "2"), Err(kv::Error::ReadOnly))?;
    expect(bucket.delete("key"), Err(kv::Error::ReadOnly))?;
    expect(bucket.increment("key", 1), Err(kv::Error::ReadOnly))?;
    expect(bucket.get_json("key")?, Some(1))?;
    expect(bucket.list().page()?.items.len(), 1)
}

#[expect(clippy::panic, reason = "a trap is what the case is about")]
fn panic_on_purpose() -> Result<()> {
    panic!("the case panics on purpose");
}
