//! What becomes of the events of a commit.

use std::sync::Arc;

use diesel::connection::SimpleConnection as _;

use super::{
    event_fixture::{Told, event, given, telling},
    fixture::{Fixture, empty, read, set},
};
use crate::{
    Commit, CommitError, Quota, Seen, Store, StoreError, StoreOptions,
    events::{Event, LogRead, NewEvent, Published, Topics, event_head, find_events, read_events},
};

/// What was told, as places, places before, and ids.
fn told(told: &Told) -> Vec<Vec<(i64, i64, String)>> {
    let short = |published: &Published| (published.event.seq, published.after, published.event.id.to_string());
    told.lock().unwrap().iter().map(|batch| batch.iter().map(short).collect()).collect()
}

fn spoil(connection: &mut crate::Connection) -> Result<(), StoreError> {
    connection.batch_execute("PRAGMA defer_foreign_keys = ON; INSERT INTO usage VALUES (999, 0, 0)")?;
    Ok(())
}

#[test]
fn an_event_is_read_as_it_was_published() {
    let (fixture, told) = telling(|_| {});
    let new = NewEvent {
        key: Some("order-1".into()),
        lane: 5,
        time_ms: -3,
        payload: vec![0, 255, 7].into(),
        trace_parent: Some("00-1-2-01".into()),
        ..event("e1")
    };
    let committed = fixture.publish(&fixture.space("a"), vec![new.clone()]).unwrap();
    assert_eq!(committed.events, [1]);
    let expected = Event {
        seq: 1,
        id: new.id,
        source: new.source,
        topic: new.topic,
        key: new.key,
        lane: 5,
        time_ms: -3,
        content_type: new.content_type,
        payload: new.payload,
        trace_parent: new.trace_parent,
    };
    assert_eq!(fixture.log(), std::slice::from_ref(&expected));
    let found = fixture.store.read(|connection| find_events(connection, &[2, 1], usize::MAX)).unwrap();
    assert_eq!(found, [(2, None), (1, Some(expected.clone()))]);
    assert_eq!(*told.lock().unwrap(), [[Published { event: expected, after: 0 }]]);
}

#[test]
fn places_grow_in_the_order_of_commits_and_the_hook_is_told_before_anybody() {
    let (fixture, hook) = telling(|options| options.switches.batch_time_max = std::time::Duration::from_secs(60));
    let (a, b) = (fixture.space("a"), fixture.space("b"));
    let held = fixture.hold_writer();
    let submit = |space, ids: &[&str]| {
        let events = ids.iter().map(|id| event(id)).collect();
        fixture.store.commit(Commit { events, ..empty(space) }).unwrap()
    };
    let pending = [submit(&a, &["1", "2"]), submit(&b, &["3"]), submit(&a, &[]), submit(&a, &["4", "5"])];
    drop(held);
    let places: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().events).collect();
    let expected: [(i64, i64, String); 5] = std::array::from_fn(|n| (n as i64 + 1, n as i64, (n + 1).to_string()));
    // Whoever was answered finds that the hook was told.
    assert_eq!(told(&hook).concat(), expected);
    assert_eq!(places, [vec![1, 2], vec![3], vec![], vec![4, 5]]);
    assert_eq!(fixture.log_ids(), ["1", "2", "3", "4", "5"]);
    fixture.write(&a, vec![set("x", "1")]);
    assert!(told(&hook).iter().all(|batch| !batch.is_empty()), "told of nothing");
}

#[test]
fn a_hook_that_panics_takes_nothing_with_it() {
    let fixture = Fixture::with(|options| options.published = Some(Arc::new(|_| panic!("a test's panic"))));
    assert_eq!(fixture.publish_all(["1".into()]), [1]);
    assert_eq!(fixture.publish_all(["2".into()]), [2]);
    assert_eq!(fixture.log_ids(), ["1", "2"]);
}

#[test]
fn a_refused_commit_publishes_nothing_and_takes_no_place() {
    let (fixture, hook) = telling(|_| {});
    let space = fixture.store.space("a", Quota { keys: 1, bytes: 100 }).unwrap();
    fixture.write(&space, vec![set("x", "1")]);
    let events = || vec![event("lost"), event("too")];
    let conflict = Commit { reads: vec![read("x", Seen::Absent { after: None })], events: events(), ..empty(&space) };
    assert!(matches!(fixture.commit(conflict), Err(CommitError::Conflict)));
    let beyond = Commit { writes: vec![set("y", "1")], events: events(), ..empty(&space) };
    assert!(matches!(fixture.commit(beyond), Err(CommitError::QuotaExceeded { .. })));
    let not_a_number =
        Commit { writes: vec![set("x", "a"), super::fixture::increment("x", 1)], events: events(), ..empty(&space) };
    assert!(matches!(fixture.commit(not_a_number), Err(CommitError::NotAnInteger { .. })));
    assert_eq!(fixture.log(), []);
    assert_eq!(told(&hook), [[]; 0]);
    let both = Commit { writes: vec![set("x", "2")], events: vec![event("kept")], ..empty(&space) };
    assert_eq!(fixture.commit(both).unwrap().events, [1]);
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "2");
}

#[test]
fn a_batch_that_fails_publishes_nothing_and_its_places_go_to_the_next() {
    let (fixture, hook) = telling(|options| options.switches.batch_time_max = std::time::Duration::from_secs(60));
    let space = fixture.space("a");
    fixture.publish_all(["1".into()]);
    let held = fixture.hold_writer();
    let lost = fixture.store.commit(Commit { events: vec![event("lost")], ..empty(&space) }).unwrap();
    let spoiled = fixture.store.write(spoil);
    drop(held);
    assert!(spoiled.wait().is_err());
    assert!(matches!(lost.wait(), Err(CommitError::Unavailable(_))));
    assert_eq!(fixture.publish_all(["2".into()]), [2]);
    assert_eq!(told(&hook), [[(1, 0, "1".to_owned())], [(2, 1, "2".to_owned())]]);
    assert_eq!(fixture.log_ids(), ["1", "2"]);
}

#[test]
fn an_event_of_a_given_id_is_written_once() {
    let (fixture, hook) = telling(|_| {});
    let host = fixture.store.host_space();
    let publish = |events| fixture.publish(host, events).unwrap().events;
    assert_eq!(publish(vec![given("ann", "/s", "1"), given("ann", "/s", "2"), given("ann", "/s", "1")]), [1, 2, 1]);
    assert_eq!(publish(vec![given("ann", "/s", "3"), given("ann", "/s", "2"), given("ann", "/s", "4")]), [3, 2, 4]);
    // Another publisher's, another source's and a plugin's are others.
    assert_eq!(publish(vec![given("bob", "/s", "1"), given("ann", "/t", "1")]), [5, 6]);
    // Ids that nobody chose are not looked at.
    let chosen_by_the_host = NewEvent { is_given: false, ..given("ann", "/s", "1") };
    assert_eq!(publish(vec![chosen_by_the_host.clone(), chosen_by_the_host]), [7, 8]);
    assert_eq!(fixture.publish(&fixture.space("a"), vec![given("ann", "/s", "1")]).unwrap().events, [9]);
    assert_eq!(told(&hook).concat().iter().map(|event| event.0).collect::<Vec<_>>(), Vec::from_iter(1..=9));
}

#[test]
fn the_log_has_bounds_all_in_all_and_by_publisher() {
    let large = |publisher: &str| NewEvent { payload: vec![0; 1000].into(), ..given(publisher, "/s", "") };
    let new = |publisher: &str, id: u32| NewEvent { id: id.to_string().into(), ..large(publisher) };
    let (fixture, _) = telling(|options| {
        options.event_bytes_per_source_max = 2_600;
        options.event_log_bytes_max = 4_000;
    });
    let host = fixture.store.host_space();
    fixture.publish(host, vec![new("ann", 1), new("ann", 2)]).unwrap();
    let full = fixture.publish(host, vec![new("bob", 1), new("ann", 3)]);
    assert!(matches!(full, Err(CommitError::EventLogFull { max: 2_600 })), "{full:?}");
    // One that is there needs no room.
    assert_eq!(fixture.publish(host, vec![new("ann", 2)]).unwrap().events, [2]);
    fixture.publish(host, vec![new("bob", 1)]).unwrap();
    let full = fixture.publish(&fixture.space("a"), vec![NewEvent { publisher: None, ..new("", 1) }]);
    assert!(matches!(full, Err(CommitError::EventLogFull { max: 4_000 })), "{full:?}");
    assert_eq!(fixture.log().len(), 3);
    // The numbers are on disk.
    let Fixture { store, folder, .. } = fixture;
    drop(store);
    let options =
        StoreOptions { event_log_bytes_max: 4_000, ..StoreOptions::new(folder.path().join("backplane.sqlite")) };
    let store = Store::open(options).unwrap();
    let again = store.commit(Commit { events: vec![new("ann", 3)], ..empty(store.host_space()) }).unwrap().wait();
    assert!(matches!(again, Err(CommitError::EventLogFull { max: 4_000 })), "{again:?}");
}

#[test]
fn what_another_process_wrote_is_taken_over() {
    let (fixture, hook) = telling(|_| {});
    fixture.publish_all(["1".into()]);
    let sql = "INSERT INTO events SELECT 40, plugin_id, publisher, 0, 'theirs', source, topic, key, lane, time_ms,
               stored_at_ms, content_type, trace_parent, payload FROM events";
    fixture.other_connection().batch_execute(sql).unwrap();
    assert_eq!(fixture.publish_all(["2".into()]), [41]);
    assert_eq!(told(&hook).concat().last().unwrap(), &(41, 40, "2".to_owned()));
    assert_eq!(fixture.store.read(event_head).unwrap(), 41);
}

#[test]
fn the_place_goes_on_after_a_restart() {
    let fixture = Fixture::new();
    fixture.publish_all(["1".into(), "2".into()]);
    let Fixture { store, folder, .. } = fixture;
    drop(store);
    let store = Store::open(StoreOptions::new(folder.path().join("backplane.sqlite"))).unwrap();
    let space = store.space("a", Quota::default()).unwrap();
    let committed = store.commit(Commit { events: vec![event("3")], ..empty(&space) }).unwrap().wait().unwrap();
    assert_eq!(committed.events, [3]);
}

#[test]
fn pages_go_by_lane_topic_and_size() {
    let fixture = Fixture::new();
    let topics = ["a", "a.b", "a.b.c", "a-b.c", "ab", "a.c", "b"];
    let events = topics.iter().enumerate().map(|(number, topic)| NewEvent {
        topic: (*topic).into(),
        lane: u8::try_from(number % 2).unwrap(),
        ..event(&number.to_string())
    });
    fixture.publish(&fixture.space("a"), events.collect()).unwrap();
    let find = |lane, topics| fixture.page(lane, topics, 0).events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(find(None, Topics::All), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(find(None, Topics::Exact("a")), [1]);
    assert_eq!(find(None, Topics::Below("a")), [2, 3, 6]);
    assert_eq!(find(Some(1), Topics::Below("a")), [2, 6]);
    assert_eq!(find(Some(1), Topics::Exact("a")), [0; 0]);
    assert_eq!(find(Some(9), Topics::All), [0; 0]);

    let read = |lane, after, events_max, bytes_max| {
        let read = LogRead { lane, topics: Topics::All, after, events_max, bytes_max };
        let page = fixture.store.read(|connection| read_events(connection, read)).unwrap();
        (page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), page.end, page.more)
    };
    assert_eq!(read(None, 0, 3, usize::MAX), (vec![1, 2, 3], 3, true));
    assert_eq!(read(None, 4, 3, usize::MAX), (vec![5, 6, 7], 7, false));
    assert_eq!(read(None, 0, 3, 0), (vec![1], 1, true), "one where there is one");
    assert_eq!(read(Some(1), 0, 3, usize::MAX), (vec![2, 4, 6], 7, false), "the end is that of the whole log");
    assert_eq!(read(None, 9, 3, usize::MAX), (vec![], 9, false));
    let bytes = fixture.log().iter().take(2).map(Event::bytes).sum();
    assert_eq!(read(None, 0, 3, bytes), (vec![1, 2], 2, true));
    let places = fixture.store.read(|connection| find_events(connection, &[1, 2, 3], bytes)).unwrap();
    assert_eq!(places.len(), 2);
}

#[test]
fn a_walk_over_other_topics_ends_and_says_how_far_it_came() {
    let fixture = Fixture::new();
    fixture.publish_all(["1".into()]);
    let sql = "INSERT INTO events SELECT ?, plugin_id, publisher, 0, id, source, ?, key, lane, time_ms, stored_at_ms,
               content_type, trace_parent, payload FROM events WHERE seq = 1";
    for (seq, topic) in [("2", "'t.a'"), ("150000", "'wanted'"), ("150001", "'t.a'")] {
        let sql = sql.replacen('?', seq, 1).replacen('?', topic, 1);
        fixture.other_connection().batch_execute(&sql).unwrap();
    }
    for lane in [None, Some(0)] {
        let first = fixture.page(lane, Topics::Exact("wanted"), 0);
        assert_eq!((first.events.len(), first.more), (0, true));
        let second = fixture.page(lane, Topics::Exact("wanted"), first.end);
        assert_eq!((second.events[0].seq, second.end, second.more), (150_000, 150_001, false));
        // A gap is no walk.
        assert_eq!(fixture.page(lane, Topics::Exact("wanted"), 2).events.len(), 1);
    }
}
