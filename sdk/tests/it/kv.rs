//! State on the double: the cases that a real host is held to as well, and what only a test can bring about.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use backplane_sdk::log::Level;
use backplane_sdk::testing::{self, TestResponse};
use backplane_sdk::{Problem, kv};
use serde::Deserialize;
use serde_json::Value;

/// The plugin whose cases `tests/it` sends to a real host.
#[path = "../../../tests/guests/kv.rs"]
mod guest;

#[backplane_sdk::plugin]
mod shop {
    use backplane_sdk::prelude::*;

    const STOCK: kv::Bucket = kv::bucket("stock");

    #[post("/take/{item}", public)]
    fn take(Path(item): Path<String>) -> Result<Json<u32>> {
        log::info!("looking at {item}");
        let left = STOCK.get_json::<u32>(&item)?.or_not_found("no such item")?;
        let left = left.checked_sub(1).ok_or_else(|| Problem::conflict("sold out"))?;
        STOCK.set_json(&item, &left)?;
        Ok(Json(left))
    }

    #[post("/add/{item}", public)]
    fn add(Path(item): Path<String>) -> Result<String> {
        log::info!("looking at all");
        let count = STOCK.list().count();
        STOCK.set(&item, "1")?;
        Ok(count.to_string())
    }

    #[post("/visit", public)]
    fn visit() -> Result<NoContent> {
        log::info!("visited");
        kv::bucket("statistics").increment("visits", 1)?;
        Ok(NoContent)
    }

    #[post("/break", public)]
    #[expect(clippy::panic, reason = "a panic is what the test is about")]
    fn break_down() -> Result<NoContent> {
        STOCK.set("bread", "0")?;
        panic!("broken");
    }

    #[post("/tally", public)]
    fn tally() -> Result<&'static str> {
        log::info!("looking for a number");
        STOCK.increment("bread", 1)?;
        let is_a_page = STOCK.list().page().is_ok();
        STOCK.set("bread", "0")?;
        Ok(if is_a_page { "a page" } else { "no page" })
    }

    #[get("/total", public)]
    fn total() -> Result<Json<u32>> {
        let counts = STOCK.list().json::<u32>().map(|entry| Ok(entry?.value));
        Ok(Json(counts.sum::<Result<u32>>()?))
    }

    #[get("/count", public)]
    fn count_visit() -> Result<NoContent> {
        kv::bucket("statistics").increment("visits", 1)?;
        Ok(NoContent)
    }

    #[get("/ignore", public)]
    fn ignore() -> &'static str {
        STOCK.get("bread").map_or("failed, and went on", |_| "found")
    }
}

const STOCK: kv::Bucket = kv::bucket("stock");

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
    after_ms: u64,
}

/// Sends one step, and says what is wrong with its answer.
fn fault(case: &Case, step: &Step) -> Option<String> {
    testing::advance_clock(Duration::from_millis(step.after_ms));
    let request = testing::request(&step.method, &step.path);
    let outcome = catch_unwind(AssertUnwindSafe(|| request.send::<guest::kv::Plugin>()));
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

#[test]
fn does_in_memory_what_a_host_does() {
    let cases: Vec<Case> = testing::get("/cases").send::<guest::kv::Plugin>().json();
    assert!(!cases.is_empty());
    let faults: Vec<String> =
        cases.iter().flat_map(|case| case.steps.iter().filter_map(|step| fault(case, step))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn post(target: &str) -> TestResponse {
    testing::post(target).send::<shop::Plugin>()
}

fn code(response: &TestResponse) -> (u16, String) {
    let problem: Value = response.json();
    (response.status(), problem["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn holds_what_the_test_writes_at_once() {
    assert_eq!(STOCK.set_json("bread", &2), Ok(()));
    assert_eq!(STOCK.increment("bread", 1), Ok(()));
    assert_eq!(STOCK.get_json("bread"), Ok(Some(3)));
    assert_eq!(testing::get("/total").send::<shop::Plugin>().text(), "3");
    assert_eq!(STOCK.set("rolls", "many"), Ok(()));
    assert_eq!(STOCK.increment("rolls", 1), Err(kv::Error::NotAnInteger));
}

#[test]
fn forgets_what_a_panicking_handler_wrote() {
    assert_eq!(STOCK.set_json("bread", &2), Ok(()));
    assert!(catch_unwind(|| post("/break")).is_err());
    assert_eq!(STOCK.get_json("bread"), Ok(Some(2)));
    assert_eq!(post("/take/bread").text(), "1");
}

#[test]
fn runs_a_handler_again_when_what_it_read_has_changed() {
    assert_eq!(STOCK.set_json("bread", &2), Ok(()));
    let overtaken = testing::post("/take/bread").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(post("/take/bread").text(), "1");
    });
    assert_eq!(overtaken.text(), "0");
    // Three runs: the first and the second of the one, and the only one of the other.
    assert_eq!(testing::take_logs().len(), 3);

    assert_eq!(STOCK.set_json("bread", &1), Ok(()));
    let overtaken = testing::post("/take/bread").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(post("/take/bread").status(), 200);
    });
    assert_eq!(code(&overtaken), (409, "conflict".into()));
}

#[test]
fn runs_a_handler_again_when_what_it_listed_has_changed() {
    assert_eq!(STOCK.set("bread", "1"), Ok(()));
    let overtaken = testing::post("/add/rolls").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(post("/add/cake").text(), "1");
    });
    assert_eq!(overtaken.text(), "2");
    let overtaken = testing::post("/add/buns").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(STOCK.delete("cake"), Ok(()));
    });
    assert_eq!(overtaken.text(), "2");
}

#[test]
fn runs_a_handler_again_when_a_list_that_failed_would_not_fail_any_more() {
    assert_eq!(STOCK.set("bread", "some"), Ok(()));
    let overtaken = testing::post("/tally").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(STOCK.set("bread", "1"), Ok(()));
    });
    assert_eq!((overtaken.text(), testing::take_logs().len()), ("a page", 2));
}

#[test]
fn runs_a_handler_once_when_nothing_concerns_it() {
    assert_eq!(STOCK.set_json("bread", &2), Ok(()));
    let alone = testing::post("/take/bread").send_overtaken::<shop::Plugin>(|| {
        assert_eq!(STOCK.set("rolls", "1"), Ok(()));
    });
    assert_eq!((alone.text(), testing::take_logs().len()), ("1", 1));
    testing::post("/visit").send_overtaken::<shop::Plugin>(|| assert_eq!(post("/visit").status(), 204));
    assert_eq!(testing::take_logs().len(), 2);
    assert_eq!(kv::bucket("statistics").get_json("visits"), Ok(Some(2)));
}

#[test]
fn refuses_what_is_over_the_quota() {
    assert_eq!(STOCK.set("bread", "1"), Ok(()));
    testing::set_state_quota(1, 1 << 20);
    assert_eq!(code(&post("/add/rolls")), (507, "quota_exceeded".into()));
    assert_eq!(STOCK.get("rolls"), Ok(None));
    assert_eq!(post("/take/bread").status(), 200);
    assert_eq!(STOCK.delete("bread"), Ok(()));
    assert_eq!(post("/add/rolls").status(), 200);

    // "stock", "rolls" and "1": 11 bytes. More is too much, less is welcome.
    testing::set_state_quota(10, 11);
    assert_eq!(code(&post("/add/cake")), (507, "quota_exceeded".into()));
    testing::set_state_quota(10, 10);
    assert_eq!(post("/take/rolls").text(), "0");
    assert_eq!(STOCK.set_for("rolls", "10", Duration::from_secs(1)), Ok(()));
    testing::advance_clock(Duration::from_secs(1));
    assert_eq!(post("/add/cake").status(), 200);
}

#[test]
fn answers_503_when_the_store_fails() {
    testing::set_state_available(false);
    assert_eq!(code(&post("/take/bread")), (503, "state_unavailable".into()));
    assert_eq!(code(&post("/visit")), (503, "state_unavailable".into()));
    let ignored = testing::get("/ignore").send::<shop::Plugin>();
    assert_eq!(code(&ignored), (503, "state_unavailable".into()));
    testing::set_state_available(true);
    assert_eq!(code(&post("/take/bread")), (404, "not_found".into()));
    assert_eq!(kv::bucket("statistics").get("visits"), Ok(None));
}

#[test]
fn says_in_the_log_what_to_write() {
    let response = testing::get("/count").send::<shop::Plugin>();
    assert_eq!(code(&response), (500, "internal".into()));
    let lines = testing::take_logs();
    assert_eq!(lines[0].level, Level::Error);
    assert!(lines[0].message.contains(r#"write `transaction = "write"`"#), "{}", lines[0].message);
    assert!(lines[0].fields[0].1.contains("tests/it/kv.rs"), "{:?}", lines[0].fields);
}

#[test]
fn makes_the_problem_that_fits_an_error() {
    let check = |error: kv::Error, status, code| {
        let problem = Problem::from(error.clone());
        assert_eq!((problem.status(), problem.code()), (status, code), "{error}");
    };
    check(kv::Error::InvalidKey, 422, "invalid_key");
    check(kv::Error::ValueTooLarge, 422, "value_too_large");
    check(kv::Error::TransactionTooLarge, 422, "transaction_too_large");
    check(kv::Error::Unavailable, 503, "state_unavailable");
    for fault in [kv::Error::NoTransaction, kv::Error::ReadOnly, kv::Error::InvalidBucket, kv::Error::NotAnInteger] {
        check(fault, 500, "internal");
    }
    check(kv::Error::Unreadable("text".into()), 500, "internal");
    check(kv::Error::Unwritable("text".into()), 500, "internal");
}

#[test]
fn refuses_a_value_without_json_form() {
    let by_pair = std::collections::BTreeMap::from([((1, 2), 3)]);
    let outcome = STOCK.set_json("pairs", &by_pair);
    assert!(matches!(outcome, Err(kv::Error::Unwritable(fault)) if fault.contains("`pairs` in bucket `stock`")));
}

#[test]
fn stops_a_list_at_its_first_error() {
    assert_eq!(STOCK.set("a", "1").and(STOCK.set("b", "?")).and(STOCK.set("c", "3")), Ok(()));
    let mut list = STOCK.list().json::<u32>();
    assert!(matches!(list.next(), Some(Ok(entry)) if entry.value == 1));
    assert!(matches!(list.next(), Some(Err(kv::Error::Unreadable(_)))));
    assert_eq!(list.next(), None);

    testing::set_state_available(false);
    let mut list = STOCK.list();
    assert_eq!(list.next(), Some(Err(kv::Error::Unavailable)));
    assert_eq!(list.next(), None);
}

#[test]
fn reads_no_more_than_it_needs() {
    let fill = |bucket: kv::Bucket, count: u32| (0..count).try_for_each(|n| bucket.set(&format!("{n:04}"), ""));
    assert_eq!(fill(STOCK, 2000), Ok(()));
    let mut list = STOCK.list();
    // The first fetch is short, so that a look at the beginning does not read the rest.
    assert_eq!(list.by_ref().take(100).count(), 100);
    assert_eq!(STOCK.delete("0050").and(STOCK.delete("0150")), Ok(()));
    assert_eq!(list.count(), 1899);
}

#[test]
fn takes_a_page_where_an_iteration_stopped() {
    assert_eq!((0..9).try_for_each(|n| STOCK.set(&n.to_string(), "")), Ok(()));
    let mut list = STOCK.list().limit(4);
    assert_eq!(list.by_ref().take(3).count(), 3);
    let page = list.page().map(|page| page.map(|entry| entry.key));
    assert_eq!(page, Ok(kv::Page { items: vec!["3".into()], next: Some("3".into()) }));
}
