//! Deliveries and runs of schedules of a real guest (`tests/guest.wat`) on a keyspace in memory.

mod grpc;

use std::sync::LazyLock;

use tokio::time::timeout;

use super::*;
use crate::{
    bindings::exports::backplane::plugin::event_handler,
    call::tests::bench::{Bench, PATIENCE, compile, eventually},
    keyspace::{
        CommitError, EventFailureKind,
        double::{Broken, MemoryKeyspace},
    },
};

// What the guest does with an event, by the first byte of its payload.
const ADD: u8 = 0;
const LATER: u8 = 1;
const AFTER: u8 = 2;
const NEVER: u8 = 3;
const TRAP: u8 = 4;
const SPIN: u8 = 5;
const TELL: u8 = 6;
const PLAIN: u8 = 7;
const MUCH: u8 = 8;

const MODES: [InstanceMode; 2] = [InstanceMode::Fresh, InstanceMode::Reused];

static CODE: LazyLock<Vec<u8>> = LazyLock::new(|| compile(include_str!("tests/guest.wat")));

const MANIFEST: &str = r#""publishes":["k"],"subscriptions":[{"pattern":"a"},{"pattern":"b"}],
    "schedules":[{"handler":"f","every_ms":1000},{"handler":"g","every_ms":1000},{"handler":"h","every_ms":1000}]"#;

fn bench_with(mode: InstanceMode, keyspace: MemoryKeyspace, limits: PluginLimits) -> Arc<Bench> {
    Arc::new(Bench::of(&CODE, MANIFEST, mode, keyspace, limits))
}

fn bench(mode: InstanceMode, decisions: usize) -> Arc<Bench> {
    bench_with(mode, MemoryKeyspace::start(decisions), PluginLimits::default())
}

fn event(what: u8) -> Event {
    let record = event_handler::Event {
        subscription: 0,
        id: "id".into(),
        source: "/plugins/guest".into(),
        topic: "a".into(),
        key: None,
        content_type: "text/plain".into(),
        payload: vec![what],
        time_ms: 1,
        attempt: 1,
    };
    Event { record, trace_parent: Some(format!("trace {what}")) }
}

impl Bench {
    async fn deliver(&self, what: &[u8]) -> Result<Handled, InvokeError> {
        let events = what.iter().copied().map(event).collect();
        self.generation.handle_events(events, self.context(PATIENCE)).await
    }

    fn start_delivery(self: &Arc<Self>, what: &[u8]) -> tokio::task::JoinHandle<Result<Handled, InvokeError>> {
        let (this, what) = (Arc::clone(self), what.to_vec());
        tokio::spawn(async move { this.deliver(&what).await })
    }

    async fn run_schedule(&self, schedule: u32) -> Result<Ran, InvokeError> {
        self.generation.handle_schedule(ScheduleRun { schedule, slot_ms: 7 }, self.context(PATIENCE)).await
    }

    fn value(&self) -> Option<u8> {
        self.keyspace.value("b", "k").map(|value| value[0])
    }
}

/// How many were handled, and why the next one was not.
fn told(handled: Result<Handled, InvokeError>) -> (usize, Option<(EventFailureKind, String)>) {
    let Handled { count, failure, .. } = handled.expect("committed");
    (count, failure.map(|failure| (failure.kind, failure.problem.code)))
}

#[tokio::test]
async fn events_share_a_transaction_and_each_sees_what_came_before() {
    for mode in MODES {
        let bench = bench(mode, 9);
        assert_eq!(told(bench.deliver(&[ADD, TELL, PLAIN, TELL]).await), (4, None));
        assert_eq!((bench.keyspace.handed_over(), bench.value()), (1, Some(3)), "{mode:?}");
        assert_eq!(bench.keyspace.dealt_with(), ["4 handled"]);
        let published = bench.keyspace.published();
        let runs: Vec<_> = published.iter().map(|event| event.payload[0]).collect();
        assert_eq!(runs, if mode == InstanceMode::Fresh { [1, 1] } else { [2, 4] }, "{mode:?}");
        let event = &published[0];
        assert_eq!((event.topic.as_str(), event.key.as_deref(), event.id.as_str()), ("k", Some("b"), "event-0"));
        assert_eq!(event.trace_parent.as_deref(), Some("trace 6"));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn an_event_without_state_is_committed_as_handled() {
    let bench = bench(InstanceMode::Fresh, 9);
    assert_eq!(told(bench.deliver(&[PLAIN]).await), (1, None));
    assert_eq!(bench.keyspace.dealt_with(), ["1 handled"]);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn what_a_failed_event_did_is_taken_back_and_what_came_before_stays() {
    let limits = PluginLimits { cpu: Duration::from_millis(20), ..PluginLimits::default() };
    for mode in MODES {
        let bench = bench_with(mode, MemoryKeyspace::start(99), limits.clone());
        let mut expected = 0;
        for (what, kind, code) in [
            (LATER, EventFailureKind::Retry { after: None }, "k"),
            (AFTER, EventFailureKind::Retry { after: Some(Duration::from_secs(5)) }, "k"),
            (NEVER, EventFailureKind::Final, "k"),
            (TRAP, EventFailureKind::Trap, "trap"),
            (SPIN, EventFailureKind::Trap, "cpu_exceeded"),
        ] {
            let handled = told(bench.deliver(&[ADD, TELL, what, ADD]).await);
            assert_eq!(handled, (2, Some((kind, code.to_owned()))), "{mode:?}");
            expected += 2;
            assert_eq!(bench.value(), Some(expected), "{mode:?} {what}");
            let alone = told(bench.deliver(&[what, ADD]).await);
            assert_eq!(alone, (0, Some((kind, code.to_owned()))), "{mode:?}");
            assert_eq!(bench.value(), Some(expected), "{mode:?} {what}");
        }
        assert_eq!(bench.keyspace.published().len(), 5, "one of each delivery that handled something");
        assert_eq!(bench.keyspace.dealt_with()[..2], ["2 handled, then k", "0 handled, then k"]);
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn an_event_pays_for_nothing_that_those_before_it_published() {
    for mode in MODES {
        let bench = bench(mode, 9);
        // A thousand is what one transaction may publish.
        assert_eq!(told(bench.deliver(&[MUCH, MUCH, MUCH, MUCH, PLAIN]).await), (3, None), "{mode:?}");
        assert_eq!(bench.keyspace.published().len(), 900);
        assert_eq!(told(bench.deliver(&[MUCH, PLAIN]).await), (2, None), "{mode:?}");
        assert_eq!(bench.keyspace.published().len(), 1200);
        assert_eq!((bench.generation.counters().calls, bench.generation.counters().failures), (6, 0));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_handler_that_waits_in_vain_for_the_store_fails_no_event() {
    let mut keyspace = MemoryKeyspace::start(9);
    keyspace.readers = Arc::new(tokio::sync::Semaphore::new(0));
    let limits = PluginLimits { timeout: Duration::from_millis(300), ..PluginLimits::default() };
    let bench = bench_with(InstanceMode::Fresh, keyspace, limits);
    assert!(matches!(bench.deliver(&[PLAIN, ADD]).await, Err(InvokeError::StateUnavailable(_))));
    assert_eq!((bench.value(), bench.keyspace.handed_over()), (None, 0));
    assert_eq!(bench.generation.counters().failures, 0);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_delivery_ends_early_so_that_what_is_handled_is_committed() {
    let limits = PluginLimits { timeout: Duration::ZERO, ..PluginLimits::default() };
    let bench = bench_with(InstanceMode::Fresh, MemoryKeyspace::start(9), limits);
    assert_eq!(told(bench.deliver(&[PLAIN, PLAIN, PLAIN]).await), (1, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_conflict_runs_the_whole_delivery_again_on_instances_that_never_ran() {
    for mode in MODES {
        let bench = bench(mode, 9);
        assert_eq!(told(bench.deliver(&[PLAIN]).await), (1, None));
        bench.keyspace.will_answer([CommitError::Conflict]);
        assert_eq!(told(bench.deliver(&[TELL, ADD, LATER]).await).0, 2);
        assert_eq!((bench.keyspace.handed_over(), bench.value()), (3, Some(2)), "{mode:?}");
        let runs: Vec<_> = bench.keyspace.published().iter().map(|event| event.payload[0]).collect();
        assert_eq!(runs, [1], "{mode:?}");
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_failed_first_event_is_told_whatever_changed_meanwhile() {
    let bench = bench(InstanceMode::Fresh, 0);
    // It has read what the other delivery changes before it.
    let first = bench.start_delivery(&[ADD]);
    bench.keyspace.wait_for_commits(1).await;
    let second = bench.start_delivery(&[LATER]);
    bench.keyspace.wait_for_commits(2).await;
    bench.keyspace.gate.add_permits(2);
    assert_eq!(told(first.await.expect("no panic")), (1, None));
    assert_eq!(told(second.await.expect("no panic")).0, 0);
    assert_eq!((bench.keyspace.handed_over(), bench.value()), (2, Some(1)));
    bench.comes_to_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deliveries_that_meet_in_one_key_lose_no_event() {
    for mode in MODES {
        let bench = bench(mode, usize::MAX >> 4);
        let deliveries: Vec<_> = (0..40).map(|_| bench.start_delivery(&[ADD, ADD, LATER])).collect();
        let mut count = 0;
        for delivery in deliveries {
            match delivery.await.expect("no panic") {
                Err(InvokeError::Busy | InvokeError::Conflict) => {}
                handled => count += u8::try_from(told(handled).0).expect("small"),
            }
        }
        assert_eq!(bench.value(), Some(count), "{mode:?}");
        assert!(count > 40, "{mode:?}: most are handled, {count} were");
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_delivery_in_a_turn_builds_on_the_one_before_it() {
    let bench = bench(InstanceMode::Fresh, 0);
    bench.make_contended(0);
    let first = bench.start_delivery(&[ADD, ADD]);
    bench.keyspace.wait_for_commits(1).await;
    let second = bench.start_delivery(&[ADD, LATER]);
    bench.keyspace.wait_for_commits(2).await;
    bench.keyspace.gate.add_permits(9);
    assert_eq!(told(first.await.expect("no panic")), (2, None));
    assert_eq!(told(second.await.expect("no panic")).0, 1);
    assert_eq!((bench.keyspace.handed_over(), bench.value()), (2, Some(3)));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn the_event_whose_writes_are_refused_is_found_and_fails_alone() {
    let quota = || CommitError::QuotaExceeded { resource: "keys", max: 1 };
    let bench = bench(InstanceMode::Fresh, 99);
    // Whose fault it is among several is not known: the first is tried alone, and it is not its.
    bench.keyspace.will_answer([quota()]);
    assert_eq!(told(bench.deliver(&[ADD, ADD]).await), (1, None));
    assert_eq!(bench.keyspace.dealt_with(), ["1 handled"]);
    for (error, code) in [
        (quota(), "quota_exceeded"),
        (CommitError::NotAnInteger { bucket: "b".into(), key: "k".into() }, "not_an_integer"),
        (CommitError::EventLogFull { max: 1 }, "event_log_full"),
    ] {
        bench.keyspace.will_answer([quota(), error]);
        let handled = told(bench.deliver(&[ADD, LATER]).await);
        assert_eq!(handled, (0, Some((EventFailureKind::Retry { after: None }, code.to_owned()))));
    }
    assert_eq!((bench.value(), bench.keyspace.dealt_with().len()), (Some(1), 4));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn what_is_not_the_handlers_fault_commits_nothing() {
    let bench = bench(InstanceMode::Fresh, 99);
    let unavailable = CommitError::Unavailable("the disk is full".into());
    bench.keyspace.will_answer([CommitError::Stale, CommitError::Busy, unavailable, CommitError::Unknown]);
    assert!(matches!(bench.deliver(&[ADD]).await, Err(InvokeError::Commit(CommitError::Stale))));
    assert!(matches!(bench.deliver(&[LATER]).await, Err(InvokeError::Commit(CommitError::Busy))));
    assert!(matches!(bench.deliver(&[ADD]).await, Err(InvokeError::Commit(CommitError::Unavailable(_)))));
    assert!(matches!(bench.deliver(&[ADD]).await, Err(InvokeError::Commit(CommitError::Unknown))));
    assert_eq!((bench.value(), bench.keyspace.dealt_with().len()), (None, 0));
    bench.comes_to_rest().await;

    let mut keyspace = MemoryKeyspace::start(9);
    keyspace.broken = Some(Broken::Open);
    let bench = bench_with(InstanceMode::Fresh, keyspace, PluginLimits::default());
    for what in [ADD, LATER, TRAP] {
        assert!(matches!(bench.deliver(&[PLAIN, what]).await, Err(InvokeError::StateUnavailable(_))), "{what}");
    }
    assert_eq!(bench.keyspace.handed_over(), 0);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn deliveries_take_no_permit_of_requests_and_wait_for_their_own() {
    let bench = bench(InstanceMode::Fresh, 9);
    let host = bench.generation.host();
    let requests: Vec<_> = (0..8).filter_map(|_| host.running.try_acquire()).collect();
    assert_eq!(told(bench.deliver(&[ADD]).await), (1, None));
    assert!(bench.run_schedule(0).await.is_ok());
    drop(requests);
    let deliveries: Vec<_> = std::iter::from_fn(|| host.deliveries.try_acquire()).collect();
    assert_eq!(deliveries.len(), 4);
    let mut waiting = Box::pin(bench.deliver(&[ADD]));
    assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    assert!(bench.run_schedule(0).await.is_ok());
    drop(deliveries);
    assert_eq!(told(waiting.await), (1, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn handlers_that_compute_for_a_while_leave_a_thread_to_calls() {
    let bench = bench(InstanceMode::Fresh, 9);
    let (host, pace) = (bench.generation.host(), &bench.generation.pace);
    let others = host.aside.try_acquire().expect("nobody computes");
    assert!(host.aside.try_acquire().is_none(), "of two threads one is for calls");
    assert_eq!(told(bench.deliver(&[ADD]).await), (1, None), "quick ones wait for nobody");
    (0..50).for_each(|_| pace.note_aside(0, false, Duration::from_millis(1)));
    let mut lengthy = Box::pin(bench.deliver(&[ADD, ADD]));
    assert!(timeout(Duration::from_millis(50), &mut lengthy).await.is_err());
    assert!(bench.run_schedule(0).await.is_ok(), "a schedule has a pace of its own");
    drop(others);
    assert_eq!(told(lengthy.await), (2, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_handler_that_waits_lets_others_compute() {
    let mut keyspace = MemoryKeyspace::start(9);
    keyspace.readers = Arc::new(tokio::sync::Semaphore::new(0));
    let bench = bench_with(InstanceMode::Fresh, keyspace, PluginLimits::default());
    (0..50).for_each(|_| bench.generation.pace.note_aside(0, false, Duration::from_millis(1)));
    let mut waiting = Box::pin(bench.deliver(&[PLAIN, ADD]));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    assert_eq!(told(bench.deliver(&[PLAIN]).await), (1, None));
    bench.keyspace.readers.add_permits(9);
    assert_eq!(told(waiting.await), (2, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_delivery_that_is_dropped_changes_nothing_unless_it_was_handed_over() {
    let mut keyspace = MemoryKeyspace::start(0);
    keyspace.readers = Arc::new(tokio::sync::Semaphore::new(0));
    let bench = bench_with(InstanceMode::Fresh, keyspace, PluginLimits::default());
    let mut delivery = Box::pin(bench.deliver(&[PLAIN, ADD]));
    assert!(timeout(Duration::from_millis(20), &mut delivery).await.is_err());
    drop(delivery);
    bench.comes_to_rest().await;
    assert_eq!(bench.keyspace.handed_over(), 0);
    bench.keyspace.readers.add_permits(9);
    let mut delivery = Box::pin(bench.deliver(&[ADD]));
    tokio::select! {
        _ = &mut delivery => panic!("the gate is closed"),
        () = bench.keyspace.wait_for_commits(1) => {}
    }
    drop(delivery);
    bench.keyspace.gate.add_permits(1);
    eventually(|| bench.value() == Some(1)).await;
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_run_of_a_schedule_commits_its_slot_even_where_it_fails() {
    for mode in MODES {
        let bench = bench(mode, 9);
        assert_eq!(bench.run_schedule(0).await.expect("committed").problem, None);
        for (schedule, code) in [(1, "k"), (2, "trap")] {
            let problem = bench.run_schedule(schedule).await.expect("committed").problem.expect("a problem");
            assert_eq!(problem.code, code);
        }
        bench.keyspace.will_answer([CommitError::Conflict]);
        assert_eq!(bench.run_schedule(0).await.expect("committed").problem, None);
        assert_eq!(bench.value(), Some(2));
        bench.keyspace.will_answer([CommitError::EventLogFull { max: 1 }]);
        assert_eq!(bench.run_schedule(0).await.expect("committed").problem.expect("a problem").code, "event_log_full");
        assert_eq!(bench.keyspace.dealt_with(), ["ran", "ran: k", "ran: trap", "ran", "ran: event_log_full"]);
        bench.keyspace.will_answer([CommitError::Stale]);
        assert!(matches!(bench.run_schedule(0).await, Err(InvokeError::Commit(CommitError::Stale))));
        assert_eq!(bench.value(), Some(2));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn events_that_are_long_or_fail_go_to_the_slow_lane() {
    let bench = bench(InstanceMode::Fresh, 99);
    assert!(!bench.generation.pace.is_heavy(0));
    for _ in 0..2 {
        assert_eq!(told(bench.deliver(&[TRAP]).await).0, 0);
    }
    assert!(bench.generation.pace.is_heavy(0) && !bench.generation.pace.is_heavy(1));
    assert_eq!(told(bench.deliver(&[ADD, TELL, LATER]).await).0, 2);
    for _ in 0..2 {
        assert!(bench.run_schedule(2).await.expect("committed").problem.is_some());
    }
    assert!(bench.generation.pace.is_heavy(4) && !bench.generation.pace.is_heavy(2));
    assert_eq!((bench.generation.counters().calls, bench.generation.counters().failures), (7, 4));
    bench.comes_to_rest().await;
}

/// Computes at its start until it is stopped.
const SPINS_AT_ITS_START: &str = r#"
    (component
      (core module $main
        (memory (export "memory") 1)
        (func $start (loop $more (br $more)))
        (start $start))
      (core instance $main (instantiate $main)))"#;

#[tokio::test]
async fn an_instance_that_computes_at_its_start_is_not_made_ready() {
    let code = compile(SPINS_AT_ITS_START);
    let keyspace = MemoryKeyspace::start(0);
    let bench = Bench::of(&code, r#""routes":[]"#, InstanceMode::Fresh, keyspace, PluginLimits::default());
    let _ticks = bench.generation.host().ticker.running();
    timeout(PATIENCE, bench.generation.make_ready()).await.expect("it is stopped");
    assert_eq!(bench.generation.host().memory.used(), 0);
    bench.comes_to_rest().await;
}
