//! Going through the keys of a bucket.

use backplane_sdk::prelude::*;

use super::case::{Case, expect, read, write};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "lists_in_the_order_of_bytes",
        steps: &[
            write(|bucket| set_all(bucket, &["b", "a/2", "a", "Z", "ä", "a/10", "\u{10ffff}", "a0", "~"])),
            read(|bucket| {
                let ordered = ["Z", "a", "a/10", "a/2", "a0", "b", "~", "ä", "\u{10ffff}"];
                expect(keys(bucket.list())?, owned(&ordered))?;
                let mut reversed = ordered;
                reversed.reverse();
                expect(keys(bucket.list().descending())?, owned(&reversed))
            }),
        ],
    },
    Case {
        name: "lists_from_and_within",
        steps: &[
            write(|bucket| set_all(bucket, &["a", "a/1", "a/2", "a/3", "a0", "b", "\u{10ffff}\u{10ffff}"])),
            read(|bucket| {
                let list = || bucket.list();
                let after = |key: &str| Some(key.to_owned());
                expect(keys(list().prefix("a/"))?, owned(&["a/1", "a/2", "a/3"]))?;
                expect(keys(list().prefix("a/").descending())?, owned(&["a/3", "a/2", "a/1"]))?;
                expect(keys(list().prefix("c"))?, owned(&[]))?;
                expect(keys(list().prefix("\u{10ffff}"))?, owned(&["\u{10ffff}\u{10ffff}"]))?;
                expect(keys(list().after(after("a/2")).limit(2))?, owned(&["a/3", "a0"]))?;
                expect(keys(list().after(after("a/25")).limit(1))?, owned(&["a/3"]))?;
                expect(keys(list().after(after("a/2")).descending())?, owned(&["a/1", "a"]))?;
                // A position outside of the prefix is a position all the same.
                expect(keys(list().prefix("a/").after(after("Z")))?, owned(&["a/1", "a/2", "a/3"]))?;
                expect(keys(list().prefix("a/").after(after("b")))?, owned(&[]))?;
                expect(keys(list().prefix("a/").after(after("b")).descending().limit(1))?, owned(&["a/3"]))?;
                expect(keys(list().prefix("a/").after(after("Z")).descending())?, owned(&[]))?;
                expect(keys(list().after(after("")).limit(1))?, owned(&["a"]))
            }),
        ],
    },
    Case {
        name: "lists_a_page_at_a_time",
        steps: &[
            write(|bucket| {
                for number in 0..5 {
                    bucket.set_json(&format!("key-{number}"), &number)?;
                }
                Ok(())
            }),
            read(|bucket| {
                let first = bucket.list().limit(2).json::<u8>().page()?;
                expect((values(&first), first.next.clone()), (vec![0, 1], Some("key-1".into())))?;
                let second = bucket.list().limit(2).after(first.next).json::<u8>().page()?;
                expect((values(&second), second.next.clone()), (vec![2, 3], Some("key-3".into())))?;
                let last = bucket.list().limit(2).after(second.next).json::<u8>().page()?;
                expect((values(&last), last.next), (vec![4], None))?;
                // No page is empty, unless there is nothing.
                let least = bucket.list().limit(0).json::<u8>().page()?;
                expect((values(&least), least.next), (vec![0], Some("key-0".into())))?;
                let whole = bucket.list().limit(5).descending().json::<u8>().page()?;
                expect((values(&whole), whole.next), (vec![4, 3, 2, 1, 0], None))?;
                expect(bucket.list().prefix("none").page()?, kv::Page::default())
            }),
        ],
    },
    Case {
        name: "lists_what_the_call_itself_wrote",
        steps: &[
            write(|bucket| set_all(bucket, &["b", "d", "f"])),
            write(|bucket| {
                bucket.set("a", "own")?;
                bucket.set("d", "own")?;
                bucket.set("e", "own")?;
                bucket.delete("b")?;
                bucket.increment("g", 1)?;
                bucket.delete("nothing")?;
                let page = bucket.list().text().page()?;
                let found: Vec<_> = page.items.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
                expect(found, vec![("a", "own"), ("d", "own"), ("e", "own"), ("f", "f"), ("g", "1")])?;
                expect(page.next, None)?;
                expect(keys(bucket.list().descending())?, owned(&["g", "f", "e", "d", "a"]))?;
                expect(keys(bucket.list().prefix("e"))?, owned(&["e"]))?;
                // A limit counts what is there, not what was.
                let page = bucket.list().limit(2).page()?;
                expect((page.items.len(), page.next), (2, Some("d".into())))?;
                let page = bucket.list().after("f".to_owned()).limit(2).page()?;
                expect((page.items.len(), page.next), (1, None))
            }),
            read(|bucket| expect(keys(bucket.list())?, owned(&["a", "d", "e", "f", "g"]))),
        ],
    },
    Case {
        name: "lists_a_page_although_its_first_rows_are_deleted",
        steps: &[
            write(|bucket| {
                for number in 0..50 {
                    bucket.set(&format!("key-{number:02}"), "x")?;
                }
                Ok(())
            }),
            write(|bucket| {
                for number in 0..49 {
                    bucket.delete(&format!("key-{number:02}"))?;
                }
                let page = bucket.list().limit(3).page()?;
                expect((page.items.len(), page.next), (1, None))?;
                bucket.delete("key-49")?;
                expect(bucket.list().limit(3).page()?, kv::Page::default())
            }),
        ],
    },
    Case {
        name: "goes_through_thousands",
        steps: &[
            write(|bucket| {
                for number in 0..2345 {
                    bucket.set_json(&format!("{number:04}"), &number)?;
                }
                Ok(())
            }),
            read(|bucket| {
                let numbers: Vec<u32> = bucket.list().json().map(|entry| Ok(entry?.value)).collect::<Result<_>>()?;
                expect(numbers == (0..2345).collect::<Vec<_>>(), true)?;
                let last: Vec<u32> = bucket
                    .list()
                    .descending()
                    .limit(1200)
                    .json()
                    .map(|entry| Ok(entry?.value))
                    .collect::<Result<_>>()?;
                expect(last == (1145..2345).rev().collect::<Vec<_>>(), true)?;
                let page = bucket.list().limit(5000).page()?;
                expect((page.items.len(), page.next.as_deref()), (1000, Some("0999")))
            }),
        ],
    },
    Case {
        name: "ends_a_page_after_a_mebibyte",
        steps: &[
            write(|bucket| {
                for number in 0..30 {
                    bucket.set(&format!("{number:02}"), vec![b'x'; 100 << 10])?;
                }
                Ok(())
            }),
            write(|bucket| Ok(bucket.set("large", vec![b'x'; 1 << 20])?)),
            read(|bucket| {
                let page = bucket.list().page()?;
                expect((5..=10).contains(&page.items.len()) && page.next.is_some(), true)?;
                expect(bucket.list().count(), 31)?;
                // One entry is returned however large it is.
                let page = bucket.list().prefix("large").page()?;
                expect((page.items.len(), page.next), (1, None))
            }),
        ],
    },
];

fn set_all(bucket: kv::Bucket, keys: &[&str]) -> Result<()> {
    for key in keys {
        bucket.set(key, key)?;
    }
    Ok(())
}

fn keys(list: kv::List) -> Result<Vec<String>> {
    list.map(|entry| Ok(entry?.key)).collect()
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn values(page: &kv::Page<kv::Entry<u8>>) -> Vec<u8> {
    page.items.iter().map(|entry| entry.value).collect()
}
