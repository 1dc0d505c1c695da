//! The manifest that a module becomes, to the letter: it is a contract with every host.

use backplane_sdk::Plugin;

/// Sells things. Everything after the first sentence is for the source's readers.
#[backplane_sdk::plugin(
    version = "1.2.3",
    instance = "reused",
    memory = "64MiB",
    response = "8MiB",
    concurrency = 16,
    timeout = "5s",
    cpu = "500ms"
)]
mod web_shop {
    use backplane_sdk::prelude::*;

    #[config]
    #[expect(dead_code, reason = "only the declaration matters here")]
    struct Settings {
        /// Who answers for the shop.
        owner: String,
        #[default(true)]
        open: bool,
        #[default(2.5)]
        rate: f32,
        r#type: Option<Vec<String>>,
    }

    /// Returns one order,
    /// with its lines. Slow.
    #[get("/{id}", roles("clerk", "admin"), timeout = "2s")]
    fn show_order(Path(id): Path<String>, #[header("if-none-match")] _tag: Option<String>) -> String {
        id
    }

    #[post("/", scopes("orders:write"), transaction = "none", body_max = "64KiB", headers("if-match", "content-type"))]
    fn create_order(#[header("if-match")] _tag: Option<String>) -> NoContent {
        NoContent
    }

    #[delete("/{id}", scopes("orders:write", "shop"), roles("admin"))]
    fn delete_order(Path(id): Path<String>) -> String {
        id
    }

    #[options("/", public)]
    fn list_options() -> NoContent {
        NoContent
    }
}

#[backplane_sdk::plugin(name = "x1", description = "Says \"hi\".")]
mod tiny {
    #[backplane_sdk::head("/", signed_in)]
    fn check() -> &'static str {
        ""
    }
}

#[backplane_sdk::plugin(version = "0.1.0", description = "Runs by itself.", publishes("stock.low", "orders.*"))]
mod back_office {
    use backplane_sdk::prelude::*;

    #[on("payments.settled", attempts = 8)]
    fn mark_paid(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("*")]
    fn note(event: Event<Bytes>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[every("90s")]
    fn count_stock() -> Result<()> {
        Ok(())
    }

    #[cron("0 20 * * MON-SAT", zone = "Europe/Berlin", missed = "once")]
    fn close_day(run: Run) -> Result<()> {
        let _ = run;
        Ok(())
    }

    #[cron("@daily", missed = "skip")]
    fn tidy() -> Result<()> {
        Ok(())
    }
}

#[test]
fn holds_what_no_request_calls() {
    let expected = concat!(
        r#"{"api":"1.0","name":"back-office","version":"0.1.0","description":"Runs by itself.","instance":"fresh","#,
        r#""routes":[],"publishes":["stock.low","orders.*"],"#,
        r#""subscriptions":[{"pattern":"payments.settled","handler":"mark_paid","attempts":8},"#,
        r#"{"pattern":"*","handler":"note"}],"#,
        r#""schedules":[{"handler":"count_stock","every_ms":90000},"#,
        r#"{"handler":"close_day","cron":"0 20 * * MON-SAT","zone":"Europe/Berlin","missed":"once"},"#,
        r#"{"handler":"tidy","cron":"@daily","missed":"skip"}]}"#,
    );
    assert_eq!(back_office::Plugin::MANIFEST, expected);
}

#[test]
fn holds_everything_that_the_module_declares() {
    let expected = concat!(
        r#"{"api":"1.0","name":"web-shop","version":"1.2.3","description":"Sells things.","instance":"reused","#,
        r#""limits":{"memory_bytes_max":67108864,"response_bytes_max":8388608,"concurrency_max":16,"#,
        r#""timeout_ms":5000,"cpu_ms":500},"#,
        r#""routes":[{"method":"GET","path":"/{id}","handler":"show_order","summary":"Returns one order, with its lines.","#,
        r#""access":{"roles":["clerk","admin"]},"headers":["if-none-match"],"timeout_ms":2000},"#,
        r#"{"method":"POST","path":"/","handler":"create_order","access":{"scopes":["orders:write"]},"transaction":"none","#,
        r#""headers":["if-match"],"body_bytes_max":65536},"#,
        r#"{"method":"DELETE","path":"/{id}","handler":"delete_order","#,
        r#""access":{"roles":["admin"],"scopes":["orders:write","shop"]}},"#,
        r#"{"method":"OPTIONS","path":"/","handler":"list_options","access":"public"}],"#,
        r#""config":[{"key":"owner","type":"string","required":true,"description":"Who answers for the shop."},"#,
        r#"{"key":"open","type":"boolean","default":true},{"key":"rate","type":"number","default":2.5},"#,
        r#"{"key":"type","type":"array"}]}"#,
    );
    assert_eq!(web_shop::Plugin::MANIFEST, expected);
}

#[test]
fn says_no_more_than_it_must() {
    let expected = concat!(
        r#"{"api":"1.0","name":"x1","version":"0.1.0","description":"Says \"hi\".","instance":"fresh","#,
        r#""routes":[{"method":"HEAD","path":"/","handler":"check","access":"signed-in"}]}"#,
    );
    assert_eq!(tiny::Plugin::MANIFEST, expected);
}
