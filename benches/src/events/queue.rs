//! What the queue from commit to dispatcher carries: `host/events/benches/queue.rs`, a program of its own.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{
    Options,
    report::{Beside, Report},
};

/// Runs the program, where it was built, and takes over its figures.
pub(super) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let Some(program) = &options.queue else {
        eprintln!("==> without --queue: what the queue carries is left out");
        return Ok(());
    };
    let output = Command::new(program).arg("--bench").output().context("the queue's benchmark does not start")?;
    ensure!(output.status.success(), "the queue's benchmark failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let rows: Vec<_> = text.lines().filter_map(read).collect();
    ensure!(!rows.is_empty(), "the queue's benchmark printed no figures: {text}");
    for [producers, median, best, handed_back] in rows {
        let beside = vec![Beside::new("best", best, "1/s"), Beside::new("handed back", handed_back, "")];
        report.add_beside("events", format!("queue, producers: {producers}"), (median, "1/s"), beside);
    }
    Ok(())
}

/// Reads a line of four numbers: producers, operations per second in the middle and at best, and what was handed back.
fn read(line: &str) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn reads_figures_and_no_headings() {
        assert_eq!(
            read("        4          17300000          18000000           911"),
            Some([4.0, 17.3e6, 18e6, 911.0])
        );
        assert_eq!(read("producers      operations/s              best   handed back"), None);
        assert_eq!(read(""), None);
    }
}
