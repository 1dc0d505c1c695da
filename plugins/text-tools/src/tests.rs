//! The routes, called as the host calls them.

use backplane_sdk::testing::{self, TestRequest, TestResponse};
use serde_json::{Value, json};

use crate::text_tools::Plugin;

#[track_caller]
fn check(request: TestRequest, content_type: &str, body: &str) {
    let response = request.send::<Plugin>();
    assert_eq!((response.status(), response.text()), (200, body));
    assert_eq!(response.header("content-type"), Some(content_type));
}

fn code(response: &TestResponse) -> (u16, String) {
    let problem: Value = response.json();
    (response.status(), problem.get("code").and_then(Value::as_str).unwrap_or_default().to_owned())
}

#[test]
fn counts_a_text() {
    let counts = r#"{"lines":2,"words":3,"chars":14,"bytes":14}"#;
    check(testing::post("/count").text("one two\nthree\n"), "application/json", counts);
}

#[test]
fn compares_two_texts() {
    let versions = json!({ "old": "a\nb\nc\n", "new": "a\nB\nc\n" });
    let diff = "--- old\n+++ new\n@@ -2 +2 @@\n-b\n+B\n";
    check(testing::post("/diff?context=0").json(&versions), "text/x-diff; charset=utf-8", diff);
    let equal = json!({ "old": "a", "new": "a" });
    check(testing::post("/diff").json(&equal), "text/x-diff; charset=utf-8", "");
}

#[test]
fn renders_markdown() {
    let markdown = testing::post("/markdown").body("text/markdown", "# Hi <b>");
    check(markdown, "text/html; charset=utf-8", "<h1>Hi &lt;b&gt;</h1>\n");
}

#[test]
fn makes_slugs() {
    check(testing::post("/slug").text("Hello, World!"), "application/json", r#"{"slug":"hello-world"}"#);
}

#[test]
fn refuses_what_it_cannot_use() {
    let too_long = testing::post("/slug").text("a".repeat(5_000)).send::<Plugin>();
    assert_eq!(too_long.status(), 413);
    let nothing = testing::post("/slug").text("?!").send::<Plugin>();
    assert_eq!(code(&nothing), (422, "empty_slug".into()));
    let wide = testing::post("/diff?context=101").json(&json!({ "old": "", "new": "" })).send::<Plugin>();
    assert_eq!(code(&wide), (422, "unprocessable".into()));
    let unknown = testing::post("/diff").json(&json!({ "old": "", "new": "", "newer": "" })).send::<Plugin>();
    assert_eq!(code(&unknown), (422, "invalid_body".into()));
    let other = testing::post("/count").body("application/pdf", "x").send::<Plugin>();
    assert_eq!(code(&other), (415, "unsupported_media_type".into()));
}
