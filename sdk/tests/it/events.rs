//! Events on the double: the cases that a real host is held to as well, and what only a test can bring about.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use backplane_sdk::testing::{self, Attempt, Outcome};
use backplane_sdk::{Problem, events, kv};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin whose cases `tests/it` sends to a real host.
#[path = "../../../tests/guests/events.rs"]
mod guest;

#[backplane_sdk::plugin(publishes("shop.*"))]
mod shop {
    use std::time::Duration;

    use backplane_sdk::prelude::*;

    const SOLD: events::Topic = events::topic("shop.sold");

    #[config]
    struct Settings {
        #[default("EUR")]
        currency: String,
    }

    #[post("/sell/{item}", public)]
    fn sell(Path(item): Path<String>) -> Result<String> {
        let left = kv::bucket("stock").get_json::<u32>(&item)?.unwrap_or(1);
        kv::bucket("stock").set_json(&item, &left.saturating_sub(1))?;
        Ok(SOLD.key(&item).publish_json(&left)?)
    }

    #[on("shop.sold", attempts = 4)]
    fn book(event: Event<u32>, Config(settings): Config<Settings>, context: Context) -> Result<()> {
        log::info!("{} {}", settings.currency, context.trace_parent().unwrap_or_default());
        kv::bucket("books").increment(&settings.currency, event.payload.into())?;
        match event.payload {
            13 => Err(Problem::conflict("bad luck")),
            14 => Err(Problem::conflict("come back").retry_after(Duration::from_hours(48))),
            15 => Err(Problem::conflict("no").fatal()),
            _ => Ok(()),
        }
    }

    #[on("text.*")]
    fn read(event: Result<Event<Text>>) -> Result<()> {
        let text = event.map_or_else(|problem| problem.message().to_owned(), |event| event.payload.0);
        Ok(kv::bucket("texts").set_text("last", &text)?)
    }

    #[on("echo")]
    fn echo(event: Event<Bytes>) -> Result<()> {
        Ok(events::topic("shop.echo").publish_bytes(&event.content_type, event.payload.0).map(drop)?)
    }

    #[on("broken")]
    #[expect(clippy::panic, reason = "a panic is what the test is about")]
    fn break_down(event: Event<Text>) -> Result<()> {
        kv::bucket("texts").set_text("broken", &event.payload.0)?;
        panic!("broken");
    }
}

#[backplane_sdk::plugin(publishes("loop"))]
mod endless {
    use backplane_sdk::prelude::*;

    #[on("loop")]
    fn go_on() -> Result<()> {
        Ok(events::topic("loop").publish_text("").map(drop)?)
    }
}

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    method: String,
    path: String,
    status: u16,
    code: Option<String>,
    eventually: bool,
}

/// Sends one step, and says what is wrong with its answer.
fn fault(case: &Case, step: &Step) -> Option<String> {
    let request = testing::request(&step.method, &step.path);
    let outcome = catch_unwind(AssertUnwindSafe(|| request.send::<guest::events::Plugin>()));
    let (status, code, text) = match &outcome {
        Ok(response) if response.status() < 400 => (response.status(), None, String::new()),
        Ok(response) => {
            let problem: Value = response.json();
            (response.status(), problem["code"].as_str().map(str::to_owned), problem.to_string())
        }
        // A host makes this of a trap.
        Err(_) => (500, Some("plugin_failed".to_owned()), "the step panicked".to_owned()),
    };
    let is_right = status == step.status && code == step.code;
    (!is_right).then(|| format!("{} {}: {status} {text}", case.name, step.path))
}

/// Delivers what is due, and lets the time pass that a retry takes.
fn wait() {
    // A handler that panics ends the delivery and not the case.
    while catch_unwind(testing::deliver::<guest::events::Plugin>).is_err() {}
    testing::advance_clock(Duration::from_secs(4));
}

fn check(case: &Case) -> Vec<String> {
    let send = |step: &Step| {
        let waits = if step.eventually { 5 } else { 0 };
        (0..waits).for_each(|_| wait());
        fault(case, step)
    };
    case.steps.iter().filter_map(send).collect()
}

#[test]
fn does_in_memory_what_a_host_does() {
    let cases: Vec<Case> = testing::get("/cases").send::<guest::events::Plugin>().json();
    assert!(cases.len() > 20, "{} cases are no table", cases.len());
    let faults: Vec<String> = cases.iter().flat_map(check).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn sold(count: u32) -> testing::TestEvent {
    testing::event("shop.sold").key("bread").json(&count)
}

fn outcomes(attempts: &[Attempt]) -> Vec<(&str, u32, &Outcome)> {
    attempts.iter().map(|attempt| (attempt.handler.as_str(), attempt.number, &attempt.outcome)).collect()
}

fn retry(code: &str, after: Duration) -> Outcome {
    Outcome::Retry { code: code.into(), after }
}

fn booked() -> Option<i64> {
    kv::bucket("books").get_json("EUR").expect("a sum is a number")
}

#[test]
fn shows_what_was_published_when_it_is_committed() {
    assert_eq!(testing::published(), []);
    testing::set_trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let id = testing::post("/sell/bread").send::<shop::Plugin>().text().to_owned();
    let log = testing::published();
    assert_eq!((log.len(), &log[0].id, log[0].source.as_str()), (1, &id, "/plugins/shop"));
    assert_eq!((log[0].topic.as_str(), log[0].key.as_deref()), ("shop.sold", Some("bread")));
    assert_eq!((log[0].content_type.as_str(), log[0].text(), log[0].json::<u32>()), ("application/json", "1", 1));
    assert_eq!(log[0].trace_parent.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));

    testing::set_state_available(false);
    assert_eq!(testing::post("/sell/bread").send::<shop::Plugin>().status(), 503);
    testing::set_state_available(true);
    assert_eq!(testing::published().len(), 1);
}

#[test]
fn publishes_what_the_last_run_of_a_handler_did() {
    let overtaken = testing::post("/sell/bread").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(testing::post("/sell/bread").send::<shop::Plugin>().status(), 200);
    });
    assert_eq!(overtaken.status(), 200);
    let payloads: Vec<u32> = testing::published().iter().map(testing::Published::json).collect();
    assert_eq!(payloads, [1, 0]);
}

#[test]
fn hands_a_handler_settings_and_trace() {
    let delivered = sold(3).trace_parent("trace").deliver::<shop::Plugin>();
    assert_eq!(outcomes(&delivered), [("book", 1, &Outcome::Handled)]);
    assert_eq!(testing::take_logs()[0].message, "EUR trace");
    assert_eq!(booked(), Some(3));
    assert_eq!(testing::deliver::<shop::Plugin>(), []);
}

#[test]
fn waits_longer_with_every_attempt_and_gives_up() {
    for (attempt, seconds) in [(1, 1), (2, 2), (3, 4)] {
        let delivered =
            if attempt == 1 { sold(13).deliver::<shop::Plugin>() } else { testing::deliver::<shop::Plugin>() };
        let again = retry("conflict", Duration::from_secs(seconds));
        assert_eq!(outcomes(&delivered), [("book", attempt, &again)]);
        testing::advance_clock(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(testing::deliver::<shop::Plugin>(), []);
        testing::advance_clock(Duration::from_millis(1));
    }
    assert_eq!(testing::dead_letters::<shop::Plugin>(), []);
    let last = testing::deliver::<shop::Plugin>();
    assert_eq!(outcomes(&last), [("book", 4, &Outcome::DeadLetter { code: "conflict".into() })]);
    let dead = testing::dead_letters::<shop::Plugin>();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].message.as_str()), (1, 4, "bad luck"));
    assert_eq!((dead[0].handler.as_str(), dead[0].event.text()), ("book", "13"));
    assert_eq!(booked(), None);
}

#[test]
fn waits_as_long_as_the_handler_asks_and_no_longer_than_a_day() {
    let day = Duration::from_hours(24);
    assert_eq!(outcomes(&sold(14).deliver::<shop::Plugin>()), [("book", 1, &retry("conflict", day))]);
    // What comes behind it under its key waits, and everything else does not.
    assert_eq!(sold(1).deliver::<shop::Plugin>(), []);
    assert_eq!(testing::event("shop.sold").key("salt").json(&2).deliver::<shop::Plugin>().len(), 1);
    assert_eq!(testing::event("shop.sold").json(&4).deliver::<shop::Plugin>().len(), 1);
    assert_eq!(booked(), Some(6));
    testing::advance_clock(day);
    assert_eq!(outcomes(&testing::deliver::<shop::Plugin>()), [("book", 2, &retry("conflict", day))]);
}

#[test]
fn gives_up_at_once_what_can_never_be_handled() {
    let delivered = sold(15).deliver::<shop::Plugin>();
    assert_eq!(outcomes(&delivered), [("book", 1, &Outcome::DeadLetter { code: "conflict".into() })]);
    for event in [testing::event("shop.sold").text("3"), testing::event("shop.sold").json(&"three")] {
        let delivered = event.deliver::<shop::Plugin>();
        assert_eq!(outcomes(&delivered), [("book", 1, &Outcome::DeadLetter { code: "invalid_payload".into() })]);
    }
    let faults = testing::dead_letters::<shop::Plugin>().into_iter().skip(1).map(|letter| letter.message);
    let faults: Vec<String> = faults.collect();
    assert_eq!(faults[0], "the payload is of type `text/plain; charset=utf-8`, not JSON");
    assert!(faults[1].starts_with("the payload is not the JSON that was asked for: invalid type"), "{}", faults[1]);
}

#[test]
fn leaves_a_payload_that_does_not_fit_to_a_handler_that_asks_for_it() {
    let last = || kv::bucket("texts").get_text("last").expect("the text is text").unwrap_or_default();
    testing::event("text.plain").bytes("text/csv", "a,b").deliver::<shop::Plugin>();
    assert_eq!(last(), "a,b");
    testing::event("text.broken").bytes("text/plain", b"\xff".to_vec()).deliver::<shop::Plugin>();
    assert!(last().starts_with("the payload is not UTF-8"), "{}", last());
    assert_eq!(testing::dead_letters::<shop::Plugin>(), []);
}

#[test]
fn counts_a_panic_as_an_attempt_and_goes_on() {
    let broken = testing::event("broken").key("a").text("first");
    assert!(catch_unwind(|| broken.deliver::<shop::Plugin>()).is_err());
    assert_eq!(kv::bucket("texts").get("broken"), Ok(None));
    assert_eq!(testing::deliver::<shop::Plugin>(), []);
    testing::advance_clock(Duration::from_secs(1));
    assert!(catch_unwind(testing::deliver::<shop::Plugin>).is_err());
    testing::advance_clock(Duration::from_secs(1));
    assert_eq!(testing::deliver::<shop::Plugin>(), []);
}

#[test]
fn counts_no_attempt_when_the_store_fails() {
    testing::set_state_available(false);
    assert_eq!(outcomes(&sold(2).deliver::<shop::Plugin>()), [("book", 1, &Outcome::Postponed)]);
    testing::set_state_available(true);
    assert_eq!(outcomes(&testing::deliver::<shop::Plugin>()), [("book", 1, &Outcome::Handled)]);
    testing::set_state_quota(0, 0);
    let delivered = testing::event("text.a").text("b").deliver::<shop::Plugin>();
    assert_eq!(outcomes(&delivered), [("read", 1, &retry("quota_exceeded", Duration::from_secs(1)))]);
}

#[test]
fn passes_on_what_a_handler_publishes() {
    testing::event("echo").key("a").bytes("text/csv", "a,b").source("/clients/ada").deliver::<shop::Plugin>();
    let log = testing::published();
    assert_eq!((log[0].source.as_str(), log[1].source.as_str()), ("/clients/ada", "/plugins/shop"));
    assert_eq!((log[1].topic.as_str(), log[1].key.as_deref(), log[1].text()), ("shop.echo", None, "a,b"));
    assert!(log[0].id < log[1].id);
}

#[test]
fn stops_handlers_that_feed_themselves() {
    let endless = catch_unwind(|| testing::event("loop").deliver::<endless::Plugin>());
    let message = endless.expect_err("it has no end").downcast::<String>();
    assert!(message.is_ok_and(|message| message.contains("`endless` publishes what it handles")));
}

#[test]
fn publishes_what_the_test_itself_does_at_once() {
    assert!(events::topic("anything.at.all").key("a").publish_text("b").is_ok());
    assert_eq!(events::topic("").publish_text("b"), Err(events::Error::InvalidTopic));
    let log = testing::published();
    assert_eq!((log.len(), log[0].source.as_str(), log[0].time_ms), (1, "/clients/test", 0));
}

#[test]
fn refuses_a_payload_without_json_form() {
    let by_pair = std::collections::BTreeMap::from([((1, 2), 3)]);
    let outcome = events::topic("shop.sold").publish_json(&by_pair);
    assert!(matches!(outcome, Err(events::Error::Unwritable(fault)) if fault.contains("for `shop.sold`")));
}

#[test]
fn makes_the_problem_that_fits_an_error() {
    let check = |error: events::Error, status, code| {
        let problem = Problem::from(error.clone());
        assert_eq!((problem.status(), problem.code()), (status, code), "{error}");
    };
    check(events::Error::InvalidKey, 422, "invalid_event_key");
    check(events::Error::PayloadTooLarge, 413, "event_too_large");
    check(events::Error::TransactionTooLarge, 422, "transaction_too_large");
    check(events::Error::Unavailable, 503, "state_unavailable");
    for fault in [
        events::Error::NoTransaction,
        events::Error::ReadOnly,
        events::Error::InvalidTopic,
        events::Error::TopicNotDeclared,
        events::Error::InvalidContent,
        events::Error::Unwritable("text".into()),
    ] {
        check(fault, 500, "internal");
    }
}

#[test]
fn says_when_an_event_was_published() {
    testing::advance_clock(Duration::from_mins(1));
    sold(1).publish();
    assert_eq!(testing::published()[0].time_ms, 60_000);
    let event = events::Event {
        id: String::new(),
        source: String::new(),
        topic: String::new(),
        key: None,
        content_type: String::new(),
        payload: json!(null),
        time_ms: 60_000,
        attempt: 1,
    };
    assert_eq!(event.time(), std::time::SystemTime::UNIX_EPOCH + Duration::from_mins(1));
}
