//! No answer leaves before what it says is on disk.
//!
//! A process that is killed leaves what it wrote to the operating system, so killing it proves nothing of the disk. What
//! is looked at here is the order in which the server writes its log, syncs it and sends, as a library that stands
//! between the server and the C library sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use serde_json::json;

use crate::harness::{Connection, Event, Preload, Setup};

/// Clients that write at the same time.
const CLIENTS: u32 = 16;

/// Writes of each client, and of one alone before.
const WRITES: u32 = 20;

/// Lets clients write, and returns what the server did.
#[track_caller]
fn record(config: &str) -> Vec<Event> {
    let preload = Preload::new();
    let server = Setup::new().plugins(&["script"]).config(config).preload(&preload).start();
    let write = |client: u32| {
        let mut connection = Connection::open(&server);
        for number in client * WRITES..(client + 1) * WRITES {
            let marker = Preload::marker(number);
            let steps = json!([{"set": [number.to_string(), marker]}, {"get": number.to_string()}]);
            let answer = connection.script(&steps).expect("an answer");
            assert_eq!((answer.status, answer.json()), (200, json!([null, marker])));
        }
    };
    write(0);
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            scope.spawn(move || write(client));
        }
    });
    let journal = preload.journal();
    server.check_health();
    journal
}

/// Returns which markers were sent, and whether each was synced before: a sync that ended before it was sent began after
/// it was written.
fn sent(journal: &[Event]) -> BTreeMap<u32, bool> {
    let (mut written, mut begun, mut synced) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    let mut sent = BTreeMap::new();
    for event in journal {
        match event {
            Event::Full(_) => {}
            Event::Wal(marker) => drop(written.insert(*marker)),
            Event::Begin(sync) => drop(begun.insert(*sync, written.clone())),
            Event::End(sync) => synced.extend(begun.remove(sync).unwrap_or_default()),
            Event::Send(marker) => drop(sent.entry(*marker).or_insert(synced.contains(marker))),
        }
    }
    sent
}

/// Returns how many answers were sent, and how many of them too early.
fn count(journal: &[Event]) -> (u32, usize) {
    let sent = sent(journal);
    let early = sent.values().filter(|synced| !**synced).count();
    (u32::try_from(sent.len()).expect("a few hundred"), early)
}

const ANSWERS: u32 = (CLIENTS + 1) * WRITES;

#[test]
fn no_answer_leaves_before_its_commit_is_synced() {
    let journal = record("");
    assert_eq!(count(&journal), (ANSWERS, 0));
    // A file system with a journal would wait for that as well, only to know when the log was written.
    let full = journal.iter().find(|event| matches!(event, Event::Full(_)));
    assert_eq!(full, None, "`fsync` where `fdatasync` is enough");
}

#[test]
fn every_answer_leaves_too_early_when_syncs_are_off() {
    // The proof above can fail.
    let journal = record("[state]\nsynchronous = \"off\"\n");
    assert_eq!(count(&journal), (ANSWERS, usize::try_from(ANSWERS).expect("a few hundred")));
}

#[test]
fn a_sync_counts_for_what_was_written_before_it_began() {
    use Event::{Begin, End, Send, Wal};
    let check = |journal: &[Event], synced: &[(u32, bool)]| {
        assert_eq!(sent(journal).into_iter().collect::<Vec<_>>(), synced, "{journal:?}");
    };
    check(&[Wal(1), Begin(0), End(0), Send(1)], &[(1, true)]);
    check(&[Wal(1), Begin(0), Send(1), End(0)], &[(1, false)]);
    check(&[Begin(0), Wal(1), End(0), Send(1)], &[(1, false)]);
    check(&[Wal(1), Begin(0), Begin(1), Wal(2), End(1), Send(2), Send(1), End(0)], &[(1, true), (2, false)]);
    check(&[Send(1), Wal(1), Begin(0), End(0), Send(1)], &[(1, false)]);
}
