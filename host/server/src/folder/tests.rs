//! The watch on real folders. Every wait is for a condition.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::config::WatchMode;

/// Longest wait for anything; a test that waits that long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch of a folder in a temporary folder.
struct Watch {
    root: TempDir,
    changes: mpsc::Receiver<Change>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

/// A component, to these tests, ends with a full stop.
fn ends_with_a_full_stop(bytes: &[u8]) -> Completeness {
    match bytes {
        [.., b'.'] => Completeness::Complete,
        [b'!', ..] => Completeness::NotAComponent { reason: "it starts with `!`".into() },
        [b'#', ..] => panic!("the check has a defect"),
        _ => Completeness::Truncated,
    }
}

/// Short times, except the rescan: what arrives in time with it arrived by an event.
fn config(watch: WatchMode) -> FolderConfig {
    FolderConfig {
        watch,
        file_bytes_max: 1024,
        settle_time: Duration::from_millis(60),
        removal_grace: Duration::from_millis(150),
        rescan_interval: Duration::from_secs(3600),
        poll_interval: Duration::from_millis(25),
    }
}

impl Watch {
    async fn start(config: FolderConfig) -> Result<Self> {
        Self::start_with(config, |_| Ok(())).await
    }

    /// Starts a watch after `prepare` had the folder's path.
    async fn start_with(config: FolderConfig, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("plugins");
        prepare(&folder)?;
        let (sender, changes) = mpsc::channel(4);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(watch(folder, config, ends_with_a_full_stop, sender, shutdown.clone()));
        Ok(Self { root, changes, shutdown, task })
    }

    fn path(&self, entry: &str) -> PathBuf {
        self.root.path().join("plugins").join(entry)
    }

    async fn next(&mut self) -> Result<Change> {
        let change = timeout(PATIENCE, self.changes.recv()).await.context("nothing is said")?;
        change.context("the watch ended")
    }

    /// Waits for the next thing said, as text: `+` arrived, `-` is removed, `!` is refused.
    async fn hears(&mut self) -> Result<String> {
        Ok(match self.next().await? {
            Change::Arrived(arrival) => format!("+{} {}", arrival.file, String::from_utf8_lossy(&arrival.bytes)),
            Change::Removed { file } => format!("-{file}"),
            Change::Refused { file, reason, .. } => format!("!{file} {reason}"),
            Change::ScanCompleted => "completed".into(),
        })
    }

    /// Requires that the next thing said starts like this.
    async fn says(&mut self, expected: &str) -> Result<()> {
        let said = self.hears().await?;
        if said.starts_with(expected) { Ok(()) } else { bail!("expected {expected:?}, heard {said:?}") }
    }

    /// Requires that the next thing said is the end of the first scan.
    async fn completed(&mut self) -> Result<()> {
        self.says("completed").await
    }

    /// Moves a file into the folder, as deployments do.
    fn drop_in(&self, entry: &str, text: &str) -> Result<()> {
        let staged = self.root.path().join("staged");
        fs::write(&staged, text)?;
        Ok(fs::rename(staged, self.path(entry))?)
    }
}

const MODES: [WatchMode; 3] = [WatchMode::Auto, WatchMode::Native, WatchMode::Poll];

#[tokio::test]
async fn files_arrive_change_and_go() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        fs::write(watch.path("a.wasm"), "one.")?;
        watch.says("+a.wasm one.").await?;
        watch.drop_in("a.wasm", "two.")?;
        watch.says("+a.wasm two.").await?;
        fs::rename(watch.path("a.wasm"), watch.path("b.wasm"))?;
        watch.says("+b.wasm two.").await?;
        watch.says("-a.wasm").await?;
        fs::remove_file(watch.path("b.wasm"))?;
        watch.says("-b.wasm").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_there_at_the_start_comes_before_the_end_of_the_scan() -> Result<()> {
    for mode in MODES {
        let prepare = |folder: &Path| -> Result<()> {
            fs::create_dir(folder)?;
            fs::write(folder.join("a.wasm"), "one.")?;
            Ok(fs::write(folder.join("b.wasm"), "!")?)
        };
        let mut watch = Watch::start_with(config(mode), prepare).await?;
        watch.says("+a.wasm one.").await?;
        watch.says("!b.wasm it is not a component").await?;
        watch.completed().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_enough_for_a_copied_file() -> Result<()> {
    let patient = FolderConfig { settle_time: Duration::from_secs(3600), ..config(WatchMode::Native) };
    let mut watch = Watch::start(patient).await?;
    watch.completed().await?;
    let mut file = fs::File::create(watch.path("a.wasm"))?;
    file.write_all(b"one.")?;
    file.sync_all()?;
    drop(file);
    watch.says("+a.wasm one.").await?;
    watch.drop_in("a.wasm", "two.")?;
    watch.says("+a.wasm two.").await
}

#[tokio::test]
async fn a_file_that_is_never_closed_arrives_when_it_is_whole() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        let mut file = fs::File::create(watch.path("a.wasm"))?;
        for part in ["o", "n", "e"] {
            file.write_all(part.as_bytes())?;
            watch.drop_in("other.wasm", &format!("{part}."))?;
            watch.says(&format!("+other.wasm {part}.")).await?;
        }
        file.write_all(b".")?;
        watch.says("+a.wasm one.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_appended_to_again_and_again_arrives_when_it_is_whole() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        for part in ["o", "n", "e"] {
            fs::OpenOptions::new().create(true).append(true).open(watch.path("a.wasm"))?.write_all(part.as_bytes())?;
            watch.drop_in("other.wasm", &format!("{part}."))?;
            watch.says(&format!("+other.wasm {part}.")).await?;
        }
        fs::OpenOptions::new().append(true).open(watch.path("a.wasm"))?.write_all(b".")?;
        watch.says("+a.wasm one.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_sidecar_is_read_with_its_file() -> Result<()> {
    let mut watch = Watch::start(config(WatchMode::Native)).await?;
    watch.completed().await?;
    fs::write(watch.path("a.toml"), "name = 'a'")?;
    watch.drop_in("a.wasm", "one.")?;
    let Change::Arrived(arrival) = watch.next().await? else { bail!("no file arrived") };
    assert_eq!(arrival.sidecar.as_deref(), Some("name = 'a'"));
    assert_eq!(arrival.plugin.as_str(), "a");
    fs::write(watch.path("a.toml"), "name = 'b'")?;
    let Change::Arrived(arrival) = watch.next().await? else { bail!("no file arrived") };
    assert_eq!(arrival.sidecar.as_deref(), Some("name = 'b'"));
    Ok(())
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_and_blocks_nothing() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        fs::create_dir(watch.path("a.wasm"))?;
        watch.says("!a.wasm it is a folder").await?;
        symlink("/etc/passwd", watch.path("b.wasm"))?;
        watch.says("!b.wasm it is a symbolic link").await?;
        rustix::fs::mknodat(rustix::fs::CWD, watch.path("c.wasm"), FileType::Fifo, Mode::RWXU, 0)?;
        watch.says("!c.wasm it is a pipe").await?;
        fs::write(watch.path("d.wasm"), [b'x'; 1025])?;
        watch.says("!d.wasm it has 1025 bytes").await?;
        fs::write(watch.path("hello_world.wasm"), "one.")?;
        watch.says("!hello_world.wasm the name is not").await?;
        fs::write(watch.path("e.wasm"), "#")?;
        watch.says("!e.wasm it cannot be read").await?;
        fs::write(watch.path("f.wasm"), "one.")?;
        watch.says("+f.wasm one.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_last_of_many_replacements_wins() -> Result<()> {
    let mut watch = Watch::start(config(WatchMode::Native)).await?;
    watch.completed().await?;
    for number in 0..200 {
        watch.drop_in("a.wasm", &format!("{number}."))?;
    }
    loop {
        let Change::Arrived(arrival) = watch.next().await? else { bail!("no file arrived") };
        if arrival.bytes == "199." {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_folder_full_of_other_files_delays_nothing() -> Result<()> {
    let prepare = |folder: &Path| -> Result<()> {
        fs::create_dir(folder)?;
        (0..10_000).try_for_each(|number| Ok(fs::write(folder.join(format!("{number}.part")), "")?))
    };
    let mut watch = Watch::start_with(config(WatchMode::Native), prepare).await?;
    watch.completed().await?;
    watch.drop_in("a.wasm", "one.")?;
    watch.says("+a.wasm one.").await
}

#[tokio::test]
async fn the_folder_may_be_deleted_and_made_again() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        watch.drop_in("a.wasm", "one.")?;
        watch.says("+a.wasm one.").await?;
        fs::remove_dir_all(watch.path(""))?;
        watch.says("-a.wasm").await?;
        fs::create_dir(watch.path(""))?;
        watch.drop_in("a.wasm", "two.")?;
        watch.says("+a.wasm two.").await?;
        watch.drop_in("a.wasm", "three.")?;
        watch.says("+a.wasm three.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_folder_may_be_replaced_by_a_rename() -> Result<()> {
    for mode in MODES {
        let mut watch = Watch::start(config(mode)).await?;
        watch.completed().await?;
        watch.drop_in("a.wasm", "one.")?;
        watch.says("+a.wasm one.").await?;
        let next = watch.root.path().join("next");
        fs::create_dir(&next)?;
        fs::write(next.join("b.wasm"), "two.")?;
        fs::rename(watch.path(""), watch.root.path().join("old"))?;
        fs::rename(next, watch.root.path().join("plugins"))?;
        let mut said = [watch.hears().await?, watch.hears().await?];
        said.sort();
        assert_eq!(said, ["+b.wasm two.", "-a.wasm"]);
        watch.drop_in("b.wasm", "three.")?;
        watch.says("+b.wasm three.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_folder_may_be_a_link_that_is_turned() -> Result<()> {
    for mode in MODES {
        let prepare = |folder: &Path| -> Result<()> {
            let root = folder.parent().context("the folder has a parent")?;
            for release in ["one", "two"] {
                fs::create_dir(root.join(release))?;
                fs::write(root.join(release).join("a.wasm"), format!("{release}."))?;
            }
            Ok(symlink("one", folder)?)
        };
        let mut watch = Watch::start_with(config(mode), prepare).await?;
        watch.says("+a.wasm one.").await?;
        watch.completed().await?;
        let turned = watch.root.path().join("turned");
        symlink("two", &turned)?;
        fs::rename(turned, watch.root.path().join("plugins"))?;
        watch.says("+a.wasm two.").await?;
        watch.drop_in("a.wasm", "three.")?;
        watch.says("+a.wasm three.").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_does_not_listen_does_not_hold_up_the_shutdown() -> Result<()> {
    let watch = Watch::start(config(WatchMode::Native)).await?;
    for number in 0..20 {
        fs::create_dir_all(watch.path(""))?;
        watch.drop_in(&format!("p{number}.wasm"), "one.")?;
    }
    watch.shutdown.cancel();
    Ok(timeout(PATIENCE, watch.task).await??)
}

#[tokio::test]
async fn the_watch_ends_with_its_receiver() -> Result<()> {
    let watch = Watch::start(config(WatchMode::Poll)).await?;
    drop(watch.changes);
    fs::create_dir_all(watch.root.path().join("plugins"))?;
    fs::write(watch.root.path().join("plugins").join("a.wasm"), "one.")?;
    Ok(timeout(PATIENCE, watch.task).await??)
}
