//! Durable read-modify-write requests per second, beside what others do with the same disk.
//!
//! A request reads a counter, adds one and writes it back; it is answered when that is on the disk. The same is asked of
//! a plugin, of the plain programs that somebody would write instead, and of a writer without anything around it: in
//! turns, on one file system, with one set of SQLite's settings. At the end every confirmed request must be found in
//! what is stored: a program that loses one fails the benchmark.

mod clients;
mod fastify;
mod group_commit;
mod keys;
mod reads;
mod subject;

use std::time::Duration;

use self::{
    keys::{Keys, Load},
    subject::{Role, Subject},
};
use crate::{
    Options, PROMISED_CLIENTS,
    disk::Disk,
    report::{Beside, Bound, Report, median},
    tally::{Figures, Span},
};

/// A disk that waits less often per second than this is a slow one: there it pays to share each wait.
const SLOW_DISK: f64 = 2000.0;

/// Runs everything.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let disk = Disk::at(&options.scratch, options.quick)?;
    let mut subjects = Subject::start_all(options, &disk)?;
    for &clients in options.clients() {
        let table = Table::measure(options, &disk, &mut subjects, clients)?;
        table.print(&subjects, report);
        if clients == PROMISED_CLIENTS {
            table.print_promises(&subjects, report);
        }
    }
    for subject in &mut subjects {
        subject.check()?;
        if let Some(server) = subject.server() {
            reads::run(options, server, subject.name(), report)?;
        }
    }
    Ok(())
}

/// Everything that was measured with one number of clients.
struct Table {
    clients: usize,
    /// For each kind of keys and each subject, its rounds.
    cells: [Vec<Vec<Cell>>; 2],
}

const KEYS: [Keys; 2] = [Keys::Spread, Keys::Hot];

/// One subject in one round.
#[derive(Clone, Copy)]
struct Cell {
    figures: Figures,
    /// What the disk could do immediately before and after.
    fdatasync: [f64; 2],
}

impl Table {
    /// Lets the subjects take turns, so that a slow minute of the disk meets all of them.
    fn measure(options: &Options, disk: &Disk, subjects: &mut [Subject], clients: usize) -> anyhow::Result<Self> {
        let (rounds, warm_up, duration) = if options.quick { (1, 200, 1000) } else { (5, 500, 3000) };
        let span = Span { warm_up: Duration::from_millis(warm_up), duration: Duration::from_millis(duration) };
        let mut cells = KEYS.map(|_| vec![Vec::new(); subjects.len()]);
        let mut before = disk.fdatasync_per_second()?;
        for _ in 0..rounds {
            for (keys, cells) in KEYS.into_iter().zip(&mut cells) {
                for (subject, rounds) in subjects.iter_mut().zip(cells) {
                    let figures = subject.measure(&Load { clients, keys, span })?;
                    let after = disk.fdatasync_per_second()?;
                    rounds.push(Cell { figures, fdatasync: [before, after] });
                    before = after;
                }
            }
        }
        Ok(Self { clients, cells })
    }

    /// Adds a row for each subject and each kind of keys.
    fn print(&self, subjects: &[Subject], report: &mut Report) {
        let callers = if self.clients == 1 { "client" } else { "clients" };
        for (keys, cells) in KEYS.into_iter().zip(&self.cells) {
            for (subject, rounds) in subjects.iter().zip(cells) {
                let figures: Vec<_> = rounds.iter().map(|cell| cell.figures).collect();
                let figures = Figures::of_rounds(&figures);
                let mut beside = figures.beside();
                beside.push(Beside::new("fdatasync before", fdatasync(rounds, 0), "1/s"));
                beside.push(Beside::new("after", fdatasync(rounds, 1), "1/s"));
                if subject.role() == Role::Plugin {
                    let ratio_to = |role| find(subjects, cells, role).map(|other| ratio(rounds, other));
                    beside.push(Beside::new("to axum", ratio_to(Role::Axum), "x"));
                    beside.push(Beside::new("to group commit", ratio_to(Role::Ceiling), "x"));
                }
                let name = format!("{} {callers}, {}: {}", self.clients, keys.name(), subject.name());
                report.add_beside("state", name, (figures.per_second, "1/s"), beside);
            }
        }
    }

    /// Adds what is promised of the plugin, round by round: the disk swings less within a round than between two.
    fn print_promises(&self, subjects: &[Subject], report: &mut Report) {
        let [spread, hot] = &self.cells;
        let disk_rate = median(spread.iter().flatten().flat_map(|cell| cell.fdatasync).collect());
        report.add("state", format!("fdatasync while {} clients asked", self.clients), disk_rate, "1/s");
        let over_axum = Bound::AtLeast(if disk_rate < SLOW_DISK { 10.0 } else { 1.0 });
        for ((subject, own), own_hot) in subjects.iter().zip(spread).zip(hot) {
            if subject.role() != Role::Plugin {
                continue;
            }
            for (what, other, bound) in [
                ("times axum + diesel", find(subjects, spread, Role::Axum), over_axum),
                ("share of group commit alone", find(subjects, spread, Role::Ceiling), Bound::AtLeast(0.5)),
            ] {
                if let Some(other) = other {
                    let ratio = (ratio(own, other), "x");
                    report.add_bound("state", format!("{}: {what}", subject.name()), ratio, bound);
                }
            }
            let name = format!("{}: one key to 1,000", subject.name());
            report.add_bound("state", name, (ratio(own_hot, own), "x"), Bound::AtLeast(0.3));
        }
    }
}

/// Returns the rounds of the subject with this role.
fn find<'a>(subjects: &[Subject], cells: &'a [Vec<Cell>], role: Role) -> Option<&'a [Cell]> {
    subjects.iter().position(|subject| subject.role() == role).and_then(|index| cells.get(index)).map(Vec::as_slice)
}

/// Returns what the disk could do before (0) or after (1) the rounds.
fn fdatasync(rounds: &[Cell], at: usize) -> f64 {
    median(rounds.iter().filter_map(|cell| cell.fdatasync.get(at).copied()).collect())
}

fn ratio(own: &[Cell], other: &[Cell]) -> f64 {
    let pairs = own.iter().zip(other).map(|(own, other)| own.figures.per_second / other.figures.per_second);
    median(pairs.collect())
}
