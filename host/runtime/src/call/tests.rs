//! Whole calls of a real guest (`guest.wat`) on a keyspace in memory.

pub(crate) mod bench;

use std::sync::atomic::Ordering;

use self::bench::{
    ADD, Bench, DOUBT, INCREMENT, LOOK, PATIENCE, PLAIN, PROBLEM, SCAN, SPIN, TRAP, body, eventually, request,
};
use super::*;
use crate::{
    keyspace::double::{Broken, MemoryKeyspace},
    lane::OnAbandon,
    limits::PluginLimits,
    manifest::InstanceMode,
};

#[tokio::test]
async fn an_answer_leaves_after_its_commit_and_waits_for_it_without_a_permit() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    let call = bench.start(ADD);
    bench.keyspace.wait_for_commits(1).await;
    eventually(|| bench.generation.counters().running == 0).await;
    assert_eq!(bench.keyspace.open_snapshots.load(Ordering::SeqCst), 0);
    assert!(!call.is_finished() && bench.keyspace.value("b", "k").is_none());
    bench.keyspace.gate.add_permits(1);
    assert_eq!(body(call.await.expect("no panic")), (1, 1));
    assert_eq!(bench.keyspace.value("b", "k"), Some(vec![1]));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn nothing_is_handed_over_without_a_write_or_without_an_ok() {
    let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(9));
    assert_eq!(body(bench.call(PLAIN).await), (0, 1));
    assert_eq!(body(bench.call(LOOK).await), (0, 1));
    let problem = bench.call(PROBLEM).await.expect("an answer").expect_err("a problem");
    assert_eq!(problem.status, 409);
    assert!(matches!(bench.call(TRAP).await, Err(InvokeError::Trapped { .. })));
    let spun = bench.call_with(SPIN, OnAbandon::Finish, Duration::from_millis(50)).await;
    assert!(matches!(spun, Err(InvokeError::DeadlineExceeded)));
    assert_eq!((bench.keyspace.handed_over(), bench.keyspace.value("b", "k")), (0, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn an_answer_can_be_recorded_where_nothing_was_written() {
    let mut keyspace = MemoryKeyspace::start(9);
    keyspace.records_answer = true;
    let bench = Bench::new(InstanceMode::Reused, keyspace);
    assert_eq!(body(bench.call(PLAIN).await), (0, 1));
    assert_eq!(bench.keyspace.handed_over(), 1);
    bench.keyspace.will_answer([CommitError::Replayed]);
    assert!(matches!(bench.call(PLAIN).await, Err(InvokeError::Commit(CommitError::Replayed))));
    assert_eq!(bench.call(PROBLEM).await.expect("an answer").expect_err("a problem").status, 409);
    assert_eq!(bench.keyspace.handed_over(), 2);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_response_that_cannot_be_sent_is_not_committed() {
    let limits = PluginLimits { response_bytes_max: 1, ..PluginLimits::default() };
    let bench = Bench::with_limits(InstanceMode::Fresh, MemoryKeyspace::start(9), limits);
    assert!(matches!(bench.call(ADD).await, Err(InvokeError::ResponseTooLarge { .. })));
    assert_eq!(bench.keyspace.handed_over(), 0);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_conflict_runs_the_handler_again_on_an_instance_that_never_ran() {
    for mode in [InstanceMode::Fresh, InstanceMode::Reused] {
        let bench = Bench::new(mode, MemoryKeyspace::start(9));
        // One whose call took long, since the machine is busy, stays with the thread that ended it: the next is new then.
        let mut calls = 0;
        for _ in 0..10 {
            calls = body(bench.call(PLAIN).await).1.max(calls);
        }
        assert_eq!(calls > 1, mode == InstanceMode::Reused, "{mode:?}");
        bench.keyspace.will_answer([CommitError::Conflict]);
        assert_eq!(body(bench.call(ADD).await), (1, 1), "{mode:?}");
        assert_eq!(bench.keyspace.handed_over(), 2);
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_call_gives_up_after_its_last_run() {
    let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(99));
    bench.keyspace.will_answer((0..RUNS_MAX).map(|_| CommitError::Conflict));
    assert!(matches!(bench.call(ADD).await, Err(InvokeError::Conflict)));
    assert_eq!(bench.keyspace.handed_over(), 16);
    bench.comes_to_rest().await;
    assert_eq!(body(bench.call(ADD).await), (1, 1));
}

#[tokio::test]
async fn any_other_refusal_of_the_commit_ends_the_call() {
    let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(99));
    bench.keyspace.will_answer([CommitError::Busy, CommitError::Unknown]);
    assert!(matches!(bench.call(ADD).await, Err(InvokeError::Commit(CommitError::Busy))));
    assert!(matches!(bench.call(ADD).await, Err(InvokeError::Commit(CommitError::Unknown))));
    assert_eq!(bench.keyspace.value("b", "k"), None);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_decides_whatever_the_guest_answers() {
    for broken in [Broken::Open, Broken::Read] {
        let mut keyspace = MemoryKeyspace::start(9);
        keyspace.broken = Some(broken);
        let bench = Bench::new(InstanceMode::Fresh, keyspace);
        for route in [ADD, LOOK, PROBLEM] {
            assert!(matches!(bench.call(route).await, Err(InvokeError::StateUnavailable(_))), "{broken:?} {route}");
        }
        assert_eq!(bench.keyspace.handed_over(), 0);
        bench.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_key_loses_no_update() {
    for mode in [InstanceMode::Fresh, InstanceMode::Reused] {
        let bench = Arc::new(Bench::new(mode, MemoryKeyspace::start(usize::MAX >> 4)));
        let calls: Vec<_> = (0..200).map(|_| bench.start(ADD)).collect();
        let mut seen = Vec::new();
        for call in calls {
            match call.await.expect("no panic") {
                Err(InvokeError::Busy) => {}
                answer => seen.push(body(answer).0),
            }
        }
        seen.sort_unstable();
        let count = u8::try_from(seen.len()).expect("at most 200");
        assert_eq!(seen, (1..=count).collect::<Vec<_>>());
        assert_eq!(bench.keyspace.value("b", "k"), Some(vec![count]));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_before_it_hands_over_stops_or_finishes() {
    for (on_abandon, commits) in [(OnAbandon::Cancel, 0), (OnAbandon::Finish, 1)] {
        let mut keyspace = MemoryKeyspace::start(9);
        keyspace.readers = Arc::new(tokio::sync::Semaphore::new(0));
        let bench = Bench::new(InstanceMode::Fresh, keyspace);
        let mut call = Box::pin(bench.call_with(ADD, on_abandon, PATIENCE));
        assert!(timeout(Duration::from_millis(20), &mut call).await.is_err());
        drop(call);
        bench.keyspace.readers.add_permits(1);
        bench.keyspace.wait_for_commits(commits).await;
        bench.comes_to_rest().await;
        assert_eq!(bench.keyspace.handed_over(), commits);
        assert_eq!(bench.keyspace.value("b", "k").is_some(), on_abandon == OnAbandon::Finish);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_for_its_commit_changes_nothing_about_it() {
    for contended in [false, true] {
        for on_abandon in [OnAbandon::Cancel, OnAbandon::Finish] {
            let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0));
            if contended {
                bench.make_contended(ADD);
            }
            let mut call = Box::pin(bench.call_with(ADD, on_abandon, PATIENCE));
            tokio::select! {
                _ = &mut call => panic!("the gate is closed"),
                () = bench.keyspace.wait_for_commits(1) => {}
            }
            drop(call);
            bench.keyspace.gate.add_permits(1);
            eventually(|| bench.keyspace.value("b", "k") == Some(vec![1])).await;
            bench.comes_to_rest().await;
        }
    }
}

#[tokio::test]
async fn a_write_whose_client_is_gone_is_run_again_after_a_conflict() {
    let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0));
    bench.keyspace.will_answer([CommitError::Conflict]);
    let mut call = Box::pin(bench.call_with(ADD, OnAbandon::Finish, PATIENCE));
    tokio::select! {
        _ = &mut call => panic!("the gate is closed"),
        () = bench.keyspace.wait_for_commits(1) => {}
    }
    drop(call);
    bench.keyspace.gate.add_permits(2);
    eventually(|| bench.keyspace.value("b", "k") == Some(vec![1])).await;
    bench.comes_to_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_commit_is_under_way_does_not_hide_its_outcome() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    let call = bench.start(ADD);
    bench.keyspace.wait_for_commits(1).await;
    tokio::time::sleep(PATIENCE + Duration::from_secs(5)).await;
    assert!(!call.is_finished());
    bench.keyspace.gate.add_permits(1);
    assert_eq!(body(call.await.expect("no panic")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_after_the_deadline_ends_the_call() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    bench.keyspace.will_answer([CommitError::Conflict]);
    let call = bench.start(ADD);
    bench.keyspace.wait_for_commits(1).await;
    tokio::time::sleep(PATIENCE + Duration::from_secs(5)).await;
    bench.keyspace.gate.add_permits(9);
    assert!(matches!(call.await.expect("no panic"), Err(InvokeError::Conflict)));
    assert_eq!(bench.keyspace.handed_over(), 1);
}

#[tokio::test]
async fn a_turn_builds_on_what_earlier_turns_have_handed_over() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    bench.make_contended(ADD);
    // Nothing is decided, and yet the next run begins.
    let calls = bench.start_in_order(ADD, 5).await;
    bench.keyspace.gate.add_permits(5);
    for (n, call) in (1..).zip(calls) {
        assert_eq!(body(call.await.expect("no panic")).0, n);
    }
    assert_eq!(bench.keyspace.handed_over(), 5);
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_route_stays_in_turns_while_they_build_on_each_other() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    let is_in_turns = || bench.generation.contention().is_high(ADD);
    bench.make_contended(ADD);
    let calls = bench.start_in_order(ADD, 5).await;
    bench.keyspace.gate.add_permits(99);
    for call in calls {
        call.await.expect("no panic").expect("an answer").expect("no problem");
    }
    assert!(is_in_turns());
    for _ in 0..4 {
        assert!(is_in_turns());
        bench.call(ADD).await.expect("an answer").expect("no problem");
    }
    assert!(!is_in_turns());
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn what_built_on_a_commit_that_failed_is_run_again() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    bench.make_contended(ADD);
    let calls = bench.start_in_order(ADD, 3).await;
    bench.keyspace.will_answer([CommitError::Unavailable("the disk is full".into())]);
    bench.keyspace.gate.add_permits(99);
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("no panic"));
    }
    assert!(matches!(answers.remove(0), Err(InvokeError::Commit(CommitError::Unavailable(_)))));
    let mut values: Vec<_> = answers.into_iter().map(|answer| body(answer).0).collect();
    values.sort_unstable();
    assert_eq!(values, [1, 2]);
    assert_eq!(bench.keyspace.value("b", "k"), Some(vec![2]));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn an_answer_that_tells_what_is_not_committed_waits_until_it_is() {
    for route in [LOOK, PROBLEM] {
        let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
        bench.make_contended(ADD);
        bench.make_contended(route);
        let wrote = bench.start(ADD);
        bench.keyspace.wait_for_commits(1).await;
        let looked = bench.start(route);
        bench.keyspace.wait_for_commits(2).await;
        assert!(!looked.is_finished());
        // What was seen does not come about, so it must not be told.
        bench.keyspace.will_answer([CommitError::Unavailable("the disk is full".into())]);
        bench.keyspace.gate.add_permits(9);
        assert!(wrote.await.expect("no panic").is_err());
        let looked = looked.await.expect("no panic").expect("an answer");
        assert_eq!(
            looked.map(|response| response.body[0]).map_err(|problem| problem.status),
            if route == LOOK { Ok(0) } else { Err(409) }
        );
        assert_eq!(bench.keyspace.value("b", "k"), None);
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_trap_over_what_is_not_committed_is_told_to_nobody() {
    for comes_about in [false, true] {
        let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
        bench.make_contended(ADD);
        bench.make_contended(DOUBT);
        let wrote = bench.start(ADD);
        bench.keyspace.wait_for_commits(1).await;
        let mut doubts = bench.start(DOUBT);
        let waited = timeout(Duration::from_millis(50), &mut doubts).await;
        assert!(waited.is_err(), "it was told what may not come about");
        if !comes_about {
            bench.keyspace.will_answer([CommitError::Unavailable("the disk is full".into())]);
        }
        bench.keyspace.gate.add_permits(9);
        assert_eq!(wrote.await.expect("no panic").is_ok(), comes_about);
        let answer = doubts.await.expect("no panic");
        assert_eq!(matches!(answer, Err(InvokeError::Trapped { .. })), comes_about, "{answer:?}");
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_turn_that_lists_what_is_pending_waits_for_it_and_starts_anew() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    bench.make_contended(INCREMENT);
    bench.make_contended(SCAN);
    let incremented = bench.start(INCREMENT);
    bench.keyspace.wait_for_commits(1).await;
    let scanned = bench.start(SCAN);
    let waited = timeout(Duration::from_millis(50), bench.keyspace.wait_for_commits(2)).await;
    assert!(waited.is_err(), "it handed over what it cannot know");
    bench.keyspace.gate.add_permits(2);
    assert_eq!(body(incremented.await.expect("no panic")).0, 0);
    assert_eq!(body(scanned.await.expect("no panic")), (1, 1));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_list_after_a_read_of_what_is_pending_starts_the_run_anew() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(0)));
    bench.make_contended(ADD);
    bench.make_contended(SCAN);
    let added = bench.start(ADD);
    bench.keyspace.wait_for_commits(1).await;
    let scanned = bench.start(SCAN);
    let waited = timeout(Duration::from_millis(50), bench.keyspace.wait_for_commits(2)).await;
    assert!(waited.is_err(), "it handed over what it cannot know");
    bench.keyspace.gate.add_permits(2);
    assert_eq!(body(added.await.expect("no panic")).0, 1);
    assert_eq!(body(scanned.await.expect("no panic")), (1, 1));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn while_a_turn_is_alone_nothing_else_is_handed_over() {
    let bench = Arc::new(Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(5)));
    // Two without a turn, three in turns; the sixth is alone, and waits for the gate.
    bench.keyspace.will_answer((0..5).map(|_| CommitError::Conflict));
    let unlucky = bench.start(ADD);
    bench.keyspace.wait_for_commits(6).await;
    let others: Vec<_> = [SCAN, ADD].into_iter().map(|route| bench.start(route)).collect();
    let waited = timeout(Duration::from_millis(50), bench.keyspace.wait_for_commits(7)).await;
    assert!(waited.is_err(), "something came in between");
    bench.keyspace.gate.add_permits(9);
    assert_eq!(body(unlucky.await.expect("no panic")).0, 1);
    for other in others {
        assert!(other.await.expect("no panic").is_ok());
    }
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_call_without_a_keyspace_has_no_state() {
    let bench = Bench::new(InstanceMode::Fresh, MemoryKeyspace::start(9));
    let call = CallContext { deadline: Instant::now() + PATIENCE, ..CallContext::idle() };
    assert_eq!(body(bench.generation.handle_http(request(ADD), call, OnAbandon::Finish).await), (1, 1));
    assert_eq!(bench.keyspace.handed_over(), 0);
    bench.comes_to_rest().await;
}
