//! Exactly once and in order, whatever goes wrong: random worlds with losses, failures, kills, swaps and pauses.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use super::simulation::{Fault, Simulation, millis, retry, trap};
use crate::{
    delivery::Failure,
    double::{Subscription, World, name},
    limits::Limits,
    retry::Random,
    subscription::{Problem, SubscriptionName},
};

const TOPICS: [&str; 4] = ["orders.created", "orders.paid", "payments.settled", "audit"];
const KEYS: [Option<&str>; 6] = [Some("a"), Some("b"), Some("c"), Some("d"), None, Some("e")];
const PLUGINS: [(&str, &[&str]); 4] =
    [("all", &["*"]), ("orders", &["orders.*", "orders.paid"]), ("pay", &["payments.*"]), ("none", &["nobody.*"])];

type Dice = Rc<RefCell<Random>>;

fn below(dice: &Dice, bound: u64) -> u64 {
    dice.borrow_mut().next() % bound
}

fn one_of<T: Copy>(dice: &Dice, all: &[T]) -> T {
    all[usize::try_from(below(dice, all.len() as u64)).expect("small")]
}

/// Limits that are met all the time.
fn tight() -> Limits {
    Limits {
        deliveries: 6,
        deliveries_per_subscription: 4,
        events_per_delivery: 3,
        bytes_per_delivery: 900,
        window_events: 8,
        retries_per_subscription: 9,
        retries: 16,
        traps: 4,
        ..Limits::default()
    }
}

/// A simulation in which everything takes a random time and a part of everything goes wrong.
fn world(dice: &Dice) -> Simulation {
    let mut simulation = Simulation::new(tight());
    let (handler, latency, fault) = (Rc::clone(dice), Rc::clone(dice), Rc::clone(dice));
    // Of a quick handler several lanes come together.
    let slowest = one_of(dice, &[8, 200]);
    simulation.handler = Box::new(move |delivery| {
        let time = millis(below(&handler, slowest));
        let count = delivery.items.len() as u64;
        let handled = usize::try_from(below(&handler, count + 1)).expect("small");
        let failure = match below(&handler, 12) {
            0..5 => return (time, delivery.items.len(), None),
            5..8 => retry(),
            8 => Some(Failure::retry(Some(millis(50)), Problem::new("later", "in a moment"))),
            9 => Some(Failure::fatal(Problem::new("never", "no"))),
            10 => trap(),
            _ => None,
        };
        (time, handled, failure)
    });
    simulation.latency = Box::new(move || millis(below(&latency, 40)));
    simulation.fault = Box::new(move || match below(&fault, 25) {
        0 => Fault::Postponed,
        1 => Fault::AnswerLost,
        2 => Fault::Unknown,
        _ => Fault::None,
    });
    PLUGINS.iter().for_each(|(plugin, patterns)| simulation.declare(plugin, patterns));
    simulation
}

fn step(simulation: &mut Simulation, dice: &Dice) {
    match below(dice, 40) {
        0..14 => {
            for _ in 0..below(dice, 4) {
                let published = simulation.world.publish(one_of(dice, &TOPICS), one_of(dice, &KEYS));
                match below(dice, 8) {
                    0 => simulation.dispatcher.lost(),
                    // A hint that nobody hears of.
                    1 => {}
                    _ => simulation.dispatcher.published(published),
                }
            }
        }
        14..33 => simulation.run(millis(below(dice, 60))),
        33 => {
            let dice = Rc::clone(dice);
            simulation.kill(|| below(&dice, 2) == 0);
            PLUGINS.iter().for_each(|(plugin, patterns)| simulation.declare(plugin, patterns));
        }
        34 => simulation.declare(one_of(dice, &PLUGINS).0, &[]),
        35 | 36 => {
            let (plugin, patterns) = one_of(dice, &PLUGINS);
            simulation.declare(plugin, patterns);
        }
        37 => resume_all(simulation),
        38 => {
            let names: Vec<_> = simulation.world.subscriptions.keys().cloned().collect();
            names.iter().for_each(|name| simulation.dispatcher.reload(name, simulation.now));
        }
        _ => simulation.run(Duration::from_secs(below(dice, 600))),
    }
}

/// Resumes what was paused, as a person does.
fn resume_all(simulation: &mut Simulation) {
    let mut resumed = Vec::new();
    for (name, row) in &mut simulation.world.subscriptions {
        if row.paused.take().is_some() {
            resumed.push(name.clone());
        }
    }
    resumed.iter().for_each(|name| simulation.dispatcher.reload(name, simulation.now));
}

/// Lets everything end well.
fn calm_down(simulation: &mut Simulation) {
    simulation.handler = Box::new(|delivery| (millis(1), delivery.items.len(), None));
    simulation.fault = Box::new(|| Fault::None);
    PLUGINS.iter().for_each(|(plugin, patterns)| simulation.declare(plugin, patterns));
    simulation.run(Duration::from_secs(60));
    resume_all(simulation);
    simulation.run(Duration::from_mins(40));
    // A sweep that begins at the very end.
    simulation.run(millis(100));
}

/// Returns what is wrong with what a subscription did.
fn faults(name: &SubscriptionName, row: &Subscription, world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let is_meant = |seq| seq > row.began;
    let meant: BTreeSet<_> = world
        .events
        .iter()
        .filter(|event| is_meant(event.seq) && name.pattern.matches(&event.topic))
        .map(|event| event.seq)
        .collect();
    let mut done = BTreeSet::new();
    for seq in row.handled.iter().map(|event| event.seq).chain(row.dead.keys().copied()) {
        if !done.insert(seq) {
            faults.push(format!("{seq:?} came about twice"));
        }
    }
    if done != meant {
        faults.push(format!("missing {:?}, too many {:?}", &meant - &done, &done - &meant));
    }
    let mut last = BTreeMap::new();
    for event in row.handled.iter().filter(|event| event.key.is_some()) {
        if last.insert(event.key.clone(), event.seq).is_some_and(|before| before > event.seq) {
            faults.push(format!("{:?} came after a later one of its key", event.seq));
        }
    }
    if !row.retries.is_empty() {
        faults.push(format!("{} retries are left", row.retries.len()));
    }
    faults
}

fn play(seed: u64, is_atomic: bool) -> Vec<String> {
    let dice = Rc::new(RefCell::new(Random(seed)));
    let mut simulation = world(&dice);
    simulation.is_atomic = is_atomic;
    for _ in 0..300 {
        step(&mut simulation, &dice);
    }
    calm_down(&mut simulation);
    assert!(simulation.is_idle(), "seed {seed}");
    assert!(simulation.in_flight_max <= 6 + 2 * PLUGINS.len() + 1, "seed {seed}: {}", simulation.in_flight_max);
    let rows = simulation.world.subscriptions.iter();
    rows.flat_map(|(name, row)| {
        let faults = faults(name, row, &simulation.world).into_iter();
        faults.map(move |fault| format!("seed {seed}, {} {}: {fault}", name.plugin, name.pattern))
    })
    .collect()
}

#[test]
fn every_event_comes_about_once_and_in_the_order_of_its_key() {
    for seed in 0..120 {
        assert_eq!(play(seed, true), [""; 0]);
    }
}

#[test]
fn the_check_finds_what_a_step_outside_of_the_commit_breaks() {
    let broken = (0..20).filter(|seed| !play(*seed, false).is_empty()).count();
    assert!(broken > 10, "{broken} of 20");
}

#[test]
fn the_worlds_meet_what_they_are_made_for() {
    let dice = Rc::new(RefCell::new(Random(3)));
    let mut simulation = world(&dice);
    for _ in 0..300 {
        step(&mut simulation, &dice);
    }
    calm_down(&mut simulation);
    let row = &simulation.world.subscriptions[&name("all", "*")];
    assert!(row.handled.len() > 50 && !row.dead.is_empty(), "{} handled, {} dead", row.handled.len(), row.dead.len());
    // They begin anew with each kill, and after the last one there may have been nothing to handle.
    simulation.publish("t", None);
    simulation.run(Duration::from_secs(1));
    let counters = simulation.dispatcher.counters();
    assert!(counters.tail_reads > 0 && counters.handled > 0, "{counters:?}");
}
