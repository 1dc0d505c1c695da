//! What each result of a handler becomes.

use backplane_sdk::Context;
use backplane_sdk::testing::{self, TestResponse};

#[backplane_sdk::plugin]
mod responses {
    use backplane_sdk::Response;
    use backplane_sdk::prelude::*;

    #[get("/json", public)]
    fn json() -> Json<[u8; 2]> {
        Json([1, 2])
    }

    #[get("/created", public)]
    fn created() -> Created<&'static str> {
        Created::new("a").at("/created/1")
    }

    #[get("/created-here", public)]
    fn created_here() -> Created<&'static str> {
        Created::new("a").at(Context.url("/created/1"))
    }

    #[get("/created-somewhere", public)]
    fn created_somewhere() -> Created<&'static str> {
        Created::new("a")
    }

    #[get("/text", public)]
    fn text() -> Text {
        Text("é".into())
    }

    #[get("/str", public)]
    fn str() -> &'static str {
        "str"
    }

    #[get("/html", public)]
    fn html() -> Html {
        Html("<p>".into())
    }

    #[get("/bytes", public)]
    fn bytes() -> Bytes {
        Bytes(vec![0, 255])
    }

    #[get("/no-content", public)]
    fn no_content() -> Result<NoContent> {
        Ok(NoContent)
    }

    #[get("/redirect/{kind}", public)]
    fn redirect(Path(kind): Path<String>) -> Result<Redirect> {
        match kind.as_str() {
            "see-other" => Ok(Redirect::see_other("/a")),
            "temporary" => Ok(Redirect::temporary("/b")),
            _ => Ok(Redirect::permanent("/c")),
        }
    }

    #[get("/status", public)]
    fn status() -> (Status, Text) {
        (Status::new(418), Text("teapot".into()))
    }

    #[get("/headers", public)]
    fn headers() -> (Headers, Text) {
        (Headers::from([("Content-Type", "text/csv"), ("link", "a"), ("link", "b")]), Text("x,y".into()))
    }

    #[get("/both", public)]
    fn both() -> Result<(Status, Headers, Json<u8>)> {
        Ok((Status::ACCEPTED, Headers::new().with("etag", "\"1\""), Json(1)))
    }

    #[get("/unnamed", public)]
    fn unnamed() -> impl IntoResponse {
        Text("unnamed".into())
    }

    #[get("/unnamed-inside", public)]
    fn unnamed_inside() -> Result<(Status, impl IntoResponse)> {
        Ok((Status::ACCEPTED, Json(1)))
    }

    #[get("/raw", public)]
    fn raw() -> Response {
        Response { status: 299, headers: Vec::new(), body: b"raw".to_vec() }
    }
}

fn get(target: &str) -> TestResponse {
    testing::get(target).send::<responses::Plugin>()
}

#[track_caller]
fn check(target: &str, status: u16, content_type: Option<&str>, body: &[u8]) {
    let response = get(target);
    assert_eq!((response.status(), response.header("content-type"), response.bytes()), (status, content_type, body));
}

#[test]
fn sets_status_and_content_type() {
    check("/json", 200, Some("application/json"), b"[1,2]");
    check("/created", 201, Some("application/json"), b"\"a\"");
    check("/text", 200, Some("text/plain; charset=utf-8"), "é".as_bytes());
    check("/str", 200, Some("text/plain; charset=utf-8"), b"str");
    check("/html", 200, Some("text/html; charset=utf-8"), b"<p>");
    check("/bytes", 200, Some("application/octet-stream"), &[0, 255]);
    check("/no-content", 204, None, b"");
    check("/status", 418, Some("text/plain; charset=utf-8"), b"teapot");
    check("/headers", 200, Some("text/csv"), b"x,y");
    check("/both", 202, Some("application/json"), b"1");
    check("/unnamed", 200, Some("text/plain; charset=utf-8"), b"unnamed");
    check("/unnamed-inside", 202, Some("application/json"), b"1");
    check("/raw", 299, None, b"raw");
}

#[test]
fn says_where_something_new_is() {
    assert_eq!(get("/created").header("location"), Some("/created/1"));
    assert_eq!(get("/created-somewhere").header("location"), None);
}

#[test]
fn redirects() {
    for (kind, status, location) in [("see-other", 303, "/a"), ("temporary", 307, "/b"), ("permanent", 308, "/c")] {
        let response = get(&format!("/redirect/{kind}"));
        assert_eq!((response.status(), response.header("location")), (status, Some(location)));
    }
}

#[test]
fn adds_headers() {
    assert_eq!(get("/both").header("etag"), Some("\"1\""));
    assert_eq!(get("/headers").header("link"), Some("a"));
}

#[test]
fn names_its_own_paths_wherever_it_is_mounted() {
    #[track_caller]
    fn check(mount: &str, path: &str, expected: &str) {
        testing::set_mount(mount);
        assert_eq!((Context.mount().as_str(), Context.url(path).as_str()), (mount, expected));
    }
    check("/shop/orders", "/7", "/shop/orders/7");
    check("/shop/orders", "7?full=true", "/shop/orders/7?full=true");
    check("/shop/orders", "/", "/shop/orders");
    check("/shop/orders", "", "/shop/orders");
    check("", "/7", "/7");
    check("", "/", "/");
    check("", "//evil.example", "/evil.example");
    check("", "/\\evil.example", "/evil.example");
}

#[test]
fn is_mounted_under_its_name_unless_a_test_says_otherwise() {
    assert_eq!(get("/created-here").header("location"), Some("/responses/created/1"));
    testing::set_mount("/elsewhere");
    assert_eq!(get("/created-here").header("location"), Some("/elsewhere/created/1"));
}
