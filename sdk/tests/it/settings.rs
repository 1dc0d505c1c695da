//! Settings: declared, defaulted, given and wrong.

use backplane_sdk::testing;

#[backplane_sdk::plugin]
mod settings {
    use backplane_sdk::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Limits {
        burst: u8,
    }

    #[config]
    #[derive(Debug)]
    struct Settings {
        /// What every answer starts with.
        greeting: String,
        #[default(5)]
        limit: u8,
        #[default(-1.5)]
        offset: f64,
        #[default(["a", "b"])]
        names: Vec<String>,
        limits: Option<Limits>,
    }

    #[get("/", public)]
    fn show(Config(settings): Config<Settings>) -> String {
        let Settings { greeting, limit, offset, names, limits } = settings;
        format!("{greeting} {limit} {offset} {names:?} {:?}", limits.map(|limits| limits.burst))
    }

    #[get("/one", public)]
    fn show_one() -> Result<String> {
        Ok(format!("{:?}", config::get::<u8>("limit")?))
    }

    #[get("/undeclared", public)]
    fn show_undeclared() -> Result<String> {
        Ok(format!("{:?}", config::get::<u8>("undeclared")?))
    }
}

#[test]
fn takes_defaults_where_nobody_gives_a_value() {
    testing::set_config("greeting", "Hi");
    assert_eq!(testing::get("/").send::<settings::Plugin>().text(), r#"Hi 5 -1.5 ["a", "b"] None"#);
    assert_eq!(testing::get("/one").send::<settings::Plugin>().text(), "Some(5)");
}

#[test]
fn has_nothing_under_a_key_that_is_not_declared() {
    testing::set_config("undeclared", 1);
    assert_eq!(testing::get("/undeclared").send::<settings::Plugin>().text(), "None");
}

#[test]
fn takes_what_the_operator_gives() {
    testing::set_config("greeting", "Hi");
    testing::set_config("limit", 9);
    testing::set_config("limits", serde_json::json!({ "burst": 3 }));
    assert_eq!(testing::get("/").send::<settings::Plugin>().text(), r#"Hi 9 -1.5 ["a", "b"] Some(3)"#);
    assert_eq!(testing::get("/one").send::<settings::Plugin>().text(), "Some(9)");
}

#[test]
fn says_in_the_log_which_setting_is_wrong() {
    assert_eq!(testing::get("/").send::<settings::Plugin>().status(), 500);
    testing::set_config("greeting", "Hi");
    testing::set_config("limit", 300);
    assert_eq!(testing::get("/").send::<settings::Plugin>().status(), 500);
    let messages: Vec<String> = testing::take_logs().into_iter().map(|line| line.message).collect();
    assert_eq!(messages[0], "setting `greeting` has no value");
    assert!(messages[1].starts_with("setting `limit` does not fit its field: invalid value: integer `300`"));
}
