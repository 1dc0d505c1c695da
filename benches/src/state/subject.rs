//! What is measured: a plugin, two programs that do the same without plugins, and the ceiling.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use backplane_bench::counters::{self, Counter};
use tempfile::TempDir;

use super::{
    clients, fastify,
    group_commit::GroupCommit,
    keys::{Keys, Load},
};
use crate::{Options, disk::Disk, program::Program, server::Server, store_counts::StoreCounts, tally::Figures};

/// The plugin's name, which is its mount too.
const PLUGIN: &str = "kv-bench";

/// What a subject stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What promises are made of.
    Plugin,
    /// One writer that commits for everybody, and nothing else.
    Ceiling,
    /// axum with diesel, one transaction for each request.
    Axum,
    /// fastify with better-sqlite3, one transaction for each request.
    Fastify,
}

/// Something that counts.
#[derive(Debug)]
pub(super) struct Subject {
    role: Role,
    name: &'static str,
    kind: Kind,
    confirmed: u64,
    failed: u64,
    /// Holds the database where no server does; deleted after the program stopped.
    _folder: Option<TempDir>,
}

#[derive(Debug)]
enum Kind {
    Plugin(Server),
    Peer(Program),
    Ceiling(GroupCommit),
}

impl Subject {
    /// Starts all that are asked for, each in a folder of its own on the measured disk.
    pub(super) fn start_all(options: &Options, disk: &Disk) -> anyhow::Result<Vec<Self>> {
        let mut subjects = vec![
            Self::plugin(options, disk, "plugin, fresh", "[plugin.kv-bench]\ninstance = \"fresh\"\n")?,
            Self::plugin(options, disk, "plugin, reused", "")?,
        ];
        if options.alone {
            return Ok(subjects);
        }
        subjects.push(Self::ceiling(tempfile::tempdir_in(disk.folder())?));
        subjects.push(Self::peer(disk, Role::Axum, "axum + diesel", |database, log| {
            // Cargo puts the package's programs beside one another.
            let program = env::current_exe()?.with_file_name("bench-axum-diesel");
            Program::start(Command::new(program).arg(database), log)
        })?);
        if let Some(installed) = fastify::install(&options.peers, disk)? {
            subjects.push(Self::peer(disk, Role::Fastify, "fastify + sqlite", |database, log| {
                Program::start(Command::new("node").arg(&installed).arg(database), log)
            })?);
        }
        Ok(subjects)
    }

    fn new(role: Role, name: &'static str, kind: Kind, folder: Option<TempDir>) -> Self {
        Self { role, name, kind, confirmed: 0, failed: 0, _folder: folder }
    }

    fn plugin(options: &Options, disk: &Disk, name: &'static str, config: &str) -> anyhow::Result<Self> {
        let component = options.guests.join("kv-bench.wasm");
        let server = Server::start_with(&options.server, &[&component], config, tempfile::tempdir_in(disk.folder())?)?;
        Ok(Self::new(Role::Plugin, name, Kind::Plugin(server), None))
    }

    fn ceiling(folder: TempDir) -> Self {
        let writer = GroupCommit { database: folder.path().join("counters.sqlite") };
        Self::new(Role::Ceiling, "group commit alone", Kind::Ceiling(writer), Some(folder))
    }

    fn peer(
        disk: &Disk,
        role: Role,
        name: &'static str,
        start: impl FnOnce(&Path, &Path) -> anyhow::Result<Program>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(disk.folder())?;
        let program = start(&folder.path().join("counters.sqlite"), &folder.path().join("log"))?;
        Ok(Self::new(role, name, Kind::Peer(program), Some(folder)))
    }

    /// Returns what it stands for.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Returns its name in the report.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the server, of a plugin.
    pub(super) fn server(&self) -> Option<&Server> {
        match &self.kind {
            Kind::Plugin(server) => Some(server),
            Kind::Peer(_) | Kind::Ceiling(_) => None,
        }
    }

    /// Applies a load.
    pub(super) fn measure(&mut self, load: &Load) -> anyhow::Result<Figures> {
        let (figures, confirmed, failed) = match &self.kind {
            Kind::Plugin(server) => {
                let before = StoreCounts::read(server)?;
                let tally = clients::apply(server.program.address(), &format!("/{PLUGIN}"), load)?;
                let (confirmed, failed) = (tally.confirmed, tally.failed);
                let commits_per_fsync = StoreCounts::commits_per_fsync(before, StoreCounts::read(server)?);
                (Figures { commits_per_fsync, ..tally.figures(&load.span) }, confirmed, failed)
            }
            Kind::Peer(program) => {
                let tally = clients::apply(program.address(), "", load)?;
                let (confirmed, failed) = (tally.confirmed, tally.failed);
                // Each request is a transaction of its own, and waits for the disk by itself.
                (Figures { commits_per_fsync: Some(1.0), ..tally.figures(&load.span) }, confirmed, failed)
            }
            Kind::Ceiling(writer) => {
                let (figures, confirmed) = writer.measure(load)?;
                (figures, confirmed, 0)
            }
        };
        self.confirmed += confirmed;
        self.failed += failed;
        Ok(figures)
    }

    /// Compares what was confirmed with what is stored.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let stored = match &self.kind {
            Kind::Plugin(server) => stored_behind(&server.program, &format!("/{PLUGIN}"))?,
            Kind::Peer(program) => stored_behind(program, "")?,
            Kind::Ceiling(writer) => {
                let mut database = counters::open(&writer.database)?;
                sum(|key| Ok(counters::find(&mut database, key)?))?
            }
        };
        // What failed may have happened all the same.
        let possible = self.confirmed..=self.confirmed + self.failed;
        ensure!(possible.contains(&stored), "{} counted {stored}, and confirmed {possible:?}", self.name);
        Ok(())
    }
}

fn stored_behind(program: &Program, mount: &str) -> anyhow::Result<u64> {
    sum(|key| program.find(&format!("{mount}/read/{key}"), ""))
}

/// Adds up all counters.
fn sum(mut find: impl FnMut(&str) -> anyhow::Result<Option<Vec<u8>>>) -> anyhow::Result<u64> {
    let mut sum = 0;
    for key in Keys::all() {
        if let Some(stored) = find(&key)? {
            sum += serde_json::from_slice::<Counter>(&stored).with_context(|| format!("{key} is no counter"))?.count;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tally::Span;

    #[test]
    fn the_ceiling_stores_what_it_confirms_and_a_lost_request_is_found() {
        let mut ceiling = Subject::ceiling(tempfile::tempdir().expect("a folder can be made"));
        let moment = Duration::from_millis(50);
        for keys in [Keys::Spread, Keys::Hot] {
            let load = Load { clients: 4, keys, span: Span { warm_up: Duration::ZERO, duration: moment } };
            let figures = ceiling.measure(&load).expect("SQLite counts");
            assert!(figures.commits_per_fsync.is_some_and(|commits| (1.0..=4.0).contains(&commits)), "{figures:?}");
        }
        ceiling.check().expect("everything that was confirmed is stored");
        ceiling.confirmed += 1;
        ceiling.check().expect_err("one request is missing");
    }
}
