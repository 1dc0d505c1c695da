//! The shapes in which snapshot isolation goes wrong, each with what holds in every serial order.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{Answer, Random, Server};

/// How often each shape is tried.
const ROUNDS: usize = 10;

/// Sends requests at the same time, each of whose handlers waits between reading and writing.
#[track_caller]
fn at_once(server: &Server, method: &str, paths: &[String]) -> Vec<Answer> {
    thread::scope(|scope| {
        let send = |path: &str| server.send(method, &format!("/kv-ranges{path}?pause_ms=3"));
        let sent: Vec<_> = paths.iter().map(|path| scope.spawn(move || send(path))).collect();
        sent.into_iter().map(|answer| answer.join().expect("a thread that answers")).collect()
    })
}

fn get(server: &Server, path: &str) -> Value {
    server.get(&format!("/kv-ranges{path}")).json()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[test]
fn kv_ranges_keep_somebody_on_duty_when_all_leave_at_once() {
    const DOCTORS: usize = 5;
    let server = Server::start(&["kv-ranges"]);
    for _ in 0..ROUNDS {
        let doctors: Vec<_> = (0..DOCTORS).map(|doctor| format!("/duty/{doctor}")).collect();
        assert_eq!(count(&at_once(&server, "PUT", &doctors), 204), DOCTORS);
        let answers = at_once(&server, "DELETE", &doctors);
        assert_eq!((count(&answers, 204), count(&answers, 409)), (DOCTORS - 1, 1), "{answers:?}");
        assert_eq!(get(&server, "/duty").as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn kv_ranges_give_a_tables_three_seats_to_three_guests() {
    const GUESTS: usize = 8;
    let server = Server::start(&["kv-ranges"]);
    for table in 0..ROUNDS {
        let guests: Vec<_> = (0..GUESTS).map(|guest| format!("/seats/{table}/{guest}")).collect();
        let answers = at_once(&server, "PUT", &guests);
        assert_eq!((count(&answers, 204), count(&answers, 409)), (3, GUESTS - 3), "{answers:?}");
        assert_eq!(get(&server, &format!("/seats/{table}")).as_array().map(Vec::len), Some(3));
    }
}

#[test]
fn kv_ranges_never_book_a_room_twice() {
    let server = Server::start(&["kv-ranges"]);
    let (mut random, seed) = Random::unseeded();
    for room in 0..ROUNDS {
        let mut time = || {
            let from = random.below(20);
            (from, from + 1 + random.below(6))
        };
        let times: Vec<_> = (0..10).map(|_| time()).collect();
        let wishes: Vec<_> = times.iter().map(|(from, to)| format!("/bookings/{room}/{from}/{to}")).collect();
        let answers = at_once(&server, "PUT", &wishes);
        let booked = get(&server, &format!("/bookings/{room}"));
        let booked: Vec<(usize, usize)> = serde_json::from_value(booked).expect("pairs of times");
        assert!(booked.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{booked:?} (seed {seed})");
        let mut granted: Vec<_> = times.iter().zip(&answers).filter(|(_, answer)| answer.status == 204).collect();
        granted.sort_by_key(|(time, _)| **time);
        let granted: Vec<_> = granted.into_iter().map(|(time, _)| *time).collect();
        assert_eq!(granted, booked, "seed {seed}");
        assert_eq!(count(&answers, 204) + count(&answers, 409), answers.len(), "{answers:?}");
    }
}

#[test]
fn kv_ranges_show_no_reader_a_state_that_never_was() {
    let server = Server::start(&["kv-ranges"]);
    let mut seen_between = 0;
    for _ in 0..3 * ROUNDS {
        assert_eq!(server.send("PUT", "/kv-ranges/balances/0/0").status, 204);
        let (reports, fee) = thread::scope(|scope| {
            let deposit = scope.spawn(|| server.send("POST", "/kv-ranges/deposit/20"));
            let withdrawal = scope.spawn(|| server.send("POST", "/kv-ranges/withdraw/10?pause_ms=5"));
            let mut reports = Vec::new();
            while !withdrawal.is_finished() {
                reports.push(get(&server, "/balances"));
            }
            assert_eq!(deposit.join().expect("a thread that answers").status, 200);
            let withdrawn = withdrawal.join().expect("a thread that answers");
            assert_eq!(withdrawn.status, 200);
            (reports, withdrawn.json()["checking"] == -11)
        });
        // Whoever was shown the deposit without the withdrawal knows that there is no fee.
        let between = reports.contains(&json!({"checking": 0, "savings": 20}));
        assert!(!(between && fee), "{reports:?}");
        seen_between += usize::from(between);
        let end = json!({"checking": if fee { -11 } else { -10 }, "savings": 20});
        assert_eq!(get(&server, "/balances"), end);
    }
    assert!(seen_between > 0, "nobody ever looked between the two");
}

#[test]
fn kv_ranges_lose_nothing_of_a_queue_and_give_nothing_out_twice() {
    const ITEMS: usize = 40;
    let server = Server::start(&["kv-ranges"]);
    let items: Vec<_> = (0..ITEMS).map(|item| format!("/queue/{item}")).collect();
    let answers: Vec<_> = items.chunks(8).flat_map(|some| at_once(&server, "POST", some)).collect();
    let mut places: Vec<_> = answers.iter().map(|answer| answer.json().as_u64().expect("a place")).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=ITEMS as u64).collect::<Vec<_>>());
    let takers = vec!["/queue".to_owned(); 10];
    let taken: Vec<_> = (0..ITEMS / 10).flat_map(|_| at_once(&server, "DELETE", &takers)).collect();
    let mut taken: Vec<usize> = taken.iter().map(|answer| answer.text().parse().expect("an item")).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
    assert_eq!(get(&server, "/queue"), json!([]));
    assert_eq!(server.send("DELETE", "/kv-ranges/queue").status, 404);
}
