//! `backplane.v1.Events`: publishing and following over gRPC, and that HTTP has the same log.

use serde_json::json;
use tonic::{Code, Status, Streaming};

use crate::harness::{
    Grpc, PATIENCE, Server, Setup, check_status,
    pb::{
        Event, NewEvent, PublishEventRequest, PublishManyEventsRequest, PublishedEvent, SubscribeEventsRequest,
        SubscribeEventsResponse, subscribe_events_response::Message,
    },
    wait_for,
};

fn event(topic: &str, payload: &str) -> NewEvent {
    let content_type = "text/plain".to_owned();
    NewEvent { topic: topic.to_owned(), content_type, payload: payload.into(), ..NewEvent::default() }
}

fn publish(grpc: &Grpc, event: NewEvent) -> Result<PublishedEvent, Status> {
    let answer = grpc.wait(grpc.events().publish(PublishEventRequest { event: Some(event) }));
    answer.map(|answer| answer.into_inner().event.expect("an event"))
}

fn publish_many(grpc: &Grpc, events: Vec<NewEvent>) -> Result<Vec<PublishedEvent>, Status> {
    let answer = grpc.wait(grpc.events().publish_many(PublishManyEventsRequest { events }));
    answer.map(|answer| answer.into_inner().events)
}

fn subscribe(grpc: &Grpc, topics: &[&str], after: Option<i64>) -> Result<Streaming<SubscribeEventsResponse>, Status> {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let answer = grpc.wait(grpc.events().subscribe(SubscribeEventsRequest { topics, after }));
    answer.map(tonic::Response::into_inner)
}

/// Returns the next event, or how the stream ended.
#[track_caller]
fn next(grpc: &Grpc, stream: &mut Streaming<SubscribeEventsResponse>) -> Result<Event, Status> {
    loop {
        let message = grpc.wait(async { tokio::time::timeout(PATIENCE, stream.message()).await });
        match message.expect("a message in time")?.expect("no end without a status").message.expect("a message") {
            Message::Event(event) => return Ok(event),
            Message::Progress(_) => {}
            Message::Gap(gap) => panic!("{gap:?}"),
        }
    }
}

#[test]
fn what_is_published_reaches_who_follows_whole_and_in_order() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let mut stream = subscribe(&grpc, &["orders.*", "payments"], None).expect("a stream");
    let whole = NewEvent {
        key: "k".to_owned(),
        id: "a-1".to_owned(),
        source: "/shop".to_owned(),
        ..event("orders.new", "one")
    };
    let first = publish(&grpc, whole).expect("published");
    let many = publish_many(&grpc, vec![event("other", "two"), event("payments", "three")]).expect("published");
    let found = next(&grpc, &mut stream).expect("an event");
    assert_eq!((found.sequence, found.id.as_str(), found.topic.as_str()), (first.sequence, "a-1", "orders.new"));
    assert_eq!(
        (found.key.as_str(), found.source.as_str(), found.payload.as_slice()),
        ("k", "/shop", b"one".as_slice())
    );
    assert_eq!(found.content_type, "text/plain");
    assert!(found.time.is_some_and(|time| time.seconds > 1_600_000_000));
    let found = next(&grpc, &mut stream).expect("an event");
    assert_eq!((found.sequence, found.id), (many[1].sequence, many[1].id.clone()));
    // HTTP has the same log, and what is published there comes here.
    let listed = server.get("/api/events?after=0").json();
    assert_eq!(listed["events"].as_array().expect("events").len(), 3, "{listed}");
    let answer = server.receive(server.request("POST", "/api/events/payments").json(&json!({"a": 1})));
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(next(&grpc, &mut stream).expect("an event").payload, br#"{"a":1}"#);
}

#[test]
fn goes_on_where_it_was_cut_off() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let events = (0..600).map(|number| event("numbers", &number.to_string())).collect();
    let published = publish_many(&grpc, events).expect("published");
    let mut seen = Vec::new();
    let mut after = 0;
    // Cut off again and again, also within a page.
    while seen.len() < published.len() {
        let mut stream = subscribe(&grpc, &["numbers"], Some(after)).expect("a stream");
        for _ in 0..150.min(published.len() - seen.len()) {
            let event = next(&grpc, &mut stream).expect("an event");
            after = event.sequence;
            seen.push(String::from_utf8(event.payload).expect("text"));
        }
    }
    assert_eq!(seen, (0..600).map(|number| number.to_string()).collect::<Vec<_>>());
    for place in [-1, after + 1] {
        check_status(subscribe(&grpc, &[], Some(place)), Code::InvalidArgument, "invalid_request");
    }
}

#[test]
fn an_event_under_its_own_id_is_in_the_log_once() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let named = NewEvent { id: "a-1".to_owned(), ..event("orders", "one") };
    let first = publish(&grpc, named.clone()).expect("published");
    let again = publish(&grpc, named).expect("published");
    assert_eq!(again, first);
    assert_eq!(server.get("/api/events?after=0").json()["events"].as_array().expect("events").len(), 1);
}

#[test]
fn what_is_no_event_is_refused_and_nothing_of_its_list_is_published() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let check = |event: NewEvent, code, reason: &str| {
        check_status(publish_many(&grpc, vec![self::event("fine", ""), event]), code, reason)
    };
    check(event("", ""), Code::InvalidArgument, "invalid_topic");
    check(
        NewEvent { content_type: "application/json".to_owned(), ..event("a", "{") },
        Code::InvalidArgument,
        "invalid_event",
    );
    check(NewEvent { source: "/plugins/orders".to_owned(), ..event("a", "") }, Code::InvalidArgument, "invalid_event");
    check(event("a", &"x".repeat((256 << 10) + 1)), Code::ResourceExhausted, "payload_too_large");
    let missing = grpc.wait(grpc.events().publish(PublishEventRequest { event: None }));
    check_status(missing, Code::InvalidArgument, "invalid_event");
    check_status(publish_many(&grpc, vec![event("a", ""); 1001]), Code::ResourceExhausted, "payload_too_large");
    check_status(
        publish_many(&grpc, vec![event("a", &"x".repeat(200_000)); 30]),
        Code::ResourceExhausted,
        "payload_too_large",
    );
    assert_eq!(server.get("/api/events?after=0").json()["events"], json!([]));
    check_status(subscribe(&grpc, &["Not a topic"], None), Code::InvalidArgument, "invalid_topic");
    check_status(subscribe(&grpc, &["a"; 17], None), Code::InvalidArgument, "invalid_topic");
}

#[test]
fn the_operators_rules_about_topics_hold() {
    let rules = "[[events.publish]]\ntopics = \"orders.*\"\nroles = [\"clerk\"]\n\n[[events.follow]]\ntopics = \"orders.*\"\nroles = [\"clerk\"]\n";
    let server = Setup::new().config(rules).start();
    let stranger = Grpc::connect_with(&server, None);
    check_status(publish(&stranger, event("orders.new", "")), Code::Unauthenticated, "unauthenticated");
    let clerk = server.sign_up("clerk", "clerk", "");
    let clerk = Grpc::connect_with(&server, Some(&clerk.access));
    let mut stream = subscribe(&clerk, &["orders.*"], None).expect("a stream");
    publish(&clerk, event("orders.new", "")).expect("published");
    assert_eq!(next(&clerk, &mut stream).expect("an event").topic, "orders.new");
    check_status(publish(&clerk, event("payments", "")), Code::PermissionDenied, "forbidden");
    check_status(subscribe(&clerk, &[], None), Code::PermissionDenied, "forbidden");
}

#[test]
fn a_caller_follows_as_often_as_it_may() {
    let server = Setup::new().config("[events]\nstreams_per_caller_max = 2\n").start();
    let grpc = Grpc::connect(&server);
    let [first, second] = [(); 2].map(|()| subscribe(&grpc, &[], None).expect("a stream"));
    check_status(subscribe(&grpc, &[], None), Code::ResourceExhausted, "too_many_streams");
    drop(first);
    let third = wait_for("a place", || subscribe(&grpc, &[], None).ok());
    server.terminate();
    for mut stream in [second, third] {
        check_status(next(&grpc, &mut stream), Code::Unavailable, "shutting_down");
    }
}
