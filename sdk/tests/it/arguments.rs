//! What each argument of a handler makes of a request, and how it refuses one.

use backplane_sdk::testing::{self, TestResponse};
use serde_json::{Value, json};

#[backplane_sdk::plugin]
mod arguments {
    use backplane_sdk::prelude::*;
    use backplane_sdk::{Call, Extract};
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, Serialize)]
    struct Line {
        order: u64,
        line: u16,
    }

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        Red,
        Green,
    }

    #[derive(Deserialize, Serialize)]
    struct Filter {
        text: String,
        limit: Option<u8>,
        color: Option<Color>,
        #[serde(default)]
        tag: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Lists {
        #[serde(default)]
        signed: Vec<i128>,
    }

    #[derive(Deserialize, Serialize)]
    struct Item {
        name: String,
        count: u8,
    }

    struct Tenant(String);

    impl Extract for Tenant {
        fn extract(call: &mut Call) -> Result<Self> {
            let tenant = call.header("x-tenant").ok_or_else(|| Problem::bad_request("no tenant"))?;
            Ok(Tenant(format!("{tenant} {} {}", call.method(), call.path())))
        }
    }

    #[get("/text/{value}", public)]
    fn path_text(Path(value): Path<String>) -> String {
        value
    }

    #[get("/number/{value}", public)]
    fn path_number(Path(value): Path<i8>) -> String {
        value.to_string()
    }

    #[get("/long/{value}", public)]
    fn path_long(Path(value): Path<u128>, Query(lists): Query<Lists>) -> String {
        format!("{value} {:?}", lists.signed)
    }

    #[get("/color/{value}", public)]
    fn path_enum(Path(color): Path<Color>) -> Json<Color> {
        Json(color)
    }

    #[get("/pair/{a}/{b}", public)]
    fn path_tuple(Path((a, b)): Path<(String, u8)>) -> String {
        format!("{a} {b}")
    }

    #[get("/orders/{order}/lines/{line}", public)]
    fn path_struct(Path(line): Path<Line>) -> Json<Line> {
        Json(line)
    }

    #[get("/files/{*rest}", public)]
    fn path_rest(Path(rest): Path<String>) -> String {
        rest
    }

    #[get("/query", public)]
    fn query(Query(filter): Query<Filter>) -> Json<Filter> {
        Json(filter)
    }

    #[get("/query-or-none", public)]
    fn query_or_none(filter: Option<Query<Filter>>) -> String {
        filter.map_or("none".into(), |Query(filter)| filter.text)
    }

    #[post("/json", public)]
    fn json(Json(item): Json<Item>) -> Json<Item> {
        Json(item)
    }

    #[post("/json-or-none", public)]
    fn json_or_none(item: Option<Json<Item>>) -> String {
        item.map_or("none".into(), |Json(item)| item.name)
    }

    #[post("/json-or-problem", public)]
    fn json_or_problem(item: Result<Json<Item>>) -> String {
        item.map_or_else(|problem| problem.code().to_owned(), |Json(item)| item.name)
    }

    #[post("/text", public)]
    fn text(Text(text): Text) -> String {
        text
    }

    #[post("/bytes", public)]
    fn bytes(Bytes(bytes): Bytes) -> Bytes {
        Bytes(bytes)
    }

    #[get("/header", public)]
    fn header(#[header("x-page")] page: u32, #[header("if-match")] tag: Option<String>) -> String {
        format!("{page} {tag:?}")
    }

    #[get("/header-lines", public)]
    fn header_lines(#[header("x-line")] lines: Vec<u8>, #[header("x-not-there")] none: Vec<u8>) -> String {
        format!("{lines:?} {none:?}")
    }

    #[get("/headers", public, headers("x-a", "x-b"))]
    fn headers(headers: Headers) -> String {
        format!("{:?}", headers.iter().collect::<Vec<_>>())
    }

    #[get("/tenant", public, headers("x-tenant"))]
    fn custom(tenant: Tenant) -> String {
        tenant.0
    }

    #[get("/caller", public)]
    fn caller(caller: Option<Principal>, context: Context) -> String {
        let same = caller == context.caller();
        format!("{same} {:?}", caller.map(|caller| (caller.has_role("clerk"), caller.subject)))
    }

    #[get("/principal", public)]
    fn principal(principal: Principal) -> String {
        principal.subject
    }

    #[get("/context", public)]
    fn context(context: Context) -> String {
        format!("{} {:?} {:?}", context.request_id(), context.remaining(), context.trace_parent())
    }
}

fn get(target: &str) -> TestResponse {
    testing::get(target).send::<arguments::Plugin>()
}

#[track_caller]
fn check(response: &TestResponse, body: &str) {
    assert_eq!((response.status(), response.text()), (200, body));
}

#[track_caller]
fn check_refusal(response: &TestResponse, status: u16, code: &str, says: &str) {
    let problem: Value = response.json();
    assert_eq!((response.status(), problem["code"].as_str()), (status, Some(code)), "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "{detail}");
}

#[test]
fn reads_the_path() {
    check(&get("/text/a%2Fb%20%C3%A9"), "a/b é");
    check(&get("/number/-7"), "-7");
    check(&get("/color/green"), "\"green\"");
    check(&get("/pair/x/2"), "x 2");
    check(&get("/orders/12/lines/3"), r#"{"order":12,"line":3}"#);
    check(&get("/files/a/b%20c"), "a/b c");
    check(&get("/files/"), "");
}

#[test]
fn refuses_a_path_that_does_not_fit() {
    check_refusal(&get("/number/300"), 400, "invalid_path", "`value`: number too large");
    check_refusal(&get("/color/blue"), 400, "invalid_path", "unknown variant `blue`");
    check_refusal(&get("/pair/x/y"), 400, "invalid_path", "`b`: invalid digit");
    check_refusal(&get("/orders/12/lines/x"), 400, "invalid_path", "`line`: invalid digit");
}

#[test]
fn reads_the_query() {
    check(
        &get("/query?tag=b&text=a+b%26&color=red&tag=a&limit=9&unknown=1"),
        r#"{"text":"a b&","limit":9,"color":"red","tag":["b","a"]}"#,
    );
    check(&get("/query?text="), r#"{"text":"","limit":null,"color":null,"tag":[]}"#);
    check(&get("/query-or-none"), "none");
    check(&get("/query-or-none?text=a"), "a");
}

#[test]
fn refuses_a_query_that_does_not_fit() {
    check_refusal(&get("/query"), 400, "invalid_query", "missing field `text`");
    check_refusal(&get("/query?text=a&text=b"), 400, "invalid_query", "`text`: given more than once");
    check_refusal(&get("/query?text=a&limit=256"), 400, "invalid_query", "`limit`: number too large");
    check_refusal(&get("/query?text=a&color=blue"), 400, "invalid_query", "unknown variant `blue`");
}

#[test]
fn reads_numbers_of_128_bits() {
    check(&get(&format!("/long/{}?signed={}", u128::MAX, i128::MIN)), &format!("{} [{}]", u128::MAX, i128::MIN));
    check_refusal(&get("/long/-1"), 400, "invalid_path", "`value`: invalid digit");
}

#[test]
fn reads_a_json_body() {
    let item = json!({ "name": "pen", "count": 2 });
    assert_eq!(testing::post("/json").json(&item).send::<arguments::Plugin>().json::<Value>(), item);
    check(&testing::post("/json-or-none").json(&item).send::<arguments::Plugin>(), "pen");
    check(&testing::post("/json-or-none").send::<arguments::Plugin>(), "none");
    check(&testing::post("/json-or-problem").text("x").send::<arguments::Plugin>(), "unsupported_media_type");
}

#[test]
fn refuses_a_body_that_is_not_the_json_it_wants() {
    let post =
        |content_type: &str, body: &str| testing::post("/json").body(content_type, body).send::<arguments::Plugin>();
    check_refusal(&post("text/plain", "{}"), 415, "unsupported_media_type", "application/json");
    check_refusal(&post("application/json", "{\"name\":}"), 400, "invalid_json", "line 1 column 9");
    check_refusal(&post("application/json", ""), 400, "invalid_json", "EOF");
    check_refusal(&post("application/json", "{}"), 422, "invalid_body", "missing field `name`");
    check_refusal(&post("application/json", r#"{"name":"a","count":-1}"#), 422, "invalid_body", "`-1`");
    check_refusal(&post("application/json", &"[".repeat(200)), 422, "invalid_body", "invalid type");
    check_refusal(&testing::post("/json").send::<arguments::Plugin>(), 415, "unsupported_media_type", "json");
}

#[test]
fn reads_text_and_bytes() {
    check(&testing::post("/text").text("é").send::<arguments::Plugin>(), "é");
    let bytes = testing::post("/bytes").body("image/png", [0, 159, 255]).send::<arguments::Plugin>();
    assert_eq!(bytes.bytes(), [0, 159, 255]);
    let broken = testing::post("/text").body("text/plain", [0xff]).send::<arguments::Plugin>();
    check_refusal(&broken, 400, "invalid_text", "not UTF-8");
    let other = testing::post("/text").body("image/png", "x").send::<arguments::Plugin>();
    check_refusal(&other, 415, "unsupported_media_type", "text/plain");
}

#[test]
fn reads_headers() {
    let paged = |page: &str| testing::get("/header").header("X-Page", page).send::<arguments::Plugin>();
    check(&paged("3"), "3 None");
    let tagged = testing::get("/header").header("x-page", "3").header("if-match", "\"a\"");
    check(&tagged.send::<arguments::Plugin>(), r#"3 Some("\"a\"")"#);
    check_refusal(&paged("x"), 400, "invalid_header", "`x-page`: invalid digit");
    check_refusal(&get("/header"), 400, "invalid_header", "`x-page`: missing");
    let lines = testing::get("/header-lines").header("x-line", "1").header("x-line", "2");
    check(&lines.send::<arguments::Plugin>(), "[1, 2] []");
}

#[test]
fn hands_over_only_the_headers_that_the_route_asks_for() {
    let request = testing::get("/headers").header("x-b", "2").header("x-c", "3").header("x-a", "1");
    check(&request.send::<arguments::Plugin>(), r#"[("x-b", "2"), ("x-a", "1")]"#);
}

#[test]
fn lets_a_type_read_itself_from_the_call() {
    check(&testing::get("/tenant").header("x-tenant", "acme").send::<arguments::Plugin>(), "acme GET /tenant");
    check_refusal(&get("/tenant"), 400, "bad_request", "no tenant");
}

#[test]
fn knows_the_caller() {
    check(&get("/caller"), "true None");
    let signed_in = testing::get("/caller").signed_in("ada", ["clerk"]).send::<arguments::Plugin>();
    check(&signed_in, r#"true Some((true, "ada"))"#);
    check_refusal(&get("/principal"), 401, "unauthenticated", "signed-in");
}

#[test]
fn knows_the_call() {
    testing::set_request_id("r1");
    testing::set_remaining(std::time::Duration::from_millis(250));
    testing::set_trace_parent("00-ab-cd-01");
    check(&get("/context"), r#"r1 250ms Some("00-ab-cd-01")"#);
}
