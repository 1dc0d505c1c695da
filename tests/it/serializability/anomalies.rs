//! The checker against histories made by hand: it lets pass what can be, and finds each thing that cannot.

use super::{
    check::{Anomaly, check},
    history::{
        Call,
        Step::{self, Add, Read, Sum, Write},
    },
};

/// Returns a call that everybody could overlap with.
fn call(steps: &[Step]) -> Call {
    Call { invoked: 0, answered: u64::MAX, committed: true, steps: steps.to_vec() }
}

/// Returns a call that is discarded.
fn discarded(steps: &[Step]) -> Call {
    Call { committed: false, ..call(steps) }
}

/// Puts calls one after the other.
fn in_turn(calls: impl IntoIterator<Item = Call>) -> Vec<Call> {
    (0_u64..).zip(calls).map(|(tick, call)| Call { invoked: 2 * tick, answered: 2 * tick + 1, ..call }).collect()
}

#[track_caller]
fn check_passes(history: &[Call]) {
    assert_eq!(check(history), Ok(()));
}

/// Checks that these calls, and no others, are found to come before each other.
#[track_caller]
fn check_cycle(history: &[Call], expected: &[usize]) {
    match check(history) {
        Err(Anomaly::Cycle(cycle)) => {
            let mut calls: Vec<_> = cycle.iter().map(|(call, _)| *call).collect();
            calls.sort_unstable();
            assert_eq!(calls, expected, "{cycle:?}");
        }
        other => panic!("no cycle: {other:?}"),
    }
}

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;

#[test]
fn lets_a_serial_history_pass() {
    check_passes(&in_turn([
        call(&[Read(X, None), Write(X, Some(1))]),
        call(&[Read(X, Some(1)), Read(Y, None), Write(Y, Some(2)), Read(Y, Some(2))]),
        call(&[Read(X, Some(1)), Write(X, None), Read(X, None)]),
        discarded(&[Read(X, None), Write(X, Some(3)), Read(X, Some(3))]),
        call(&[Read(X, None), Read(Y, Some(2)), Write(X, Some(4)), Write(X, Some(5))]),
        call(&[Read(X, Some(5)), Sum(Z, 0), Add(Z, 4), Sum(Z, 4)]),
        call(&[Add(Z, -1), Sum(Z, 3)]),
    ]));
}

#[test]
fn lets_any_order_of_concurrent_calls_pass() {
    check_passes(&[
        call(&[Read(X, Some(2)), Write(Y, Some(1))]),
        call(&[Read(Y, None), Write(X, Some(2))]),
        call(&[Read(X, None), Read(Y, None)]),
        call(&[Write(X, None)]),
    ]);
}

#[test]
fn finds_a_lost_update() {
    let history = [call(&[Read(X, None), Write(X, Some(1))]), call(&[Read(X, None), Write(X, Some(2))])];
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_an_update_that_is_lost_to_a_write_that_read_nothing() {
    let history = in_turn([call(&[Write(X, Some(1))]), call(&[Write(X, Some(2))]), call(&[Read(X, Some(1))])]);
    check_cycle(&history, &[1, 2]);
}

#[test]
fn finds_write_skew() {
    let history = [
        call(&[Read(X, None), Read(Y, None), Write(X, Some(1))]),
        call(&[Read(X, None), Read(Y, None), Write(Y, Some(2))]),
    ];
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_a_read_of_half_a_transaction() {
    let history = [call(&[Write(X, Some(1)), Write(Y, Some(2))]), call(&[Read(X, Some(1)), Read(Y, None)])];
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_a_phantom() {
    // Each lists the range of X and Y, finds it empty, and puts its own key into it.
    let list = [Read(X, None), Read(Y, None), Read(Z, None)];
    let put = |key, value| call(&[list.as_slice(), &[Write(key, Some(value))]].concat());
    check_cycle(&[put(X, 1), put(Y, 2)], &[0, 1]);
}

#[test]
fn finds_the_anomaly_of_a_call_that_only_reads() {
    // Fekete, O'Neil, O'Neil, "A read-only transaction anomaly under snapshot isolation", 2004: without the last call the
    // others are in order.
    let (savings, checking) = (X, Y);
    let withdraw = call(&[Read(savings, None), Read(checking, None), Write(checking, Some(11))]);
    let deposit = call(&[Read(savings, None), Write(savings, Some(20))]);
    let report = call(&[Read(savings, Some(20)), Read(checking, None)]);
    check_passes(&[withdraw.clone(), deposit.clone()]);
    check_cycle(&[withdraw, deposit, report], &[0, 1, 2]);
}

#[test]
fn finds_what_a_discarded_call_should_not_have_seen() {
    let history = [call(&[Write(X, Some(1)), Write(Y, Some(2))]), discarded(&[Read(X, Some(1)), Read(Y, None)])];
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_a_read_of_the_past() {
    let history = in_turn([call(&[Write(X, Some(1))]), call(&[Read(X, None)])]);
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_a_circle_of_reads() {
    let history = [call(&[Read(X, Some(2)), Write(Y, Some(1))]), call(&[Read(Y, Some(1)), Write(X, Some(2))])];
    check_cycle(&history, &[0, 1]);
}

#[test]
fn finds_a_value_that_nobody_left() {
    let writer = [Write(X, Some(1)), Write(X, Some(2))];
    let reader = |value| call(&[Read(X, Some(value))]);
    assert_eq!(check(&[discarded(&writer), reader(2)]), Err(Anomaly::NobodysValue(1, X, 2)));
    assert_eq!(check(&[call(&writer), reader(1)]), Err(Anomaly::NobodysValue(1, X, 1)));
    assert_eq!(check(&[call(&writer), reader(3)]), Err(Anomaly::NobodysValue(1, X, 3)));
    check_passes(&[call(&writer), reader(2)]);
}

#[test]
fn finds_two_states_in_one_call() {
    let writer = call(&[Write(X, Some(1))]);
    let twice = call(&[Read(X, None), Read(X, Some(1))]);
    assert_eq!(check(&[writer, twice]), Err(Anomaly::TwoStates(1)));
    assert_eq!(check(&[call(&[Write(X, Some(1)), Read(X, None)])]), Err(Anomaly::TwoStates(0)));
    assert_eq!(check(&[call(&[Sum(X, 0), Add(X, 4), Sum(X, 0)])]), Err(Anomaly::TwoStates(0)));
}

#[test]
fn finds_a_key_that_is_missing() {
    // Deleted before the value was written, and never again.
    let history = in_turn([
        call(&[Write(X, Some(1))]),
        call(&[Write(X, None)]),
        call(&[Read(X, None), Write(X, Some(2))]),
        call(&[Read(X, None)]),
    ]);
    assert_eq!(check(&history), Err(Anomaly::Missing(3, X)));
}

#[test]
fn finds_increments_that_are_lost_doubled_or_discarded() {
    let add = |amount| call(&[Add(X, amount)]);
    let sum = |sum| call(&[Sum(X, sum)]);
    check_passes(&in_turn([add(1), add(16), add(-4), sum(13)]));
    check_cycle(&in_turn([add(1), add(16), sum(16)]), &[0, 2]);
    assert_eq!(check(&[add(1), sum(2)]), Err(Anomaly::NobodysSum(1, X, 2)));
    assert_eq!(check(&[add(-4), sum(-8)]), Err(Anomaly::NobodysSum(1, X, -8)));
    assert_eq!(check(&[discarded(&[Add(X, 4)]), sum(4)]), Err(Anomaly::NobodysSum(1, X, 4)));
}

#[test]
fn finds_write_skew_over_sums() {
    // Each sees an account without what the other takes.
    let history = [call(&[Sum(X, 0), Sum(Y, 0), Add(X, -1)]), call(&[Sum(X, 0), Sum(Y, 0), Add(Y, -4)])];
    check_cycle(&history, &[0, 1]);
}
