//! A case: a name, the requests that show what it says, and what becomes of its events.

use std::fmt::Debug;
use std::panic::Location;

use backplane_sdk::prelude::*;
use serde::Serialize;

use super::{deliveries, failures, limits, outcomes};

const TABLES: [&[Case]; 4] = [outcomes::CASES, deliveries::CASES, failures::CASES, limits::CASES];

/// One claim about events. Its name is a sentence, the name of its bucket, and the end of its topic.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) steps: &'static [Step],
    /// Handles an event of the case's topic.
    pub(super) handle: fn(Place, &Event<Bytes>) -> Result<()>,
}

/// Where a case keeps and publishes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    name: &'static str,
}

/// One request of a case.
pub(super) struct Step {
    route: Route,
    run: fn(Place) -> Result<()>,
    answer: Answer,
    is_eventual: bool,
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
    /// Whether it is to be sent until it is answered so, for as long as events may take.
    eventually: bool,
}

/// Makes a step that writes and publishes.
pub(super) const fn write(run: fn(Place) -> Result<()>) -> Step {
    Step { route: Route::Write, run, answer: Answer::NoContent, is_eventual: false }
}

/// Makes a step that only reads.
pub(super) const fn read(run: fn(Place) -> Result<()>) -> Step {
    Step { route: Route::Read, ..write(run) }
}

/// Makes a step without a transaction.
pub(super) const fn none(run: fn(Place) -> Result<()>) -> Step {
    Step { route: Route::None, ..write(run) }
}

/// Makes a step that reads what will be there once the events are handled.
pub(super) const fn eventually(run: fn(Place) -> Result<()>) -> Step {
    Step { is_eventual: true, ..read(run) }
}

impl Step {
    /// Says which problem answers the step.
    pub(super) const fn fails(self, status: u16, code: &'static str) -> Self {
        Self { answer: Answer::Problem { status, code }, ..self }
    }

    fn listed(&self, case: &str, index: usize) -> ListedStep {
        let (method, route) = match self.route {
            Route::Write => ("POST", "write"),
            Route::Read => ("GET", "read"),
            Route::None => ("POST", "none"),
        };
        let (status, code) = match self.answer {
            Answer::NoContent => (204, None),
            Answer::Problem { status, code } => (status, Some(code)),
        };
        ListedStep { method, path: format!("/{route}/{case}/{index}"), status, code, eventually: self.is_eventual }
    }
}

impl Place {
    /// Returns the case's bucket.
    pub(super) fn bucket(self) -> kv::Bucket<'static> {
        kv::bucket(self.name)
    }

    /// Returns the case's topic.
    pub(super) fn topic(self) -> String {
        format!("cases.{}", self.name)
    }

    /// Publishes a text under the key `key`.
    pub(super) fn publish(self, text: &str) -> Result<String> {
        self.publish_as("key", text)
    }

    /// Publishes a text under a key.
    pub(super) fn publish_as(self, key: &str, text: &str) -> Result<String> {
        Ok(events::topic(&self.topic()).key(key).publish_text(text)?)
    }

    /// Adds to what the case has handled.
    pub(super) fn note(self, text: &str) -> Result<()> {
        let log = self.bucket().get_text("log")?.unwrap_or_default();
        Ok(self.bucket().set_text("log", &format!("{log}{text} "))?)
    }

    /// Holds what the case has handled against what it says.
    #[track_caller]
    pub(super) fn expect_log(self, expected: &str) -> Result<()> {
        let log = self.bucket().get_text("log")?.unwrap_or_default();
        expect(log.trim_end(), expected)
    }
}

/// Handles an event by adding its payload.
pub(super) fn note(place: Place, event: &Event<Bytes>) -> Result<()> {
    place.note(&text(event))
}

/// Returns the payload of an event as text.
pub(super) fn text(event: &Event<Bytes>) -> String {
    String::from_utf8_lossy(&event.payload.0).into_owned()
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
    let case = find(case)?;
    let step = case.steps.get(index).filter(|step| step.route == route).or_not_found("no such step")?;
    (step.run)(Place { name: case.name })?;
    Ok(NoContent)
}

/// Handles an event of a case.
pub(super) fn handle(event: &Event<Bytes>) -> Result<()> {
    let case = find(event.topic.strip_prefix("cases.").unwrap_or_default())?;
    (case.handle)(Place { name: case.name }, event)
}

fn find(name: &str) -> Result<&'static Case> {
    TABLES.iter().copied().flatten().find(|known| known.name == name).or_not_found("no such case")
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
