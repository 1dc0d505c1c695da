//! Which lanes go together in one delivery, and what becomes of them when it fails on the way.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use super::simulation::{Simulation, millis, retry};
use crate::{
    delivery::{Delivery, Failure},
    double::name,
    event::EventKey,
    lane::{LANES, Lane},
    limits::Limits,
};

type Sizes = Rc<RefCell<Vec<usize>>>;

/// One subscription whose handler takes so long for each event. The sizes of its deliveries are noted.
fn bench(limits: Limits, each: Duration) -> (Simulation, Sizes) {
    bench_with(limits, move |delivery| (each * u32::try_from(delivery.items.len()).expect("few"), None))
}

fn bench_with(
    limits: Limits,
    mut handler: impl FnMut(&Delivery) -> (Duration, Option<(usize, Failure)>) + 'static,
) -> (Simulation, Sizes) {
    let mut simulation = Simulation::new(limits);
    simulation.declare("p", &["*"]);
    simulation.run(millis(10));
    let sizes = Sizes::default();
    let noted = Rc::clone(&sizes);
    simulation.handler = Box::new(move |delivery| {
        noted.borrow_mut().push(delivery.items.len());
        match handler(delivery) {
            (time, None) => (time, delivery.items.len(), None),
            (time, Some((handled, failure))) => (time, handled, Some(failure)),
        }
    });
    (simulation, sizes)
}

/// Publishes as many events to each lane, lane by lane.
fn publish_to_each_lane(simulation: &mut Simulation, count: usize) {
    let mut keys = BTreeMap::new();
    for key in (0..1000).map(|number| format!("key-{number}")) {
        keys.entry(Lane::of(Some(&EventKey::new(&key).expect("a key")), "")).or_insert(key);
    }
    assert_eq!(keys.len(), LANES);
    for key in keys.values() {
        (0..count).for_each(|_| simulation.publish("t", Some(key)));
    }
}

/// Publishes to each lane and lets everything be handled. Returns the sizes of the deliveries, largest first.
fn round(simulation: &mut Simulation, sizes: &Sizes, count: usize) -> Vec<usize> {
    sizes.borrow_mut().clear();
    publish_to_each_lane(simulation, count);
    simulation.run(Duration::from_secs(2));
    assert!(simulation.is_idle());
    let mut sizes = sizes.borrow().clone();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes
}

#[test]
fn events_of_different_lanes_come_together_once_the_handler_is_known_to_be_quick() {
    let (mut simulation, sizes) = bench(Limits::default(), Duration::ZERO);
    assert_eq!(round(&mut simulation, &sizes, 1), [1; LANES]);
    assert_eq!(round(&mut simulation, &sizes, 1), [4; 4]);
    assert_eq!(round(&mut simulation, &sizes, 5), [20; 4]);
    assert_eq!(round(&mut simulation, &sizes, 9), [32, 32, 32, 32, 16]);
}

#[test]
fn no_more_come_together_than_are_handled_in_a_moment() {
    let (mut simulation, sizes) = bench(Limits::default(), millis(2));
    round(&mut simulation, &sizes, 1);
    assert_eq!(round(&mut simulation, &sizes, 1), [2; 8]);
    assert_eq!(round(&mut simulation, &sizes, 2), [2; LANES], "a lane's own events come together whatever they take");
    let (mut simulation, sizes) = bench(Limits::default(), millis(20));
    round(&mut simulation, &sizes, 1);
    assert_eq!(round(&mut simulation, &sizes, 1), [1; LANES]);
}

#[test]
fn full_lanes_go_side_by_side() {
    let (mut simulation, sizes) = bench(Limits::default(), Duration::ZERO);
    round(&mut simulation, &sizes, 1);
    simulation.in_flight_max = 0;
    assert_eq!(round(&mut simulation, &sizes, 32), [32; LANES]);
    assert_eq!(simulation.in_flight_max, LANES);
}

#[test]
fn what_comes_together_is_within_the_bytes_of_a_delivery() {
    let bytes = crate::double::event(1, "t", Some("key-1")).bytes();
    let limits = Limits { bytes_per_delivery: 3 * (bytes + 8), ..Limits::default() };
    let (mut simulation, sizes) = bench(limits, Duration::ZERO);
    round(&mut simulation, &sizes, 1);
    assert_eq!(round(&mut simulation, &sizes, 1), [3, 3, 3, 3, 3, 1]);
}

#[test]
fn a_failure_holds_back_its_key_and_the_lanes_behind_it_come_again() {
    let fails = Rc::new(RefCell::new(Vec::new()));
    let planned = Rc::clone(&fails);
    let (mut simulation, sizes) = bench_with(Limits::default(), move |_| {
        let failure = planned.borrow_mut().pop();
        (Duration::ZERO, failure.map(|handled| (handled, retry().expect("a failure"))))
    });
    round(&mut simulation, &sizes, 1);
    // Two events of each lane, four lanes in a delivery: one ends with its third lane, the next at its very first event.
    fails.borrow_mut().extend([0, 5]);
    sizes.borrow_mut().clear();
    publish_to_each_lane(&mut simulation, 2);
    let row = name("p", "*");
    simulation.run(millis(1));
    // Two of the first are left, six of the second, and one of the second waits behind the failed one.
    assert_eq!(*sizes.borrow(), [8, 8, 8, 8, 8]);
    simulation.run(Duration::from_mins(1));
    let row = &simulation.world.subscriptions[&row];
    assert!(row.retries.is_empty() && row.dead.is_empty(), "{row:?}");
    let seqs: Vec<_> = row.handled.iter().map(|event| event.seq).collect();
    let mut once = seqs.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((seqs.len(), once.len()), (3 * LANES, 3 * LANES));
    for key in row.handled.iter().map(|event| &event.key) {
        let of_key: Vec<_> = row.handled.iter().filter(|event| event.key == *key).map(|event| event.seq).collect();
        assert!(of_key.is_sorted(), "{key:?}: {of_key:?}");
    }
}
