//! Many subscriptions side by side: what one of them does costs the others no time.

use std::time::Duration;

use super::simulation::{Simulation, millis, retry};
use crate::{double::name, limits::Limits};

/// Ten subscriptions of one topic, of which the first may be slow.
fn ten() -> Simulation {
    let mut simulation = Simulation::new(Limits::default());
    for number in 0..10 {
        simulation.declare(&format!("plugin-{number}"), &["*"]);
    }
    simulation.run(millis(10));
    simulation
}

fn count(simulation: &Simulation, number: usize) -> usize {
    simulation.world.subscriptions[&name(&format!("plugin-{number}"), "*")].handled.len()
}

/// Publishes and returns how long it takes until nine of the ten have handled everything.
fn time_of_nine(simulation: &mut Simulation, events: usize) -> Duration {
    for number in 0..events {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    let is_done = move |simulation: &Simulation| (1..10).all(|number| count(simulation, number) == events);
    simulation.run_until(is_done, Duration::from_mins(10)).expect("nine are quick")
}

#[test]
fn a_slow_subscription_among_ten_does_not_delay_the_others() {
    let alone = time_of_nine(&mut ten(), 2000);
    let mut simulation = ten();
    simulation.handler = Box::new(|delivery| {
        let is_slow = &*delivery.name.plugin == "plugin-0";
        (if is_slow { Duration::from_secs(10) } else { millis(1) }, delivery.items.len(), None)
    });
    let beside = time_of_nine(&mut simulation, 2000);
    assert!(beside <= alone * 3 / 2, "{beside:?} beside a slow one, {alone:?} without");
    assert!(count(&simulation, 0) < 2000);
}

#[test]
fn slow_subscriptions_never_hold_every_place() {
    let mut simulation = ten();
    simulation.handler = Box::new(|delivery| {
        let is_quick = &*delivery.name.plugin == "plugin-9";
        (if is_quick { millis(1) } else { Duration::from_secs(10) }, delivery.items.len(), None)
    });
    for number in 0..2000 {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    let quick = simulation.run_until(|simulation| count(simulation, 9) == 2000, Duration::from_mins(10));
    assert!(quick.is_some_and(|time| time < Duration::from_secs(1)), "{quick:?}");
}

#[test]
fn one_poison_event_among_a_hundred_thousand_delays_nothing_but_its_key() {
    const EVENTS: usize = 100_000;
    let run = |poison: Option<i64>| {
        let mut simulation = Simulation::new(Limits::default());
        simulation.declare("p", &["*"]);
        simulation.run(millis(10));
        simulation.handler =
            Box::new(move |delivery| match delivery.items.iter().position(|item| Some(item.event.seq.0) == poison) {
                Some(place) => (millis(1), place, retry()),
                None => (millis(1), delivery.items.len(), None),
            });
        for number in 0..EVENTS {
            simulation.publish("t", Some(&format!("key-{}", number % 5000)));
        }
        let row = name("p", "*");
        let bad_key = usize::from(poison.is_some()) * EVENTS / 5000;
        let is_done = |simulation: &Simulation| simulation.world.subscriptions[&row].handled.len() >= EVENTS - bad_key;
        let time = simulation.run_until(is_done, Duration::from_mins(10)).expect("quick");
        (time, simulation)
    };
    let (without, _) = run(None);
    let (with, mut simulation) = run(Some(1));
    assert!(with <= without + without / 10, "{with:?} with, {without:?} without");
    simulation.run(Duration::from_hours(1));
    let row = &simulation.world.subscriptions[&name("p", "*")];
    assert_eq!((row.handled.len(), row.dead.len()), (EVENTS - 1, 1));
}

#[test]
fn retries_that_never_end_leave_the_log_its_turns() {
    let mut simulation = Simulation::new(Limits { deliveries: 1, ..Limits::default() });
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    // Every retry is due again at once.
    simulation.handler = Box::new(|delivery| {
        let is_bad = delivery.items[0].event.topic.as_str() == "bad";
        let again = crate::Failure::retry(Some(Duration::ZERO), crate::Problem::new("again", ""));
        if is_bad { (millis(1), 0, Some(again)) } else { (millis(1), delivery.items.len(), None) }
    });
    for _ in 0..200 {
        simulation.publish("bad", None);
    }
    simulation.run(millis(100));
    for _ in 0..200 {
        simulation.publish("good", Some("k"));
    }
    let is_done = |simulation: &Simulation| simulation.world.subscriptions[&name("p", "*")].handled.len() == 200;
    assert!(simulation.run_until(is_done, Duration::from_secs(3)).is_some());
}

#[test]
fn a_log_that_never_ends_leaves_retries_their_turns() {
    let mut simulation = Simulation::new(Limits { deliveries: 1, events_per_delivery: 1, ..Limits::default() });
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    let mut is_first = true;
    simulation.handler = Box::new(move |delivery| {
        if std::mem::replace(&mut is_first, false) {
            (millis(1), 0, retry())
        } else {
            (millis(1), delivery.items.len(), None)
        }
    });
    for number in 0..5000 {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    simulation.run(Duration::from_secs(2));
    let row = &simulation.world.subscriptions[&name("p", "*")];
    assert!(row.retries.is_empty() && row.handled.len() < 4000, "{:?}, {}", row.retries, row.handled.len());
}

#[test]
fn deliveries_on_their_way_are_bounded() {
    let mut simulation = Simulation::new(Limits { deliveries: 7, ..Limits::default() });
    for number in 0..50 {
        simulation.declare(&format!("plugin-{number}"), &["*"]);
    }
    simulation.run(millis(100));
    simulation.in_flight_max = 0;
    for number in 0..500 {
        simulation.publish("t", Some(&format!("key-{number}")));
    }
    simulation.run(Duration::from_secs(4));
    assert_eq!(simulation.in_flight_max, 7);
    assert!((0..50).all(|number| count(&simulation, number) == 500));
}
