//! Versions on a real disk, with a restart wherever that could lose something.

use std::{
    fs::{self, File},
    sync::mpsc,
    thread,
    time::Duration,
};

use backplane_store::StoreOptions;
use jiff::Timestamp;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn plugin(name: &str) -> PluginName {
    PluginName::new(name).expect("the test uses plugin names")
}

fn hash(content: &str) -> ContentHash {
    ContentHash::of(content.as_bytes())
}

fn record(content: &str) -> VersionRecord {
    VersionRecord {
        hash: hash(content),
        version: format!("0.0.{}", content.len()),
        file: "a.wasm".into(),
        sidecar: Some("name = \"a\"".into()),
        loaded_at: Timestamp::constant(1_700_000_000, 0),
    }
}

fn open(data: &TempDir) -> Result<Versions, Box<dyn std::error::Error>> {
    let store = Store::open(StoreOptions::new(data.path().join("backplane.sqlite")))?;
    Ok(Versions::open(data.path(), store)?)
}

/// Ends one process and starts another on the same folder.
fn restart(data: &TempDir, versions: Versions) -> Result<Versions, Box<dyn std::error::Error>> {
    drop(versions);
    open(data)
}

/// Versions of plugin `a` with these contents, in a new data folder.
fn versions_of_a(contents: &[&str]) -> Result<(TempDir, Versions), Box<dyn std::error::Error>> {
    let data = tempfile::tempdir()?;
    let versions = open(&data)?;
    for content in contents {
        versions.record_live(&plugin("a"), record(content), content.as_bytes())?;
    }
    Ok((data, versions))
}

#[test]
fn versions_survive_a_restart() -> TestResult {
    let (data, versions) = versions_of_a(&["one", "two"])?;
    let before = versions.history(&plugin("a"));
    assert_eq!(before.versions, [record("two"), record("one")]);
    let versions = restart(&data, versions)?;
    assert_eq!(versions.history(&plugin("a")), before);
    assert_eq!(versions.get_content(hash("one"))?, "one");
    assert_eq!(versions.history(&plugin("b")), History::default());
    Ok(())
}

#[test]
fn a_pin_survives_a_restart_and_ends_with_new_content() -> TestResult {
    let (data, versions) = versions_of_a(&["one", "two"])?;
    let a = plugin("a");
    versions.pin(&a, hash("one"), hash("two"))?;
    versions.record_live(&a, record("one"), b"one")?;

    let versions = restart(&data, versions)?;
    assert_eq!(versions.pinned(&a, hash("two")), Some(hash("one")));
    assert_eq!(versions.history(&a).live, Some(hash("one")));
    assert_eq!(versions.pinned(&a, hash("three")), None);

    let versions = restart(&data, versions)?;
    assert_eq!(versions.pinned(&a, hash("two")), None);
    Ok(())
}

#[test]
fn a_pin_ends_with_the_file_and_when_it_is_forgotten() -> TestResult {
    for end in [Versions::record_removed, Versions::forget_pin] {
        let (data, versions) = versions_of_a(&["one", "two"])?;
        versions.pin(&plugin("a"), hash("one"), hash("two"))?;
        end(&versions, &plugin("a"))?;
        let versions = restart(&data, versions)?;
        assert_eq!(versions.pinned(&plugin("a"), hash("two")), None);
        assert_eq!(versions.history(&plugin("a")).versions.len(), 2);
    }
    Ok(())
}

#[test]
fn nothing_is_live_after_a_removal() -> TestResult {
    let (data, versions) = versions_of_a(&["one"])?;
    versions.record_removed(&plugin("a"))?;
    versions.record_removed(&plugin("never-live"))?;
    assert_eq!(restart(&data, versions)?.history(&plugin("a")).live, None);
    Ok(())
}

#[test]
fn only_a_kept_version_can_be_pinned() -> TestResult {
    let (_data, versions) = versions_of_a(&["one"])?;
    for name in ["a", "b"] {
        let pinned = versions.pin(&plugin(name), hash("two"), hash("one"));
        assert!(matches!(pinned, Err(PinError::UnknownVersion { .. })), "{pinned:?}");
    }
    Ok(())
}

#[test]
fn a_content_goes_with_the_last_plugin_that_lists_it() -> TestResult {
    let (_data, versions) = versions_of_a(&["0"])?;
    versions.record_live(&plugin("b"), record("0"), b"0")?;
    for content in ["1", "2", "3", "4", "5", "6"] {
        versions.record_live(&plugin("a"), record(content), content.as_bytes())?;
    }
    assert_eq!(versions.get_content(hash("0"))?, "0");
    assert!(matches!(versions.get_content(hash("1")), Err(GetContentError::Missing { .. })));
    assert_eq!(versions.get_content(hash("2"))?, "2");
    assert_eq!(versions.collect_garbage()?, 0);
    Ok(())
}

#[test]
fn garbage_of_an_earlier_process_is_collected() -> TestResult {
    let (data, versions) = versions_of_a(&["one"])?;
    fs::write(data.path().join("contents").join(hash("lost").to_string()), "lost")?;
    assert_eq!(versions.collect_garbage()?, 1);
    assert_eq!(versions.get_content(hash("one"))?, "one");
    Ok(())
}

#[test]
fn a_damaged_list_stops_nothing() -> TestResult {
    let (data, versions) = versions_of_a(&["one"])?;
    versions.record_live(&plugin("b"), record("one"), b"one")?;
    let mut rows = rows::to_rows(&versions.history(&plugin("a")));
    rows.live = None;
    rows.versions[0].hash = "short".into();
    versions.store.replace_history("a", rows)?;

    let versions = restart(&data, versions)?;
    assert_eq!(versions.history(&plugin("a")), History::default());
    assert_eq!(versions.history(&plugin("b")).live, Some(hash("one")));
    versions.record_live(&plugin("a"), record("two"), b"two")?;
    assert_eq!(restart(&data, versions)?.history(&plugin("a")).live, Some(hash("two")));
    Ok(())
}

#[test]
fn a_disk_that_takes_nothing_is_said_and_the_version_is_live() -> TestResult {
    let (data, versions) = versions_of_a(&["one"])?;
    fs::remove_dir_all(data.path().join("contents"))?;
    let kept = versions.record_live(&plugin("a"), record("two"), b"two");
    assert!(matches!(kept, Err(KeepError::Content { .. })), "{kept:?}");
    assert_eq!(versions.history(&plugin("a")).live, Some(hash("two")));
    assert!(matches!(versions.get_content(hash("two")), Err(GetContentError::Missing { .. })));

    versions.store.close();
    let kept = versions.record_live(&plugin("a"), record("one"), b"one");
    assert!(matches!(kept, Err(KeepError::History { .. })), "{kept:?}");
    assert_eq!(versions.history(&plugin("a")).live, Some(hash("one")));
    assert_eq!(versions.pinned(&plugin("a"), hash("two")), None);
    Ok(())
}

#[test]
fn who_asks_for_a_history_waits_for_no_disk() -> TestResult {
    let (data, versions) = versions_of_a(&["one"])?;
    // A content is read before it is written, and reading this one waits for whoever writes to it.
    let path = data.path().join("contents").join(hash("two").to_string());
    mknodat(CWD, path.as_path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    thread::scope(|scope| {
        let recording = scope.spawn(|| versions.record_live(&plugin("a"), record("two"), b"two").is_ok());
        let disk = File::options().write(true).open(&path)?;
        let (sender, answer) = mpsc::channel();
        let versions = &versions;
        scope.spawn(move || sender.send(versions.history(&plugin("a")).live));
        let live = answer.recv_timeout(Duration::from_secs(10));
        drop(disk);
        assert_eq!(live, Ok(Some(hash("two"))));
        assert!(recording.join().is_ok_and(|is_kept| is_kept));
        assert_eq!(versions.history(&plugin("a")).live, Some(hash("two")));
        assert_eq!(versions.get_content(hash("two"))?, "two");
        Ok(())
    })
}
