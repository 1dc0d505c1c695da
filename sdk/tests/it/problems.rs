//! How a handler fails: what the caller reads, and what only the log does.

use backplane_sdk::log::Level;
use backplane_sdk::testing;
use serde_json::{Value, json};

#[backplane_sdk::plugin]
mod problems {
    use backplane_sdk::prelude::*;

    #[config]
    #[expect(dead_code, reason = "it is read by its key alone")]
    struct Settings {
        broken: Option<bool>,
    }

    #[init]
    fn start() -> Result<()> {
        match config::get::<bool>("broken")? {
            Some(true) => Err(Problem::new(503, "not_ready", "still warming up")),
            _ => Ok(()),
        }
    }

    #[get("/missing", public)]
    fn missing() -> Result<Text> {
        None.or_not_found("no such thing")
    }

    #[get("/coded", public)]
    fn coded() -> Result<Text> {
        Err(Problem::conflict("it is closed").with_code("order_closed"))
    }

    #[get("/parse", public)]
    fn parse() -> Result<String> {
        log::info!("about to fail");
        let number: u8 = "secret".parse()?;
        Ok(number.to_string())
    }

    #[get("/unfit/{status}/{code}", public)]
    fn unfit(Path((status, code)): Path<(u16, String)>) -> Problem {
        Problem::new(status, code, "é".repeat(1000))
    }

    #[get("/refused", public)]
    fn refused() -> Problem {
        Problem::forbidden("not today")
    }
}

fn problem(target: &str) -> Value {
    let response = testing::get(target).send::<problems::Plugin>();
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    response.json()
}

#[test]
fn tells_the_caller_what_the_handler_says() {
    assert_eq!(problem("/missing"), json!({ "status": 404, "code": "not_found", "detail": "no such thing" }));
    assert_eq!(problem("/coded"), json!({ "status": 409, "code": "order_closed", "detail": "it is closed" }));
    assert_eq!(problem("/refused"), json!({ "status": 403, "code": "forbidden", "detail": "not today" }));
}

#[test]
fn answers_within_the_bounds_of_a_host() {
    #[track_caller]
    fn check(target: &str, status: u16, code: &str) {
        assert_eq!(testing::get(target).send::<problems::Plugin>().status(), status);
        assert_eq!(problem(target), json!({ "status": status, "code": code, "detail": "é".repeat(512) }));
    }
    let longest = "a".repeat(64);
    check("/unfit/418/short_of_tea_2", 418, "short_of_tea_2");
    check("/unfit/200/fine", 500, "fine");
    check("/unfit/600/fine", 500, "fine");
    check("/unfit/404/Not-Found", 404, "plugin_error");
    check(&format!("/unfit/404/{longest}"), 404, &longest);
    check(&format!("/unfit/404/{longest}a"), 404, "plugin_error");
}

#[test]
fn logs_an_error_and_keeps_it_from_the_caller() {
    let answer = problem("/parse");
    assert_eq!((&answer["status"], &answer["code"]), (&json!(500), &json!("internal")));
    assert!(!answer.to_string().contains("digit"), "{answer}");

    let lines = testing::take_logs();
    assert_eq!(lines[0].message, "about to fail");
    assert_eq!((lines[1].level, lines[1].message.as_str()), (Level::Error, "invalid digit found in string"));
    assert!(lines[1].fields[0].1.contains("tests/it/problems.rs"), "{:?}", lines[1].fields);
    assert_eq!(lines[1].fields[1], ("code".to_owned(), "internal".to_owned()));
    assert!(testing::take_logs().is_empty());
}

#[test]
fn keeps_only_lines_of_an_enabled_level() {
    testing::set_log_level(Level::Warn);
    let answer = problem("/parse");
    assert_eq!(answer["code"], "internal");
    assert_eq!(testing::take_logs().len(), 1);
}

#[test]
fn starts_an_instance_before_each_call() {
    assert!(testing::init::<problems::Plugin>().is_ok());
    testing::set_config("broken", true);
    assert_eq!(problem("/missing")["code"], "not_ready");
    let outcome = testing::init::<problems::Plugin>();
    assert!(outcome.is_err_and(|problem| problem.status() == 503 && problem.message() == "still warming up"));
}
