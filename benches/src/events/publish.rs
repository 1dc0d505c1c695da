//! Durable events per second, by the number of publishers and the events of a request.

use std::time::Duration;

use super::{
    load::{Load, Outcome},
    subject::{Role, Subject},
};
use crate::{
    Options, PROMISED_CLIENTS,
    disk::Disk,
    report::{Beside, Bound, Report, median},
    tally::{Figures, Span},
};

/// Events of a request.
const BATCHES: [usize; 2] = [1, 100];

/// What is promised of one event for each request: so many times what a peer does. Of batches it is promised that they
/// are above each peer's rate without.
const PROMISED: [(Role, f64); 3] = [(Role::Nats, 3.0), (Role::Postgres, 3.0), (Role::Redis, 0.5)];

/// Measures all of them, and returns the rate over HTTP that the rest of the benchmark is about.
pub(super) fn run(
    options: &Options,
    disk: &Disk,
    subjects: &mut [Subject],
    report: &mut Report,
) -> anyhow::Result<f64> {
    let mut promised = Vec::new();
    for batch in BATCHES {
        for &clients in options.clients() {
            let table = Table::measure(options, disk, subjects, (clients, batch))?;
            table.print(report);
            if clients == PROMISED_CLIENTS {
                promised.push(table);
            }
        }
    }
    let [single, batched] = promised.as_slice() else { anyhow::bail!("there is a table for each size of a request") };
    for (other, at_least) in PROMISED {
        print_ratio((single, Role::Http), (single, other), Some(Bound::AtLeast(at_least)), report);
    }
    for (other, _) in PROMISED {
        print_ratio((batched, Role::Http), (single, other), Some(Bound::AtLeast(1.0)), report);
        print_ratio((batched, Role::Http), (batched, other), None, report);
    }
    Ok(single.rate())
}

/// Everything that was measured with one number of publishers and of events for each request.
struct Table {
    clients: usize,
    batch: usize,
    /// For each subject, its rounds.
    rows: Vec<(Role, Vec<Cell>)>,
}

/// Adds a ratio, the median of the rounds': the disk swings less within a round than between two.
fn print_ratio(
    (own_table, own): (&Table, Role),
    (other_table, other): (&Table, Role),
    bound: Option<Bound>,
    report: &mut Report,
) {
    let Some((own_cells, other_cells)) = own_table.cells(own).zip(other_table.cells(other)) else { return };
    let pairs = own_cells.iter().zip(other_cells);
    let ratios = pairs.map(|(own, other)| own.per_second(own_table) / other.per_second(other_table)).collect();
    let name = format!("{}: {} to {}{}", own_table.described(), own.name(), other.name(), other_table.at_once());
    match bound {
        Some(bound) => report.add_bound("events", name, (median(ratios), "x"), bound),
        None => report.add("events", name, median(ratios), "x"),
    }
}

/// One subject in one round.
struct Cell {
    outcome: Outcome,
    /// What the disk could do immediately before and after.
    fdatasync: [f64; 2],
}

impl Cell {
    /// Returns the events per second.
    fn per_second(&self, table: &Table) -> f64 {
        self.outcome.figures.per_second * table.batch as f64
    }
}

impl Table {
    /// Lets the subjects take turns, so that a slow minute of the disk meets all of them.
    fn measure(
        options: &Options,
        disk: &Disk,
        subjects: &mut [Subject],
        (clients, batch): (usize, usize),
    ) -> anyhow::Result<Self> {
        let (rounds, warm_up, duration) = if options.quick { (1, 200, 1000) } else { (5, 500, 3000) };
        let span = Span { warm_up: Duration::from_millis(warm_up), duration: Duration::from_millis(duration) };
        let mut rows: Vec<_> = subjects.iter().map(|subject| (subject.role(), Vec::new())).collect();
        let mut before = disk.fdatasync_per_second()?;
        for _ in 0..rounds {
            for (subject, (_, cells)) in subjects.iter_mut().zip(&mut rows) {
                let outcome = subject.measure(&Load { clients, batch, span })?;
                let after = disk.fdatasync_per_second()?;
                cells.push(Cell { outcome, fdatasync: [before, after] });
                before = after;
            }
        }
        Ok(Self { clients, batch, rows })
    }

    /// Adds a row for each subject.
    fn print(&self, report: &mut Report) {
        for (role, cells) in &self.rows {
            let figures: Vec<_> = cells.iter().map(|cell| cell.outcome.figures).collect();
            let figures = Figures::of_rounds(&figures);
            let of = |figure: fn(&Cell) -> f64| median(cells.iter().map(figure).collect());
            let mut beside = figures.beside();
            beside.push(Beside::new("clients' CPU", of(|cell| cell.outcome.clients_cpu), ""));
            beside.push(Beside::new("fdatasync before", of(|cell| cell.fdatasync[0]), "1/s"));
            beside.push(Beside::new("after", of(|cell| cell.fdatasync[1]), "1/s"));
            let per_second = figures.per_second * self.batch as f64;
            report.add_beside("events", format!("{}: {}", self.described(), role.name()), (per_second, "1/s"), beside);
        }
    }

    fn described(&self) -> String {
        let clients = if self.clients == 1 { "client" } else { "clients" };
        format!("{} {clients}{}", self.clients, self.at_once())
    }

    fn at_once(&self) -> String {
        if self.batch == 1 { String::new() } else { format!(", {} at once", self.batch) }
    }

    /// Returns the events per second over HTTP.
    fn rate(&self) -> f64 {
        let cells = self.cells(Role::Http).unwrap_or_default();
        median(cells.iter().map(|cell| cell.per_second(self)).collect())
    }

    fn cells(&self, role: Role) -> Option<&[Cell]> {
        self.rows.iter().find(|(found, _)| *found == role).map(|(_, cells)| cells.as_slice())
    }
}
