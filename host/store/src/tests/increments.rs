//! What an increment does.

use super::fixture::{Fixture, delete, empty, increment, set, set_for};
use crate::{Commit, CommitError};

#[test]
fn adds_to_what_is_there_and_begins_at_zero() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![increment("n", 5)]);
    fixture.write(&space, vec![increment("n", -7)]);
    assert_eq!(fixture.value(&space, "n", 0).unwrap(), "-2");
    fixture.write(&space, vec![set("n", "+40"), increment("n", 2)]);
    assert_eq!(fixture.value(&space, "n", 0).unwrap(), "42");
    fixture.write(&space, vec![delete("n"), increment("n", 1), increment("n", 1)]);
    assert_eq!(fixture.value(&space, "n", 0).unwrap(), "2");
}

#[test]
fn keeps_the_end_of_the_key() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set_for("n", "1", 10)]);
    fixture.commit(Commit { now_ms: 9, writes: vec![increment("n", 1)], ..empty(&space) }).unwrap();
    assert_eq!(fixture.value(&space, "n", 9).unwrap(), "2");
    assert_eq!(fixture.value(&space, "n", 10), None);
}

#[test]
fn begins_anew_without_an_end_once_the_key_ended() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set_for("n", "100", 10)]);
    fixture.commit(Commit { now_ms: 10, writes: vec![increment("n", 1)], ..empty(&space) }).unwrap();
    assert_eq!(fixture.value(&space, "n", 1_000_000).unwrap(), "1");
}

#[test]
fn refuses_what_is_no_integer_and_sums_that_do_not_fit() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    for (value, by) in [("", 1), ("1.5", 1), (" 1", 1), ("x", 0), ("9223372036854775807", 1), ("-1", i64::MIN)] {
        fixture.write(&space, vec![set("n", value)]);
        let writes = vec![set("other", "1"), increment("n", by)];
        match fixture.commit(Commit { writes, ..empty(&space) }) {
            Err(CommitError::NotAnInteger { bucket, key }) => {
                assert_eq!((&*bucket, key.as_slice()), ("b", b"n".as_slice()));
            }
            outcome => panic!("{value} + {by}: {outcome:?}"),
        }
        assert_eq!(fixture.value(&space, "n", 0).unwrap(), value);
        assert_eq!(fixture.value(&space, "other", 0), None, "half of a refused commit");
    }
    fixture.write(&space, vec![set("n", "9223372036854775806"), increment("n", 1)]);
    assert_eq!(fixture.value(&space, "n", 0).unwrap(), i64::MAX.to_string());
}
