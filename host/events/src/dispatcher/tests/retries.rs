//! Events that fail: what waits for them and what does not, how often they are tried, and what ends it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::simulation::{Simulation, millis, retry, trap};
use crate::{
    delivery::{Delivery, Failure},
    double::{Subscription, name},
    event::Seq,
    limits::Limits,
    subscription::{PauseReason, Problem},
    time::UnixMs,
};

fn simulation() -> Simulation {
    let mut simulation = Simulation::new(Limits::default());
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation
}

fn row(simulation: &mut Simulation) -> &mut Subscription {
    simulation.world.subscriptions.get_mut(&name("p", "*")).expect("declared")
}

fn handled(simulation: &mut Simulation) -> Vec<i64> {
    row(simulation).handled.iter().map(|event| event.seq.0).collect()
}

/// A handler that fails on events of the key `bad`, and handles all others at once.
fn fails_on_bad(failure: fn() -> Option<Failure>) -> Box<dyn FnMut(&Delivery) -> super::simulation::Outcome> {
    Box::new(move |delivery| {
        let is_bad = |item: &crate::delivery::Item| item.event.key.as_ref().is_some_and(|key| key.as_str() == "bad");
        match delivery.items.iter().position(is_bad) {
            Some(place) => (millis(1), place, failure()),
            None => (millis(1), delivery.items.len(), None),
        }
    })
}

/// A handler that fails on events of the topic `bad`.
fn fails_on_topic_bad(failure: fn() -> Option<Failure>) -> Box<dyn FnMut(&Delivery) -> super::simulation::Outcome> {
    Box::new(move |delivery| match delivery.items.iter().position(|item| item.event.topic.as_str() == "bad") {
        Some(place) => (millis(1), place, failure()),
        None => (millis(1), delivery.items.len(), None),
    })
}

#[test]
fn an_event_that_fails_holds_back_its_key_and_not_its_lane() {
    let mut simulation = simulation();
    simulation.handler = fails_on_bad(retry);
    // One lane, two keys.
    let lane = |key: &str| crate::double::event(1, "t", Some(key)).lane;
    let other =
        (0..).map(|number| format!("good-{number}")).find(|key| lane(key) == lane("bad")).expect("there is one");
    for key in ["bad", &other, "bad", &other] {
        simulation.publish("t", Some(key));
    }
    simulation.run(millis(50));
    assert_eq!(handled(&mut simulation), [3, 7]);
    let waiting: Vec<_> = row(&mut simulation).retries.values().map(|row| (row.seq.0, row.attempts > 0)).collect();
    assert_eq!(waiting, [(1, true), (5, false)]);
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.run(Duration::from_mins(15));
    assert_eq!(handled(&mut simulation), [3, 7, 1, 5], "the held key is handled in its order");
}

#[test]
fn an_event_is_tried_twelve_times_and_then_lets_its_key_go_on() {
    let mut simulation = simulation();
    let tried: Rc<RefCell<Vec<(UnixMs, i64, u32)>>> = Rc::default();
    let (log, clock) = (Rc::clone(&tried), Rc::new(RefCell::new(UnixMs(0))));
    let time = Rc::clone(&clock);
    simulation.handler = Box::new(move |delivery| {
        let item = &delivery.items[0];
        log.borrow_mut().push((*time.borrow(), item.event.seq.0, item.attempt));
        if item.event.seq == Seq(1) { (millis(1), 0, retry()) } else { (millis(1), delivery.items.len(), None) }
    });
    simulation.publish("t", Some("k"));
    simulation.publish("t", Some("k"));
    // The longest possible times add up to 32 minutes and a half.
    for _ in 0..1960 {
        *clock.borrow_mut() = simulation.now;
        simulation.run(Duration::from_secs(1));
    }
    let attempts: Vec<_> = tried.borrow().iter().map(|(_, seq, attempt)| (*seq, *attempt)).collect();
    let expected: Vec<_> = (1..=12).map(|attempt| (1, attempt)).chain([(3, 1)]).collect();
    assert_eq!(attempts, expected);
    let row = row(&mut simulation);
    assert_eq!(row.dead.keys().collect::<Vec<_>>(), [&Seq(1)]);
    assert_eq!((row.dead[&Seq(1)].attempts, &*row.dead[&Seq(1)].problem.code), (12, "no"));
    assert!(row.retries.is_empty());
}

#[test]
fn a_final_failure_is_a_dead_letter_at_once() {
    let mut simulation = simulation();
    simulation.handler = fails_on_bad(|| Some(Failure::fatal(Problem::new("gone", "no such order"))));
    for key in ["bad", "good", "bad"] {
        simulation.publish("t", Some(key));
    }
    simulation.run(millis(50));
    let row = row(&mut simulation);
    assert_eq!(row.dead.keys().map(|seq| seq.0).collect::<Vec<_>>(), [1, 5]);
    assert_eq!((row.handled.len(), row.retries.len()), (1, 0));
}

#[test]
fn a_handler_gets_the_delay_that_it_asks_for() {
    let mut simulation = simulation();
    simulation.handler =
        fails_on_bad(|| Some(Failure::retry(Some(Duration::from_hours(1)), Problem::new("later", ""))));
    simulation.publish("t", Some("bad"));
    simulation.run(millis(50));
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.run(Duration::from_mins(59));
    assert_eq!(handled(&mut simulation), [0; 0]);
    simulation.run(Duration::from_mins(2));
    assert_eq!(handled(&mut simulation), [1]);
}

#[test]
fn what_was_handled_before_a_failure_in_one_delivery_stays() {
    let mut simulation = simulation();
    // All of them in one delivery: they come while the subscription cannot be served.
    simulation.fault = Box::new(|| super::simulation::Fault::Postponed);
    for _ in 0..5 {
        simulation.publish("t", Some("k"));
    }
    simulation.run(millis(20));
    simulation.fault = Box::new(|| super::simulation::Fault::None);
    let sizes: Rc<RefCell<Vec<usize>>> = Rc::default();
    let log = Rc::clone(&sizes);
    simulation.handler = Box::new(move |delivery| {
        log.borrow_mut().push(delivery.items.len());
        (millis(1), 2, retry())
    });
    let two = |simulation: &Simulation| simulation.world.subscriptions[&name("p", "*")].handled.len() == 2;
    simulation.run_until(two, Duration::from_secs(6)).expect("the first two are handled");
    assert_eq!(*sizes.borrow(), [5]);
    assert_eq!(handled(&mut simulation), [1, 3]);
    let rows: Vec<_> = row(&mut simulation).retries.values().map(|row| (row.seq.0, row.attempts)).collect();
    assert_eq!(rows, [(5, 1)]);
}

#[test]
fn a_handler_that_traps_on_one_event_after_another_is_paused_and_its_events_kept() {
    let mut simulation = simulation();
    simulation.handler = Box::new(|_| (millis(1), 0, trap()));
    for number in 0..200 {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    simulation.run(Duration::from_secs(10));
    let paused = row(&mut simulation);
    assert_eq!(paused.paused, Some(PauseReason::Trapping));
    assert!(paused.dead.is_empty() && paused.handled.is_empty());
    let trapped = paused.retries.len();
    assert!((10..=10 + 16).contains(&trapped), "{trapped}");
    // Nothing is tried while it is paused.
    simulation.run(Duration::from_hours(2));
    assert_eq!(row(&mut simulation).retries.len(), trapped);
    // A person repairs it and resumes it.
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    row(&mut simulation).paused = None;
    simulation.dispatcher.reload(&name("p", "*"), simulation.now);
    simulation.run(Duration::from_mins(1));
    assert_eq!(handled(&mut simulation).len(), 200);
}

#[test]
fn traps_with_events_handled_in_between_pause_nobody() {
    let mut simulation = simulation();
    simulation.handler = fails_on_topic_bad(trap);
    for _ in 0..50 {
        simulation.publish("bad", None);
        simulation.publish("good", None);
        simulation.run(millis(20));
    }
    assert_eq!(row(&mut simulation).paused, None);
}

#[test]
fn one_event_that_always_traps_pauses_nobody() {
    let mut simulation = simulation();
    simulation.handler = fails_on_bad(trap);
    simulation.publish("t", Some("bad"));
    simulation.run(Duration::from_hours(1));
    let row = row(&mut simulation);
    assert_eq!((row.paused, row.dead.len()), (None, 1));
}

#[test]
fn a_subscription_with_as_many_dead_letters_as_it_may_have_is_paused() {
    let mut simulation = Simulation::new(Limits { dead_letters_per_subscription: 5, ..Limits::default() });
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.handler = Box::new(|_| (millis(1), 0, Some(Failure::fatal(Problem::new("never", "")))));
    for _ in 0..100 {
        simulation.publish("t", Some("k"));
    }
    simulation.run(Duration::from_secs(10));
    assert_eq!(row(&mut simulation).paused, Some(PauseReason::DeadLetters));
    assert_eq!(row(&mut simulation).dead.len(), 5);
}

#[test]
fn a_subscription_with_as_many_retries_as_it_may_have_stands_still_until_there_is_room() {
    let mut simulation = Simulation::new(Limits { retries_per_subscription: 20, ..Limits::default() });
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.handler = fails_on_bad(retry);
    simulation.publish("t", Some("bad"));
    simulation.run(millis(20));
    for _ in 0..100 {
        simulation.publish("t", Some("bad"));
    }
    for number in 0..100 {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    simulation.run(Duration::from_secs(1));
    let rows = row(&mut simulation).retries.len();
    assert!((15..=20).contains(&rows), "{rows}");
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.run(Duration::from_mins(20));
    assert_eq!(handled(&mut simulation).len(), 201);
}

#[test]
fn a_subscription_that_waits_for_others_retries_to_go_goes_on_when_they_are_gone() {
    let mut simulation = Simulation::new(Limits { retries: 20, ..Limits::default() });
    // One plugin alone leaves half of them.
    for plugin in ["bad", "worse", "worst"] {
        simulation.declare(plugin, &["bad"]);
    }
    simulation.declare("good", &["good"]);
    simulation.run(millis(10));
    simulation.handler =
        fails_on_topic_bad(|| Some(Failure::retry(Some(Duration::from_mins(1)), Problem::new("no", ""))));
    for _ in 0..30 {
        simulation.publish("bad", None);
    }
    simulation.run(millis(200));
    simulation.publish("good", Some("k"));
    simulation.run(Duration::from_secs(20));
    let good = |simulation: &Simulation| simulation.world.subscriptions[&name("good", "good")].handled.len();
    assert_eq!(good(&simulation), 0, "there is no room for an event of it that might fail");
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    let is_done = |simulation: &Simulation| good(simulation) == 1;
    let time = simulation.run_until(is_done, Duration::from_mins(2)).expect("there is room again");
    assert!(time < Duration::from_secs(45), "{time:?}");
}

#[test]
fn one_plugin_whose_subscriptions_all_fail_leaves_room_for_the_others() {
    let mut simulation = Simulation::new(Limits { retries: 40, ..Limits::default() });
    let patterns = ["*", "bad", "bad.*"];
    simulation.declare("bad", &patterns);
    simulation.declare("good", &["bad"]);
    simulation.run(millis(10));
    let again = || Failure::retry(Some(Duration::from_hours(1)), Problem::new("no", ""));
    simulation.handler = Box::new(move |delivery| match &*delivery.name.plugin {
        "bad" => (millis(1), 0, Some(again())),
        _ => (millis(1), delivery.items.len(), None),
    });
    for _ in 0..100 {
        simulation.publish("bad.worse", None);
    }
    simulation.run(Duration::from_secs(1));
    for number in 0..100 {
        simulation.publish("bad", Some(&format!("key-{number}")));
    }
    simulation.run(Duration::from_mins(1));
    let rows = |simulation: &Simulation| -> usize {
        patterns.iter().map(|pattern| simulation.world.subscriptions[&name("bad", pattern)].retries.len()).sum()
    };
    assert!((15..=20).contains(&rows(&simulation)), "{}", rows(&simulation));
    let handled = |simulation: &Simulation, plugin: &str, pattern: &str| {
        simulation.world.subscriptions[&name(plugin, pattern)].handled.len()
    };
    assert_eq!(handled(&simulation, "good", "bad"), 100);
    // It goes on itself as its rows go.
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.run(Duration::from_hours(2));
    assert_eq!(rows(&simulation), 0);
    assert_eq!(patterns.map(|pattern| handled(&simulation, "bad", pattern)), [200, 100, 100]);
}

#[test]
fn an_event_that_the_log_does_not_hold_any_more_is_a_dead_letter() {
    let mut simulation = simulation();
    simulation.handler = fails_on_bad(retry);
    simulation.publish("t", Some("bad"));
    simulation.publish("t", Some("bad"));
    simulation.run(millis(20));
    simulation.world.kept_from = 2;
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.run(Duration::from_mins(1));
    assert_eq!(handled(&mut simulation), [3]);
    assert_eq!(&*row(&mut simulation).dead[&Seq(1)].problem.code, "event_deleted");
}
