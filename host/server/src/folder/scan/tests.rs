//! The rules of the watcher, on a clock that only the test moves.

use std::time::Duration;

use backplane_runtime::ContentHash;

use super::*;
use crate::folder::{Arrival, FileKind, RefuseReason, listing::Stamp};

const PATIENCE: Patience = Patience {
    settle_time: Duration::from_millis(300),
    removal_grace: Duration::from_millis(2000),
    incomplete_grace: Duration::from_millis(30_000),
};

/// A folder in memory. The content of a file is its text; a component ends with a full stop.
struct Folder {
    scan: Scan,
    files: BTreeMap<FileName, (Seen, &'static str, Option<&'static str>)>,
    done: BTreeSet<String>,
    start: Instant,
    version: i64,
}

impl Folder {
    fn new() -> Self {
        Self {
            scan: Scan::new(PATIENCE),
            files: BTreeMap::new(),
            done: BTreeSet::new(),
            start: Instant::now(),
            version: 0,
        }
    }

    fn stamp(&mut self, text: &str) -> Stamp {
        self.version += 1;
        Stamp::fake(text.len() as u64, self.version)
    }

    fn entry(&mut self, name: &str) -> &mut (Seen, &'static str, Option<&'static str>) {
        let absent = Seen { kind: FileKind::Regular, stamp: Stamp::NONE, sidecar: None };
        self.files.entry(file(name)).or_insert((absent, "", None))
    }

    /// Writes without a hint.
    fn write(&mut self, name: &str, text: &'static str) -> &mut Self {
        let stamp = self.stamp(text);
        let entry = self.entry(name);
        (entry.0.stamp, entry.1) = (stamp, text);
        self
    }

    fn write_sidecar(&mut self, name: &str, text: Option<&'static str>) -> &mut Self {
        let stamp = text.map(|text| self.stamp(text));
        let entry = self.entry(name);
        (entry.0.sidecar, entry.2) = (stamp, text);
        self
    }

    fn make(&mut self, name: &str, kind: FileKind) -> &mut Self {
        self.write(name, "");
        self.entry(name).0.kind = kind;
        self
    }

    fn remove(&mut self, name: &str) -> &mut Self {
        self.files.remove(&file(name));
        self
    }

    /// Says that the writer of an entry closed it.
    fn close(&mut self, entry: &str) -> &mut Self {
        self.done.insert(entry.into());
        self
    }

    /// Looks at the folder at a time in milliseconds since the start and returns what is said.
    fn look(&mut self, at_ms: u64) -> Vec<String> {
        let now = self.start + Duration::from_millis(at_ms);
        let listing = self.files.iter().map(|(name, (seen, ..))| (name.clone(), *seen)).collect();
        let observed = self.scan.observe(&listing, &std::mem::take(&mut self.done), now);
        let mut changes = observed.changes;
        for name in observed.examine {
            let intake = self.read(&name);
            changes.extend(self.scan.examined(&name, intake, now));
        }
        changes.extend(observed.removed.into_iter().map(|file| Change::Removed { file }));
        if self.scan.completes() {
            changes.push(Change::ScanCompleted);
        }
        changes.iter().map(show).collect()
    }

    fn read(&self, name: &FileName) -> Intake {
        let (_, text, sidecar) = self.files.get(name).expect("only listed files are read");
        let hash = ContentHash::of(text.as_bytes());
        match text.as_bytes() {
            [.., b'.'] => Intake::Complete { hash, bytes: (*text).into(), sidecar: sidecar.map(Into::into) },
            [b'!', ..] => {
                let reason = RefuseReason::NotAComponent { reason: "!".into() };
                Intake::Refused { hash: Some(hash), reason }
            }
            [b'?', ..] => Intake::Changed,
            _ => Intake::Truncated { bytes: text.len() as u64 },
        }
    }

    /// Returns when the next look is due, in milliseconds since the start.
    fn due(&self) -> Option<u128> {
        self.scan.due().map(|due| (due - self.start).as_millis())
    }
}

fn file(name: &str) -> FileName {
    FileName::find(name.as_bytes()).expect("the test names a plugin file")
}

fn show(change: &Change) -> String {
    match change {
        Change::Arrived(Arrival { file, bytes, sidecar, .. }) => {
            let sidecar = sidecar.as_ref().map(|text| format!(" with {text}")).unwrap_or_default();
            format!("+{file} {}{sidecar}", String::from_utf8_lossy(bytes))
        }
        Change::Removed { file } => format!("-{file}"),
        Change::Refused { file, reason, .. } => format!("!{file} {reason}"),
        Change::ScanCompleted => "completed".into(),
    }
}

const NOTHING: [&str; 0] = [];

/// A folder that was empty when the watch began.
fn empty_folder() -> Folder {
    let mut folder = Folder::new();
    assert_eq!(folder.look(0), ["completed"]);
    folder
}

/// A folder with `a.wasm`, spoken of.
fn folder_with_a() -> Folder {
    let mut folder = empty_folder();
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(0), ["+a.wasm one."]);
    folder
}

#[test]
fn a_closed_file_arrives_at_once() {
    folder_with_a();
}

#[test]
fn a_file_without_a_hint_arrives_when_it_settled() {
    let mut folder = empty_folder();
    assert_eq!(folder.write("a.wasm", "one.").look(100), NOTHING);
    assert_eq!(folder.due(), Some(400));
    assert_eq!(folder.look(399), NOTHING);
    assert_eq!(folder.look(400), ["+a.wasm one."]);
    assert_eq!(folder.due(), None);
    assert_eq!(folder.look(10_000), NOTHING);
}

#[test]
fn a_change_starts_the_settle_time_again() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "one.").look(0);
    assert_eq!(folder.write("a.wasm", "two.").look(200), NOTHING);
    assert_eq!(folder.look(499), NOTHING);
    assert_eq!(folder.look(500), ["+a.wasm two."]);
}

#[test]
fn the_files_of_the_start_are_spoken_of_before_the_scan_is_completed() {
    let mut folder = Folder::new();
    folder.write("a.wasm", "one.").write("b.wasm", "two.").write("c_c.wasm", "").make("d.wasm", FileKind::SymbolicLink);
    let said = folder.look(0);
    assert_eq!(said.len(), 5, "{said:?}");
    assert_eq!(said[2..], ["+a.wasm one.", "+b.wasm two.", "completed"]);
}

#[test]
fn the_scan_does_not_wait_for_files_that_are_being_written() {
    let mut folder = Folder::new();
    assert_eq!(folder.write("a.wasm", "on").write("b.wasm", "two.").look(0), ["+b.wasm two.", "completed"]);
    assert_eq!(folder.write("a.wasm", "one").look(200), NOTHING);
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(300), ["+a.wasm one."]);
}

#[test]
fn the_scan_is_completed_once() {
    let mut folder = empty_folder();
    assert_eq!(folder.look(1), NOTHING);
}

#[test]
fn the_same_content_again_says_nothing() {
    let mut folder = folder_with_a();
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(10), NOTHING);
    assert_eq!(folder.close("a.wasm").look(20), NOTHING);
}

#[test]
fn a_hint_without_a_new_stamp_reads_again() {
    let mut folder = folder_with_a();
    folder.entry("a.wasm").1 = "two.";
    assert_eq!(folder.look(10), NOTHING);
    assert_eq!(folder.close("a.wasm").look(20), ["+a.wasm two."]);
}

#[test]
fn a_growing_file_is_never_spoken_of_before_it_is_whole() {
    let mut folder = empty_folder();
    for (at_ms, text) in [(0, ""), (20_000, "o"), (40_000, "on"), (65_000, "one")] {
        assert_eq!(folder.write("a.wasm", text).close("a.wasm").look(at_ms), NOTHING);
        assert_eq!(folder.due(), Some(u128::from(at_ms) + 30_000));
        assert_eq!(folder.look(at_ms + 400), NOTHING);
    }
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(70_000), ["+a.wasm one."]);
    assert_eq!(folder.due(), None);
}

#[test]
fn a_file_that_stays_truncated_is_refused_once_and_looked_at_again_when_it_changes() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "on").close("a.wasm").look(0);
    assert_eq!(folder.look(29_999), NOTHING);
    assert_eq!(folder.look(30_000), ["!a.wasm it ends too early, after 2 bytes: copy it again"]);
    assert_eq!(folder.due(), None);
    assert_eq!(folder.look(60_000), NOTHING);
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(61_000), ["+a.wasm one."]);
}

#[test]
fn an_empty_file_is_waited_for_and_then_refused() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "").close("a.wasm").look(0);
    assert_eq!(folder.look(29_999), NOTHING);
    assert_eq!(folder.look(30_000), ["!a.wasm it ends too early, after 0 bytes: copy it again"]);
}

#[test]
fn a_wrong_file_is_refused_once_for_each_content() {
    let mut folder = folder_with_a();
    assert_eq!(folder.write("a.wasm", "!").close("a.wasm").look(10), ["!a.wasm it is not a component: !"]);
    assert_eq!(folder.write("a.wasm", "!").close("a.wasm").look(20), NOTHING);
    assert_eq!(folder.write("a.wasm", "!!").close("a.wasm").look(30), ["!a.wasm it is not a component: !"]);
}

#[test]
fn the_earlier_content_after_a_wrong_one_arrives_again() {
    let mut folder = folder_with_a();
    folder.write("a.wasm", "!").close("a.wasm").look(10);
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(20), ["+a.wasm one."]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again_when_it_settled() {
    let mut folder = empty_folder();
    assert_eq!(folder.write("a.wasm", "?").close("a.wasm").look(0), NOTHING);
    assert_eq!(folder.due(), Some(300));
    folder.entry("a.wasm").1 = "one.";
    assert_eq!(folder.look(299), NOTHING);
    assert_eq!(folder.look(300), ["+a.wasm one."]);
}

#[test]
fn what_is_no_file_is_refused_once() {
    let mut folder = empty_folder();
    for (kind, shown) in [
        (FileKind::SymbolicLink, "a symbolic link"),
        (FileKind::Folder, "a folder"),
        (FileKind::Special, "a pipe, a socket or a device"),
    ] {
        let expected = format!("!a.wasm it is {shown}: put the component's own file into the folder");
        assert_eq!(folder.make("a.wasm", kind).look(0), [expected]);
        assert_eq!(folder.make("a.wasm", kind).close("a.wasm").look(1), NOTHING);
        assert_eq!(folder.due(), None);
    }
    assert_eq!(
        folder.make("a.wasm", FileKind::Regular).write("a.wasm", "one.").close("a.wasm").look(2),
        ["+a.wasm one."]
    );
}

#[test]
fn a_misnamed_file_is_refused_until_it_is_gone() {
    let mut folder = empty_folder();
    let said = folder.write("hello_reused.wasm", "one.").look(0);
    assert!(said.iter().any(|said| said.ends_with("rename it to `hello-reused.wasm`")), "{said:?}");
    assert_eq!(folder.look(1000), NOTHING);
    folder.remove("hello_reused.wasm").write("hello-reused.wasm", "one.").close("hello-reused.wasm");
    assert_eq!(folder.look(2000), ["+hello-reused.wasm one."]);
    assert_eq!(folder.look(4000), ["-hello_reused.wasm"]);
}

#[test]
fn a_removal_is_said_after_the_grace() {
    let mut folder = folder_with_a();
    assert_eq!(folder.remove("a.wasm").look(1000), NOTHING);
    assert_eq!(folder.due(), Some(3000));
    assert_eq!(folder.look(2999), NOTHING);
    assert_eq!(folder.look(3000), ["-a.wasm"]);
    assert_eq!((folder.look(9000), folder.due()), (vec![], None));
}

#[test]
fn a_file_that_comes_back_within_the_grace_was_never_away() {
    let mut folder = folder_with_a();
    folder.remove("a.wasm").look(1000);
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(2000), NOTHING);
    assert_eq!(folder.look(60_000), NOTHING);
    folder.remove("a.wasm").look(61_000);
    assert_eq!(folder.write("a.wasm", "two.").close("a.wasm").look(62_000), ["+a.wasm two."]);
}

#[test]
fn a_file_that_comes_back_after_the_grace_arrives_again() {
    let mut folder = folder_with_a();
    folder.remove("a.wasm").look(1000);
    folder.look(3000);
    assert_eq!(folder.write("a.wasm", "one.").close("a.wasm").look(4000), ["+a.wasm one."]);
}

#[test]
fn a_removal_of_what_was_not_spoken_of_is_not_said() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "on").close("a.wasm").look(0);
    assert_eq!(folder.remove("a.wasm").look(100), NOTHING);
    assert_eq!((folder.look(9000), folder.due()), (vec![], None));
}

#[test]
fn a_renamed_file_arrives_before_the_old_name_is_removed() {
    let mut folder = folder_with_a();
    assert_eq!(folder.remove("a.wasm").write("b.wasm", "one.").close("b.wasm").look(100), ["+b.wasm one."]);
    assert_eq!(folder.look(2100), ["-a.wasm"]);
    assert_eq!(folder.remove("b.wasm").write("c.wasm", "one.").look(3000), NOTHING);
    assert_eq!(folder.look(6000), ["+c.wasm one.", "-b.wasm"]);
}

#[test]
fn a_sidecar_comes_with_its_file() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "one.").close("a.wasm").write_sidecar("a.wasm", Some("x")).close("a.toml");
    assert_eq!(folder.look(0), ["+a.wasm one. with x"]);
    assert_eq!(folder.write_sidecar("a.wasm", Some("y")).close("a.toml").look(10), ["+a.wasm one. with y"]);
    assert_eq!(folder.write_sidecar("a.wasm", Some("y")).close("a.toml").look(20), NOTHING);
}

#[test]
fn a_sidecar_that_is_being_written_is_waited_for() {
    let mut folder = empty_folder();
    folder.write("a.wasm", "one.").close("a.wasm").write_sidecar("a.wasm", Some(""));
    assert_eq!(folder.look(0), NOTHING);
    assert_eq!(folder.write_sidecar("a.wasm", Some("x")).close("a.toml").look(10), ["+a.wasm one. with x"]);
}

#[test]
fn a_later_sidecar_reports_the_file_again() {
    let mut folder = folder_with_a();
    assert_eq!(folder.write_sidecar("a.wasm", Some("x")).close("a.toml").look(10), ["+a.wasm one. with x"]);
}

#[test]
fn a_sidecar_may_be_away_for_a_moment() {
    let mut folder = folder_with_a();
    folder.write_sidecar("a.wasm", Some("x")).close("a.toml").look(10);
    assert_eq!(folder.write_sidecar("a.wasm", None).look(1000), NOTHING);
    assert_eq!(folder.write_sidecar("a.wasm", Some("x")).close("a.toml").look(1100), NOTHING);
    assert_eq!(folder.write_sidecar("a.wasm", None).look(2000), NOTHING);
    assert_eq!(folder.due(), Some(4000));
    assert_eq!(folder.look(4000), ["+a.wasm one."]);
}

#[test]
fn says_whether_the_listing_differs() {
    let mut folder = folder_with_a();
    let differs = |folder: &mut Folder| {
        let listing = folder.files.iter().map(|(name, (seen, ..))| (name.clone(), *seen)).collect();
        folder.scan.observe(&listing, &BTreeSet::new(), folder.start).differs
    };
    assert!(!differs(&mut folder));
    assert!(differs(folder.write("a.wasm", "two.")));
    assert!(differs(folder.write_sidecar("a.wasm", Some("x"))));
    assert!(!differs(&mut folder));
    assert!(differs(folder.remove("a.wasm")));
    assert!(!differs(&mut folder));
    assert!(differs(folder.write("b.wasm", "one.")));
}
