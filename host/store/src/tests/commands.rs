//! Commands beside a running server.

use super::fixture::{Fixture, empty, get_and_note, set, set_for};
use crate::{Change, CommandStore, Commit, CommitError, Deleted, ExportError, KeyWrite, Quota, Usage};

fn open(fixture: &Fixture) -> CommandStore {
    CommandStore::open(fixture.store.path()).unwrap()
}

#[test]
fn exports_what_is_committed_and_not_over() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1"), set_for("y", "2", 10), set_for("z", "3", 11)]);
    let bytes = Change::Set { value: vec![0xff], ttl_ms: None };
    fixture.write(&space, vec![KeyWrite { bucket: "a".into(), key: b"k".into(), change: bytes }]);
    let mut out = Vec::new();
    assert_eq!(open(&fixture).export("a", 10, &mut out).unwrap(), 3);
    let expected = r#"{"bucket":"a","key":"k","value_base64":"/w=="}
{"bucket":"b","key":"x","value":"1"}
{"bucket":"b","key":"z","value":"3","expires_at_ms":11}
"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_export_is_one_state() {
    /// Commits another value to every key whenever a page is written.
    struct Changing<'a>(&'a Fixture, Vec<u8>);
    impl std::io::Write for Changing<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(&self.0.space("a"), writes("late"));
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    fn writes(value: &str) -> Vec<KeyWrite> {
        (0..1_200).map(|key| set(&format!("{key:04}"), value)).collect()
    }
    let fixture = Fixture::new();
    fixture.write(&fixture.space("a"), writes("early"));
    let mut out = Changing(&fixture, Vec::new());
    assert_eq!(open(&fixture).export("a", 0, &mut out).unwrap(), 1_200);
    let text = String::from_utf8(out.1).unwrap();
    assert_eq!((text.matches("early").count(), text.matches("late").count()), (1_200, 0));
}

#[test]
fn says_which_plugin_never_kept_anything_and_which_does() {
    let fixture = Fixture::new();
    let mut store = open(&fixture);
    let refused = store.export("a", 0, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "plugin `a` never kept anything");
    assert_eq!(store.find_usage("a").unwrap(), None);
    fixture.write(&fixture.space("a"), vec![set("x", "1")]);
    let usage = Usage { plugin: "a".into(), keys: 1, replies: 0, bytes: 3 };
    assert_eq!(store.find_usage("a").unwrap(), Some(usage.clone()));
    assert_eq!(store.list_usage().unwrap(), [usage]);
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    let fixture = Fixture::new();
    fixture.write(&fixture.space("a"), vec![set("x", "1")]);
    let refused = open(&fixture).export("a", 0, &mut &mut [0_u8; 3][..]);
    assert!(matches!(refused, Err(ExportError::Write(_))), "{refused:?}");
}

#[test]
fn what_a_command_deletes_is_gone_for_the_server_with_what_it_counted() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 2, bytes: 100 }).unwrap();
    fixture.write(&space, vec![set("x", "1"), set("y", "1")]);
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut reads = Vec::new();
    get_and_note(&mut snapshot, "x", &mut reads);
    let mut store = open(&fixture);
    let deleted = Deleted { keys: 2, replies: 0, bytes: 6, more: false };
    assert_eq!(store.delete_step("a").unwrap(), deleted);
    assert_eq!(store.delete_step("a").unwrap(), Deleted::default());
    assert_eq!(store.delete_step("nobody").unwrap(), Deleted::default());

    // Whoever has seen that it is gone does not find it in memory.
    let seen = fixture.snapshot(&space, 0).sequence();
    assert!(fixture.store.recent_sequence().is_none_or(|sequence| sequence >= seen));
    let late = Commit { snapshot: Some(snapshot.sequence()), reads, writes: vec![set("z", "1")], ..empty(&space) };
    let conflict = fixture.commit(late);
    assert!(matches!(conflict, Err(CommitError::Conflict)), "{conflict:?}");
    fixture.write(&space, vec![set("x", "2"), set("y", "2")]);
    assert_eq!(store.find_usage("a").unwrap().unwrap().keys, 2);
}
