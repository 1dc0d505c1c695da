//! How readers are lent and shared.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;

use super::fixture::{BUCKET, Fixture, set};

#[test]
fn a_space_has_at_most_three_quarters_of_the_readers() {
    let fixture = Fixture::with(|options| options.readers = 8);
    let (a, b) = (fixture.space("a"), fixture.space("b"));
    let of_a: Vec<_> = (0..6).map(|_| fixture.snapshot(&a, 0)).collect();
    fixture.runtime.block_on(async {
        let waiting = timeout(Duration::from_millis(20), fixture.store.snapshot(&a, || 0)).await;
        assert!(waiting.is_err(), "a seventh snapshot of one space");
    });
    let of_b: Vec<_> = (0..2).map(|_| fixture.snapshot(&b, 0)).collect();
    drop(of_a);
    drop(of_b);
    let _again = fixture.snapshot(&a, 0);
}

#[test]
fn a_dropped_snapshot_gives_its_reader_to_who_waits_longest() {
    let fixture = Fixture::with(|options| options.readers = 1);
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    fixture.runtime.block_on(async {
        let held = fixture.store.snapshot(&space, || 0).await.unwrap();
        let mut first = Box::pin(fixture.store.snapshot(&space, || 0));
        let mut second = Box::pin(fixture.store.snapshot(&space, || 0));
        let abandoned = timeout(Duration::from_millis(5), fixture.store.snapshot(&space, || 0));
        assert!(std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await);
        assert!(std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await);
        assert!(abandoned.await.is_err());
        drop(held);
        assert!(std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await);
        let mut snapshot = first.await.unwrap();
        assert!(snapshot.get(BUCKET, b"x").unwrap().is_some());
        drop(snapshot);
        second.await.unwrap();
    });
}

#[test]
fn the_time_of_a_snapshot_is_not_before_what_it_shows() {
    let fixture = Fixture::with(|options| options.readers = 1);
    let (space, clock) = (fixture.space("a"), AtomicI64::new(1));
    fixture.runtime.block_on(async {
        let now_ms = || clock.load(Ordering::Relaxed);
        let held = fixture.store.snapshot(&space, now_ms).await.unwrap();
        let mut waiting = Box::pin(fixture.store.snapshot(&space, now_ms));
        assert!(std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await);
        clock.store(2, Ordering::Relaxed);
        drop(held);
        assert_eq!(waiting.await.unwrap().now_ms(), 2);
    });
}

#[test]
fn readers_go_around_between_threads() {
    let fixture = Fixture::with(|options| options.readers = 3);
    let spaces = ["a", "b"].map(|plugin| fixture.space(plugin));
    for space in &spaces {
        fixture.write(space, vec![set("x", space.plugin())]);
    }
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (fixture, space) = (&fixture, &spaces[thread % 2]);
            scope.spawn(move || {
                for _ in 0..300 {
                    assert_eq!(fixture.value(space, "x", 0).unwrap(), space.plugin());
                }
            });
        }
    });
}

#[test]
fn a_space_has_at_least_one_reader() {
    let fixture = Fixture::with(|options| options.readers = 0);
    let space = fixture.space("a");
    assert_eq!(fixture.get(&space, "x", 0), None);
}

#[test]
fn a_reader_cannot_write() {
    use diesel::connection::SimpleConnection as _;
    let fixture = Fixture::new();
    let refused = fixture.store.read(|connection| {
        connection.batch_execute("INSERT INTO counters VALUES ('x', 1)").map_err(crate::StoreError::from)
    });
    assert!(refused.is_err());
}

#[test]
fn a_query_that_panics_costs_no_reader() {
    let fixture = Fixture::new();
    for _ in 0..5 {
        let query = || fixture.store.read::<(), crate::StoreError>(|_| panic!("a test's panic"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(query)).is_err());
    }
    assert!(fixture.store.read(|_| Ok::<_, crate::StoreError>(())).is_ok());
}
