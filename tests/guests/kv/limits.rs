//! What a key, a value and a transaction may be.

use backplane_sdk::prelude::*;

use super::case::{Case, expect, read, write};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "knows_a_bucket_by_its_name",
        steps: &[
            write(|_| {
                let longest = "a".repeat(64);
                for name in ["a", "0", "a-b_c.d", longest.as_str()] {
                    expect(kv::bucket(name).set("key", "1"), Ok(()))?;
                    expect(kv::bucket(name).get_json("key")?, Some(1))?;
                }
                let too_long = "a".repeat(65);
                for name in ["", "A", "-a", ".a", "_a", "a b", "a/b", "ä", "a\0", too_long.as_str()] {
                    expect(kv::bucket(name).set("key", "1"), Err(kv::Error::InvalidBucket))?;
                    expect(kv::bucket(name).get("key"), Err(kv::Error::InvalidBucket))?;
                    expect(kv::bucket(name).list().page(), Err(kv::Error::InvalidBucket))?;
                }
                Ok(())
            }),
            read(|_| kv::bucket("No").get("key").map(drop).map_err(Into::into)).fails(500, "internal"),
        ],
    },
    Case {
        name: "knows_what_a_key_is",
        steps: &[
            write(|bucket| {
                let longest = "é".repeat(256);
                for key in [" ", "/", "a\nb", "\u{1}", "世界", longest.as_str()] {
                    bucket.set(key, "1")?;
                    expect(bucket.get_json(key)?, Some(1))?;
                }
                let too_long = "a".repeat(513);
                for key in ["", "\0", "a\0b", too_long.as_str()] {
                    expect(bucket.set(key, "1"), Err(kv::Error::InvalidKey))?;
                    expect(bucket.get(key), Err(kv::Error::InvalidKey))?;
                    expect(bucket.get_many(&["fine", key]), Err(kv::Error::InvalidKey))?;
                    expect(bucket.delete(key), Err(kv::Error::InvalidKey))?;
                    expect(bucket.increment(key, 1), Err(kv::Error::InvalidKey))?;
                }
                expect(bucket.list().prefix(too_long.as_str()).page(), Err(kv::Error::InvalidKey))?;
                expect(bucket.list().after(too_long).page(), Err(kv::Error::InvalidKey))
            }),
            read(|bucket| expect(bucket.list().count(), 6)),
            read(|bucket| bucket.get("").map(drop).map_err(Into::into)).fails(422, "invalid_key"),
        ],
    },
    Case {
        name: "takes_a_mebibyte_and_no_more",
        steps: &[
            write(|bucket| {
                expect(bucket.set("key", vec![b'y'; (1 << 20) + 1]), Err(kv::Error::ValueTooLarge))?;
                Ok(bucket.set("key", vec![b'x'; 1 << 20])?)
            }),
            read(|bucket| {
                let value = bucket.get("key")?.unwrap_or_default();
                expect((value.len(), value.iter().all(|byte| *byte == b'x')), (1 << 20, true))
            }),
            write(|bucket| Ok(bucket.set("key", vec![0; (1 << 20) + 1])?)).fails(422, "value_too_large"),
        ],
    },
    Case {
        name: "writes_ten_thousand_keys_and_no_more",
        steps: &[
            write(|bucket| {
                for number in 0..10_000 {
                    bucket.set(&number.to_string(), "")?;
                }
                // A key that is written already takes no more room.
                bucket.set("7", "again")?;
                expect(bucket.set("one-more", ""), Err(kv::Error::TransactionTooLarge))?;
                expect(bucket.delete("one-more"), Err(kv::Error::TransactionTooLarge))?;
                expect(bucket.increment("one-more", 1), Err(kv::Error::TransactionTooLarge))?;
                expect(bucket.get_text("7")?.as_deref(), Some("again"))
            }),
            read(|bucket| {
                expect(bucket.list().count(), 10_000)?;
                expect(bucket.get("one-more")?, None)
            }),
        ],
    },
    Case {
        name: "writes_four_mebibytes_and_no_more",
        steps: &[
            write(|bucket| {
                for key in ["1", "2", "3"] {
                    bucket.set(key, vec![0; 1 << 20])?;
                }
                expect(bucket.set("4", vec![0; 1 << 20]), Err(kv::Error::TransactionTooLarge))?;
                // What is taken back makes room.
                bucket.delete("1")?;
                Ok(bucket.set("4", vec![0; 1 << 20])?)
            }),
            read(|bucket| {
                expect(bucket.get_many(&["1", "4"])?.iter().map(Option::is_some).collect(), vec![false, true])
            }),
            write(|bucket| {
                for key in ["1", "2", "3", "4"] {
                    bucket.set(key, vec![0; 1 << 20])?;
                }
                Ok(())
            })
            .fails(422, "transaction_too_large"),
        ],
    },
    Case {
        name: "reads_eight_mebibytes_at_once_and_no_more",
        steps: &[
            write(|bucket| Ok(bucket.set("key", vec![0; 1 << 20])?)),
            read(|bucket| {
                expect(bucket.get_many(&["key"; 8])?.len(), 8)?;
                expect(bucket.get_many(&["key"; 9]), Err(kv::Error::TransactionTooLarge))
            }),
        ],
    },
    Case {
        name: "reads_ten_thousand_keys_where_it_writes",
        steps: &[
            write(|bucket| {
                let keys: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
                bucket.get_many(&keys)?;
                // What was read is not read again.
                bucket.get_many(&keys)?;
                expect(bucket.get("one-more"), Err(kv::Error::TransactionTooLarge))
            }),
            read(|bucket| {
                let keys: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
                expect(bucket.get_many(&keys)?.len(), 10_001)
            }),
        ],
    },
    Case {
        name: "reads_a_thousand_ranges_where_it_writes",
        steps: &[
            write(|bucket| {
                for number in 0..1000 {
                    bucket.list().prefix(format!("{number}/")).page()?;
                }
                expect(bucket.list().prefix("one-more/").page(), Err(kv::Error::TransactionTooLarge))
            }),
            read(|bucket| {
                for number in 0..1001 {
                    bucket.list().prefix(format!("{number}/")).page()?;
                }
                Ok(())
            }),
        ],
    },
];
