//! What a snapshot shows.

use std::ops::Bound;

use super::fixture::{BUCKET, Fixture, between, delete, set, set_for};
use crate::{KeyRange, Order, Rows};

fn keys(rows: &Rows) -> Vec<&str> {
    rows.rows.iter().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
}

#[test]
fn shows_one_moment_whatever_is_committed_later() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1"), set("y", "1")]);
    let mut before = fixture.snapshot(&space, 0);
    assert_eq!(before.get(BUCKET, b"z").unwrap(), None);
    fixture.write(&space, vec![set("x", "2"), delete("y"), set("z", "2")]);
    assert_eq!(before.get(BUCKET, b"x").unwrap().unwrap().value, b"1");
    let all = before.list(BUCKET, &KeyRange::all(), Order::Ascending, 10, 1000).unwrap();
    assert_eq!(keys(&all), ["x", "y"]);
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "2");
    assert_eq!(fixture.value(&space, "y", 0), None);
}

#[test]
fn is_of_the_moment_of_its_opening() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let mut before = fixture.snapshot(&space, 0);
    let version = fixture.write(&space, vec![set("x", "1")]).version;
    assert_eq!(before.get(BUCKET, b"x").unwrap(), None);
    assert_eq!((before.sequence(), fixture.snapshot(&space, 0).sequence()), (version - 1, version));
}

#[test]
fn sees_what_was_answered_before_it_was_opened() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    for round in 0..200 {
        let version = fixture.write(&space, vec![set("x", &round.to_string())]).version;
        let mut snapshot = fixture.snapshot(&space, 0);
        assert_eq!(snapshot.sequence(), version);
        assert_eq!(snapshot.get(BUCKET, b"x").unwrap().unwrap().version, version);
    }
}

#[test]
fn shows_no_other_space_and_no_other_bucket() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.space("a"), fixture.space("b"));
    fixture.write(&a, vec![set("x", "1")]);
    assert_eq!(fixture.get(&b, "x", 0), None);
    assert_eq!(fixture.snapshot(&a, 0).get("other", b"x").unwrap(), None);
    let all = fixture.snapshot(&b, 0).list(BUCKET, &KeyRange::all(), Order::Ascending, 10, 1000).unwrap();
    assert_eq!(all, Rows::default());
}

#[test]
fn a_key_is_gone_from_the_millisecond_of_its_end() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set_for("x", "1", 10), set("y", "1")]);
    assert!(fixture.get(&space, "x", 9).is_some());
    assert!(fixture.get(&space, "x", 10).is_none());
    let list =
        |now_ms| fixture.snapshot(&space, now_ms).list(BUCKET, &KeyRange::all(), Order::Ascending, 1, 1000).unwrap();
    assert_eq!((keys(&list(9)), list(9).more), (vec!["x"], true));
    assert_eq!((keys(&list(10)), list(10).more), (vec!["y"], false));
}

#[test]
fn lists_in_both_directions_within_all_kinds_of_bounds() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, ["a", "aa", "b", "ba", "c"].map(|key| set(key, "v")).into());
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut list = |from, to, order| {
        let rows = snapshot.list(BUCKET, &KeyRange { from, to }, order, 10, 1000).unwrap();
        keys(&rows).join(" ")
    };
    let (included, excluded) = (|key: &str| Bound::Included(key.into()), |key: &str| Bound::Excluded(key.into()));
    assert_eq!(list(Bound::Unbounded, Bound::Unbounded, Order::Ascending), "a aa b ba c");
    assert_eq!(list(Bound::Unbounded, Bound::Unbounded, Order::Descending), "c ba b aa a");
    assert_eq!(list(included("aa"), excluded("ba"), Order::Ascending), "aa b");
    assert_eq!(list(excluded("aa"), included("ba"), Order::Ascending), "b ba");
    assert_eq!(list(excluded("aa"), included("ba"), Order::Descending), "ba b");
    assert_eq!(list(included("c"), included("a"), Order::Ascending), "");
}

#[test]
fn a_page_ends_with_its_rows_or_bytes_but_has_one_row() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("a", "12345"), set("b", "12345"), set("c", "12345")]);
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut page = |rows_max, bytes_max| {
        let rows = snapshot.list(BUCKET, &between("a", "z"), Order::Ascending, rows_max, bytes_max).unwrap();
        (keys(&rows).join(" "), rows.more)
    };
    assert_eq!(page(2, 1000), ("a b".to_owned(), true));
    assert_eq!(page(3, 1000), ("a b c".to_owned(), false));
    assert_eq!(page(3, 12), ("a b".to_owned(), true));
    assert_eq!(page(3, 0), ("a".to_owned(), true));
    assert_eq!(page(0, 0), ("a".to_owned(), true));
}
