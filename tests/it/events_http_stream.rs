//! Following events live: what comes, in which order, from where on, and how it ends.

use std::{
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    Connection, Preload, Server, Setup, StopOnDrop, Stopwatch, Stream, administrators_token, raise_file_limit,
    wait_until,
};

fn request(server: &Server, query: &str, last_event_id: &str) -> reqwest::blocking::RequestBuilder {
    server.request("GET", &format!("/api/events/stream{query}")).header("last-event-id", last_event_id)
}

#[test]
fn events_come_as_they_are_published_in_their_order() {
    let server = Server::start(&[]);
    server.put_event("before", &json!(0));
    let mut stream = server.follow("");
    let place = server.put_event("orders.created", &json!({"a": 1}));
    let (id, event) = stream.event();
    assert_eq!((id, &event["type"], &event["data"]), (place, &json!("orders.created"), &json!({"a": 1})));
    let many: Vec<_> = (0..1000).map(|number| json!({"topic": "numbers", "data": number})).collect();
    for _ in 0..5 {
        assert_eq!(server.send_json("POST", "/api/events", &json!(many)).status, 202);
    }
    let expected: Vec<_> = (0..5000).map(|number| json!(number % 1000)).collect();
    assert_eq!(stream.data(5000), expected);
    assert_eq!(server.request("HEAD", "/api/events/stream").send().expect("an answer").status(), 200);
}

#[test]
fn each_follower_gets_its_topics() {
    let server = Server::start(&[]);
    let (mut all, mut exact, mut below, mut two) =
        (server.follow(""), server.follow("?topic=a.b"), server.follow("?topic=a.*"), server.follow("?topic=a,c.*"));
    for (number, topic) in ["a", "a.b", "a.b.c", "b", "c.d", "ab.c"].into_iter().enumerate() {
        server.put_event(topic, &json!(number));
    }
    server.put_event("a.b", &json!("last"));
    server.put_event("c.d", &json!("last"));
    let numbers = |stream: &mut Stream, count| stream.data(count);
    assert_eq!(
        numbers(&mut all, 8),
        [json!(0), json!(1), json!(2), json!(3), json!(4), json!(5), json!("last"), json!("last")]
    );
    assert_eq!(numbers(&mut exact, 2), [json!(1), json!("last")]);
    assert_eq!(numbers(&mut below, 3), [json!(1), json!(2), json!("last")]);
    assert_eq!(numbers(&mut two, 3), [json!(0), json!(4), json!("last")]);
}

#[test]
fn a_follower_goes_on_behind_its_last_event_also_after_a_restart() {
    let server = Server::start(&[]);
    let places: Vec<_> = (0..1500).map(|number| server.put_event("a", &json!(number))).collect();
    let all: Vec<_> = (0..1500).map(Value::from).collect();
    assert_eq!(Stream::open(request(&server, "", "0")).data(1500), all);
    assert_eq!(server.follow("?after=0").data(1500), all);
    let server = server.kill().start();
    let mut stream = Stream::open(request(&server, "?topic=a", &places[1399].to_string()));
    assert_eq!(stream.data(100), all[1400..]);
    server.put_event("b", &json!("no"));
    server.put_event("a", &json!("yes"));
    assert_eq!(stream.data(1), [json!("yes")]);
    // The header, which a browser sends, wins over the parameter, which it repeats.
    assert_eq!(Stream::open(request(&server, "?after=0", &places[1499].to_string())).data(1), [json!("no")]);
}

#[test]
fn a_follower_that_is_cut_off_before_its_first_event_goes_on_where_it_began() {
    let server = Server::start(&[]);
    for topic in ["a", "b"] {
        let place = server.put_event("a", &json!("before"));
        let answer = server.request("GET", &format!("/api/events/stream?topic={topic}")).send().expect("an answer");
        let lines = BufReader::new(answer).lines().map_while(Result::ok);
        let greeting: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        assert_eq!(greeting, ["retry: 2000", ": following", &format!("id: {place}")]);
        server.put_event(topic, &json!("meanwhile"));
        let place = greeting[2].trim_start_matches("id: ");
        let mut stream = Stream::open(request(&server, &format!("?topic={topic}"), place));
        assert_eq!(stream.data(1), [json!("meanwhile")], "{topic}");
    }
}

#[test]
fn a_place_that_is_none_is_refused() {
    let server = Server::start(&[]);
    let place = server.put_event("a", &json!(1));
    let next = (place + 1).to_string();
    for garbage in ["", "-1", "x", "1.5", "99999999999999999999", "1 OR 1", &next] {
        let refused = Stream::try_open(request(&server, "", garbage)).err().expect("refused");
        refused.check_problem(400, "invalid_request");
    }
    server.get("/api/events/stream?after=x").check_problem(400, "invalid_request");
    server.get("/api/events/stream?topic=A").check_problem(422, "invalid_topic");
    server.get("/api/events/stream?since=1").check_problem(400, "invalid_request");
    server.check_health();
}

#[test]
fn silence_is_broken_by_a_sign_of_life_that_says_how_far_the_server_looked() {
    let server = Server::start(&[]);
    let mut stream = server.follow("?topic=a");
    let place = server.put_event("b", &json!(1));
    let sign = stream.read_block().expect("the stream goes on");
    assert_eq!((sign.comments.as_slice(), sign.data), (["keep-alive".to_owned()].as_slice(), None));
    assert_eq!(sign.id, Some(place.to_string()));
}

#[test]
fn a_caller_has_so_many_streams_and_gets_a_place_back() {
    let config = "[events]\nstreams_max = 4\nstreams_per_caller_max = 3\n[[events.follow]]\ntopics = 'a'\n";
    let server = Setup::new().config(config).start();
    let guest = server.sign_up("guest", "", "").access;
    let follow = |server: &Server| Stream::try_open(server.request("GET", "/api/events/stream"));
    let as_guest = || Stream::try_open(server.request_as(&guest, "GET", "/api/events/stream?topic=a"));
    let mut streams: Vec<_> = (0..3).map(|_| follow(&server).unwrap_or_else(|_| panic!("a place"))).collect();
    let refused = follow(&server).err().expect("refused");
    refused.check_problem(429, "too_many_streams");
    assert!(refused.header("retry-after").is_some());
    let guests = as_guest().unwrap_or_else(|_| panic!("a place"));
    let refused = as_guest().err().expect("refused");
    refused.check_problem(503, "streams_busy");
    drop(streams.pop());
    wait_until("a place", || follow(&server).map(|stream| streams.push(stream)).is_ok());
    drop(guests);
    server.check_health();
}

#[test]
fn a_stream_ends_when_the_server_stops() {
    let mut server = Server::start(&[]);
    let mut stream = server.follow("");
    server.put_event("a", &json!(1));
    assert_eq!(stream.data(1), [json!(1)]);
    let watch = Stopwatch::start();
    server.terminate();
    let farewell = stream.next();
    assert_eq!((farewell.event.as_str(), &farewell.json()["code"]), ("error", &json!("shutting_down")));
    assert_eq!(stream.read_block(), None);
    wait_until("the server to stop", || server.try_wait().is_some());
    assert!(watch.elapsed() < Duration::from_secs(15), "{:?}", watch.elapsed());
}

/// The head of a request to follow, for a connection that says it by hand.
fn head() -> String {
    let token = administrators_token();
    format!("GET /api/events/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
}

#[test]
fn clients_that_never_read_hold_nobody_up_and_lose_their_places() {
    let config = "[events]\nstreams_per_caller_max = 4\n";
    let server = Setup::new().config(config).start();
    let deaf: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = Connection::open(&server);
            assert!(connection.send(head()));
            connection
        })
        .collect();
    let mut stream = server.follow("?topic=numbers");
    let payload = "x".repeat(250 << 10);
    // 75 MB for each of them: more than any socket takes.
    for number in 0..20 {
        let large: Vec<_> = (0..15).map(|_| json!({"topic": "large", "data": payload})).collect();
        assert_eq!(server.send_json("POST", "/api/events", &json!(large)).status, 202);
        server.put_event("numbers", &json!(number));
        assert_eq!(stream.data(1), [json!(number)]);
    }
    drop(stream);
    wait_until("the places of those who do not read", || {
        let streams: Vec<_> =
            (0..4).filter_map(|_| Stream::try_open(server.request("GET", "/api/events/stream")).ok()).collect();
        streams.len() == 4
    });
    // Whoever reads at last is told why there is no more.
    for mut connection in deaf {
        let text = String::from_utf8_lossy(&connection.read_chunks()).into_owned();
        assert!(
            text.contains("event: error") && text.contains("slow_reader"),
            "{}",
            &text[text.len().saturating_sub(500)..]
        );
    }
    server.check_health();
}

#[test]
fn connections_of_clients_that_never_read_are_closed() {
    const CONNECTIONS: usize = 4;
    let clock = Preload::new();
    let config = format!("[http]\nconnections_per_address_max = {CONNECTIONS}\n");
    let server = Setup::new().config(&config).preload(&clock).start();
    let address = Ipv4Addr::new(127, 0, 1, 1);
    let deaf: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = Connection::open_from(&server, address);
            assert!(connection.send(head()));
            connection.read_some();
            connection
        })
        .collect();
    // 26 MB for each of them: more than any socket takes.
    let large = vec![json!({"topic": "large", "data": "x".repeat(250 << 10)}); 15];
    for _ in 0..7 {
        assert_eq!(server.send_json("POST", "/api/events", &json!(large)).status, 202);
    }
    let is_free = || Connection::open_from(&server, address).call("GET", "/healthz", "", b"").is_some();
    assert!(!is_free(), "all connections of this address are taken");
    let mut ahead = Duration::ZERO;
    wait_until("their connections to be closed", || {
        ahead += Duration::from_secs(61);
        clock.set_uptime_ahead(&server, ahead);
        is_free()
    });
    drop(deaf);
    server.check_health();
}

#[test]
fn ten_thousand_connects_and_disconnects_leave_nothing_behind() {
    raise_file_limit();
    let server = Setup::new().config("[events]\nstreams_per_caller_max = 64\n").start();
    let (head, stop) = (head(), AtomicBool::new(false));
    thread::scope(|scope| {
        let stopped = StopOnDrop(&stop);
        // Something is published all the while.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                server.put_event("a", &json!(1));
            }
        });
        let clients: Vec<_> = (1..=8_u8)
            .map(|number| {
                let (server, head) = (&server, &head);
                scope.spawn(move || {
                    for round in 0..1250 {
                        let mut connection = Connection::open_from(server, Ipv4Addr::new(127, 0, 1, number));
                        connection.send(head);
                        // Some hang up at once, some after the greeting.
                        if round % 2 == 0 {
                            connection.read_some();
                        }
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().expect("no panic"));
        drop(stopped);
    });
    wait_until("all places", || {
        let streams: Vec<_> =
            (0..64).filter_map(|_| Stream::try_open(server.request("GET", "/api/events/stream")).ok()).collect();
        streams.len() == 64
    });
    let mut stream = server.follow("");
    server.put_event("b", &json!("still here"));
    assert_eq!(stream.data(1), [json!("still here")]);
    server.check_health();
}
