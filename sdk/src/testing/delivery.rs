//! Events on their way to a plugin under test: which are due, and what becomes of those that fail.
//!
//! The rules are the host's: events of one key in their order, each its own transaction, retries after a delay that grows,
//! a dead letter when the attempts are used up. Delays have no chance in them: an event waits for the upper end of what a
//! host would pick, so that a test that moves the clock so far knows that it is due.

mod attempt;
mod progress;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use attempt::{Attempt, DeadLetter, Outcome};
use progress::Progress;

use super::double;
use super::keyspace::{self, Fault, Published};
use super::manifest::{Manifest, Subscription};
use crate::bindings::event::exports::backplane::plugin::event_handler::{Failure, Retry};
use crate::{Delivery, Plugin, Problem};

/// Most attempts of one delivery: handlers that publish to themselves would go on for ever.
const ATTEMPTS_MAX: usize = 10_000;

thread_local! {
    /// How far each subscription is, by plugin and pattern.
    static PROGRESS: RefCell<BTreeMap<(String, String), Progress>> = const { RefCell::new(BTreeMap::new()) };
}

/// Delivers to the plugin what is due: events of its topics that it has not handled, and retries whose time has come.
///
/// It goes on until nothing is due any more, with what the plugin itself publishes meanwhile. An event is delivered as a
/// fresh instance would meet it: `#[init]`, then the handler, within one transaction. Returns every attempt in order.
///
/// A subscription begins with the first event of the test. [`advance_clock`](super::advance_clock) brings retries about.
///
/// # Panics
/// When a handler does: what it wrote is gone, its attempt counts, and the rest can be delivered by another call. And after
/// 10,000 attempts, where handlers publish what they handle.
pub fn deliver<P: Plugin>() -> Vec<Attempt> {
    let manifest = Manifest::of::<P>();
    let mut attempts = Vec::new();
    loop {
        let before = attempts.len();
        for (index, subscription) in (0..).zip(&manifest.subscriptions) {
            deliver_to::<P>(&manifest, index, subscription, &mut attempts);
        }
        if attempts.len() == before {
            return attempts;
        }
        assert!(attempts.len() < ATTEMPTS_MAX, "`{}` publishes what it handles, without an end", manifest.name);
        if attempts.iter().skip(before).all(|attempt| attempt.outcome == Outcome::Postponed) {
            return attempts;
        }
    }
}

/// Returns the events that the plugin has given up, in the order in which it did.
pub fn dead_letters<P: Plugin>() -> Vec<DeadLetter> {
    let Manifest { name, subscriptions, .. } = Manifest::of::<P>();
    let of = |subscription: Subscription| change(&name, &subscription, |progress| progress.dead_letters().to_vec());
    subscriptions.into_iter().flat_map(of).collect()
}

fn change<T>(plugin: &str, subscription: &Subscription, change: impl FnOnce(&mut Progress) -> T) -> T {
    let name = (plugin.to_owned(), subscription.pattern.clone());
    PROGRESS.with_borrow_mut(|all| change(all.entry(name).or_default()))
}

/// Delivers to one subscription what is due now.
fn deliver_to<P: Plugin>(manifest: &Manifest, index: u32, subscription: &Subscription, attempts: &mut Vec<Attempt>) {
    while attempts.len() < ATTEMPTS_MAX {
        let now_ms = keyspace::now_ms();
        let due = keyspace::with_log(|log| {
            let due = |progress: &mut Progress| progress.next(log, &subscription.pattern, now_ms);
            let (seq, number) = change(&manifest.name, subscription, due)?;
            Some((seq, number, log.get(seq)?.clone()))
        });
        let Some((seq, number, event)) = due else { return };
        let result = catch_unwind(AssertUnwindSafe(|| handle::<P>(manifest, &wire(index, &event, number), &event)));
        let settle = |failure: Option<&Failure>| {
            let outcome = change(&manifest.name, subscription, |progress| {
                progress.settle((seq, &event), number, subscription, failure, now_ms)
            });
            Attempt { handler: subscription.handler.clone(), event: event.clone(), number, outcome }
        };
        match result {
            Ok(Ok(())) => attempts.push(settle(None)),
            Ok(Err(Fault::Handler(problem))) => attempts.push(settle(Some(&problem.report_event()))),
            Ok(Err(Fault::Commit(problem))) => attempts.push(settle(Some(&later(problem)))),
            Ok(Err(Fault::Unavailable)) => {
                let (handler, event) = (subscription.handler.clone(), event.clone());
                change(&manifest.name, subscription, |progress| progress.postpone(seq, number));
                attempts.push(Attempt { handler, event, number, outcome: Outcome::Postponed });
                return;
            }
            Err(panic) => {
                settle(Some(&later(Problem::new(500, "plugin_failed", "the handler panicked"))));
                resume_unwind(panic);
            }
        }
    }
}

/// Makes a failure of what is not the handler's own word.
fn later(problem: Problem) -> Failure {
    Failure { retry: Retry::Later, ..problem.report_event() }
}

fn wire(subscription: u32, event: &Published, attempt: u32) -> Delivery {
    let Published { id, source, topic, key, content_type, payload, time_ms, trace_parent: _ } = event.clone();
    Delivery { subscription, id, source, topic, key, content_type, payload, time_ms, attempt }
}

/// Handles one event as one call.
fn handle<P: Plugin>(manifest: &Manifest, delivery: &Delivery, event: &Published) -> Result<(), Fault> {
    let handler = || {
        keyspace::run_without(P::init)?;
        P::handle_event(delivery.clone())
    };
    double::without_caller(manifest, event.trace_parent.clone(), || keyspace::run(manifest.writing(), handler, || ()))
}
