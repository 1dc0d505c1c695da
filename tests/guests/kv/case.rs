//! A case: a name, and the requests that show what it says.

use std::fmt::Debug;
use std::panic::Location;

use backplane_sdk::prelude::*;
use serde::Serialize;

use super::{counters, limits, lists, outcomes, values};

const TABLES: [&[Case]; 5] = [outcomes::CASES, values::CASES, counters::CASES, lists::CASES, limits::CASES];

/// One claim about state. Its name is a sentence, and the name of its bucket.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) steps: &'static [Step],
}

/// One request of a case.
pub(super) struct Step {
    route: Route,
    run: fn(kv::Bucket) -> Result<()>,
    answer: Answer,
    after_ms: u32,
}

/// What the request is answered with: 204, or a problem.
#[derive(Clone, Copy)]
enum Answer {
    NoContent,
    Problem { status: u16, code: &'static str },
}

/// The route that runs a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Write,
    Read,
    Query,
    None,
}

/// A case as the plugin names it.
#[derive(Serialize)]
pub(super) struct Listed {
    name: &'static str,
    steps: Vec<ListedStep>,
}

/// A step as whoever sends it needs it.
#[derive(Serialize)]
struct ListedStep {
    method: &'static str,
    /// Below the plugin's mount.
    path: String,
    /// What it is answered with.
    status: u16,
    /// The code of the problem that it is answered with.
    code: Option<&'static str>,
    /// How far whoever sends the steps moves the clock before this one.
    after_ms: u32,
}

/// Makes a step that reads and writes.
pub(super) const fn write(run: fn(kv::Bucket) -> Result<()>) -> Step {
    Step { route: Route::Write, run, answer: Answer::NoContent, after_ms: 0 }
}

/// Makes a step that only reads.
pub(super) const fn read(run: fn(kv::Bucket) -> Result<()>) -> Step {
    Step { route: Route::Read, ..write(run) }
}

/// Makes a step that only reads, although it is a POST.
pub(super) const fn query(run: fn(kv::Bucket) -> Result<()>) -> Step {
    Step { route: Route::Query, ..write(run) }
}

/// Makes a step without a transaction.
pub(super) const fn none(run: fn(kv::Bucket) -> Result<()>) -> Step {
    Step { route: Route::None, ..write(run) }
}

impl Step {
    /// Says which problem answers the step.
    pub(super) const fn fails(self, status: u16, code: &'static str) -> Self {
        Self { answer: Answer::Problem { status, code }, ..self }
    }

    /// Says how much time passes before.
    pub(super) const fn after_ms(self, after_ms: u32) -> Self {
        Self { after_ms, ..self }
    }

    fn listed(&self, case: &str, index: usize) -> ListedStep {
        let (method, route) = match self.route {
            Route::Write => ("POST", "write"),
            Route::Read => ("GET", "read"),
            Route::Query => ("POST", "query"),
            Route::None => ("POST", "none"),
        };
        let (status, code) = match self.answer {
            Answer::NoContent => (204, None),
            Answer::Problem { status, code } => (status, Some(code)),
        };
        ListedStep { method, path: format!("/{route}/{case}/{index}"), status, code, after_ms: self.after_ms }
    }
}

/// Names every case and its steps.
pub(super) fn list() -> Vec<Listed> {
    let listed = |case: &Case| Listed {
        name: case.name,
        steps: case.steps.iter().enumerate().map(|(index, step)| step.listed(case.name, index)).collect(),
    };
    TABLES.iter().copied().flatten().map(listed).collect()
}

/// Runs one step.
pub(super) fn run(route: Route, case: &str, index: usize) -> Result<NoContent> {
    let case = TABLES.iter().copied().flatten().find(|known| known.name == case).or_not_found("no such case")?;
    let step = case.steps.get(index).filter(|step| step.route == route).or_not_found("no such step")?;
    (step.run)(kv::bucket(case.name))?;
    Ok(NoContent)
}

/// Holds what was found against what the case says.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case reads better without `&` before everything")]
pub(super) fn expect<T: PartialEq + Debug>(found: T, expected: T) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let message = format!("{}: found {found:?}, not {expected:?}", Location::caller());
    Err(Problem::new(500, "case_failed", message))
}
