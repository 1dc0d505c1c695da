//! Subscriptions that come, go, come again, fall behind and are replayed; hints that are lost.

use std::time::Duration;

use super::simulation::{Fault, Simulation, millis, retry};
use crate::{
    dispatcher::TooManySubscriptions,
    double::name,
    event::Seq,
    limits::Limits,
    subscription::{DETACHED_KEPT, PauseReason, SubscriptionSpec},
    topic::Pattern,
};

fn simulation() -> Simulation {
    Simulation::new(Limits::default())
}

fn handled(simulation: &Simulation, plugin: &str, pattern: &str) -> Vec<i64> {
    simulation.world.subscriptions[&name(plugin, pattern)].handled.iter().map(|event| event.seq.0).collect()
}

#[test]
fn a_new_subscription_begins_at_the_end_of_the_log() {
    let mut simulation = simulation();
    simulation.publish("orders.created", Some("k"));
    simulation.declare("p", &["orders.*"]);
    simulation.run(millis(10));
    simulation.publish("orders.paid", Some("k"));
    simulation.publish("payments.settled", Some("k"));
    simulation.run(Duration::from_mins(1));
    assert_eq!(handled(&simulation, "p", "orders.*"), [3]);
}

#[test]
fn a_topic_that_nobody_subscribes_to_reaches_nobody_and_delays_nobody() {
    let mut simulation = simulation();
    simulation.declare("p", &["orders.*"]);
    simulation.run(millis(10));
    for _ in 0..50_000 {
        simulation.publish("noise", None);
    }
    simulation.publish("orders.paid", Some("k"));
    let is_done = |simulation: &Simulation| !handled(simulation, "p", "orders.*").is_empty();
    let time = simulation.run_until(is_done, Duration::from_mins(1)).expect("it is handled");
    assert!(time < millis(20), "{time:?}");
    assert_eq!(simulation.dispatcher.counters().lane_reads, 0, "events for others cost no read");
}

#[test]
fn events_that_wait_from_before_the_start_are_read_from_the_log() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    let mut published = 0;
    // Killed before anything is delivered; then everything waits.
    for _ in 0..30_000 {
        simulation.world.publish("t", Some(&format!("key-{}", published % 100)));
        published += 1;
    }
    simulation.kill(|| false);
    simulation.declare("p", &["*"]);
    let is_done = |simulation: &Simulation| handled(simulation, "p", "*").len() == published;
    let time = simulation.run_until(is_done, Duration::from_mins(1)).expect("all are handled");
    // 16 at once, 32 each, a read and a delivery of a millisecond each.
    assert!(time < millis(30_000 / 32 / 16 * 2 + 100), "{time:?}");
}

#[test]
fn a_lost_hint_costs_a_read_and_no_event() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    // The queue said that it lost some.
    simulation.world.publish("t", Some("k"));
    simulation.dispatcher.lost();
    simulation.run(millis(10));
    assert_eq!(handled(&simulation, "p", "*"), [1]);
    // The next hint shows a hole.
    simulation.world.publish("t", Some("k"));
    simulation.publish("t", Some("k"));
    simulation.run(millis(10));
    assert_eq!(handled(&simulation, "p", "*"), [1, 3, 5]);
    // Nobody says anything.
    simulation.world.publish("t", Some("k"));
    simulation.run(Duration::from_secs(6));
    assert_eq!(handled(&simulation, "p", "*"), [1, 3, 5, 7]);
}

#[test]
fn a_subscription_that_is_removed_and_dropped_in_again_goes_on_where_it_was() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.publish("t", Some("k"));
    simulation.run(millis(10));
    simulation.declare("p", &[]);
    simulation.run(millis(10));
    assert!(simulation.world.subscriptions[&name("p", "*")].closed.is_some());
    assert!(simulation.dispatcher.views().is_empty());
    simulation.publish("t", Some("k"));
    simulation.run(DETACHED_KEPT - Duration::from_hours(1));
    assert_eq!(handled(&simulation, "p", "*"), [1]);
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    assert_eq!(handled(&simulation, "p", "*"), [1, 3]);
    assert!(simulation.world.subscriptions[&name("p", "*")].closed.is_none());
}

#[test]
fn after_a_week_a_subscription_begins_anew() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.declare("p", &[]);
    simulation.run(millis(10));
    simulation.publish("t", Some("k"));
    simulation.run(DETACHED_KEPT);
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.publish("t", Some("k"));
    simulation.run(millis(10));
    assert_eq!(handled(&simulation, "p", "*"), [3]);
}

#[test]
fn a_swap_changes_nothing_for_the_subscriptions_that_stay() {
    let mut simulation = simulation();
    simulation.declare("p", &["a", "b"]);
    simulation.run(millis(10));
    simulation.handler = Box::new(|delivery| (millis(500), delivery.items.len(), None));
    simulation.publish("a", Some("k"));
    simulation.publish("b", Some("k"));
    simulation.run(millis(100));
    // Both are on their way: one ends as it may, the other's subscription goes on.
    simulation.declare("p", &["b", "c"]);
    simulation.publish("b", Some("k"));
    simulation.publish("c", Some("k"));
    simulation.run(Duration::from_secs(2));
    assert_eq!(handled(&simulation, "p", "a"), [1]);
    assert_eq!(handled(&simulation, "p", "b"), [3, 5]);
    assert_eq!(simulation.dispatcher.views().len(), 2);
    assert!(simulation.world.subscriptions[&name("p", "a")].closed.is_some());
}

#[test]
fn attempts_are_those_that_the_live_generation_declares() {
    let mut simulation = simulation();
    simulation.handler = Box::new(|_| (millis(1), 0, retry()));
    let spec = SubscriptionSpec { pattern: Pattern::new("*").expect("a pattern"), attempts: 2 };
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.publish("t", None);
    simulation.run(millis(5));
    simulation.dispatcher.declare(&"p".into(), &[spec], simulation.now).expect("few");
    simulation.run(Duration::from_secs(2));
    let row = &simulation.world.subscriptions[&name("p", "*")];
    assert_eq!(row.dead.values().map(|dead| dead.attempts).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_replay_delivers_again_and_overtakes_what_is_on_its_way() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    for _ in 0..3 {
        simulation.publish("t", Some("k"));
    }
    simulation.run(millis(50));
    simulation.handler = Box::new(|delivery| (millis(500), delivery.items.len(), None));
    simulation.publish("t", Some("k"));
    simulation.run(millis(100));
    // 7 is on its way, with a step that expects what is not so any more.
    simulation.world.replay(&name("p", "*"), Seq(1));
    simulation.dispatcher.reload(&name("p", "*"), simulation.now);
    simulation.run(Duration::from_secs(5));
    assert_eq!(handled(&simulation, "p", "*"), [1, 3, 5, 3, 5, 7]);
}

#[test]
fn a_paused_subscription_keeps_its_events_and_goes_on_when_it_is_resumed() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    let set = |simulation: &mut Simulation, paused| {
        simulation.world.subscriptions.get_mut(&name("p", "*")).expect("declared").paused = paused;
        simulation.dispatcher.reload(&name("p", "*"), simulation.now);
        simulation.run(millis(10));
    };
    set(&mut simulation, Some(PauseReason::Asked));
    simulation.publish("t", Some("k"));
    simulation.run(Duration::from_hours(1));
    assert_eq!(handled(&simulation, "p", "*"), [0; 0]);
    let view = &simulation.dispatcher.views()[0];
    assert_eq!((view.paused, view.position, view.head), (Some(PauseReason::Asked), Seq(0), Seq(1)));
    set(&mut simulation, None);
    assert_eq!(handled(&simulation, "p", "*"), [1]);
}

#[test]
fn cursors_of_lanes_without_work_follow_the_log() {
    let mut simulation = simulation();
    simulation.declare("p", &["orders.*"]);
    simulation.run(millis(10));
    for _ in 0..100 {
        simulation.publish("noise", None);
    }
    simulation.run(Duration::from_secs(31));
    let row = &simulation.world.subscriptions[&name("p", "orders.*")];
    assert_eq!(row.cursors, [simulation.world.head(); 16]);
}

#[test]
fn a_store_that_fails_is_asked_again_but_not_all_the_time() {
    let mut simulation = simulation();
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    simulation.publish("t", Some("k"));
    simulation.fault = Box::new(|| Fault::Unknown);
    simulation.run(Duration::from_secs(60));
    let asked = simulation.dispatcher.counters().deliveries;
    assert!(asked < 10, "{asked}");
    simulation.fault = Box::new(|| Fault::None);
    simulation.run(Duration::from_secs(6));
    assert_eq!(handled(&simulation, "p", "*"), [1]);
}

#[test]
fn subscriptions_are_bounded() {
    let mut simulation = Simulation::new(Limits { subscriptions: 3, ..Limits::default() });
    let spec =
        |number| SubscriptionSpec { pattern: Pattern::new(&format!("t.{number}")).expect("a pattern"), attempts: 12 };
    let mut declare = |plugin: &str, count: usize| {
        let specs: Vec<_> = (0..count).map(spec).collect();
        simulation.dispatcher.declare(&plugin.into(), &specs, simulation.now)
    };
    assert_eq!(declare("a", 2), Ok(()));
    assert_eq!(declare("b", 2), Err(TooManySubscriptions { max: 3 }));
    assert_eq!(declare("a", 1), Ok(()));
    assert_eq!(declare("b", 2), Ok(()));
}
