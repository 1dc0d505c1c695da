//! Which handler a request reaches, and who may.

use std::panic::catch_unwind;

use backplane_sdk::{Context, Plugin, Principal, Request, testing};

#[backplane_sdk::plugin]
mod routes {
    use backplane_sdk::prelude::*;

    #[get("/", public)]
    fn root() -> &'static str {
        "root"
    }

    #[get("/things/{id}", public)]
    fn show(Path(id): Path<String>) -> String {
        format!("show {id}")
    }

    #[get("/things/new", public)]
    fn show_new() -> &'static str {
        "new"
    }

    #[delete("/things/{id}")]
    fn delete(Path(id): Path<String>) -> String {
        format!("delete {id}")
    }

    #[any("/things/{id}", public)]
    fn any_other(Method(method): Method) -> String {
        format!("any {method}")
    }

    #[put("/admin", roles("admin", "owner"), body_max = "4B")]
    fn admin(Text(text): Text) -> Text {
        Text(text)
    }
}

#[backplane_sdk::plugin]
mod named {
    //! Has handlers with the names that the dispatch uses itself. And its documentation inside.

    #![allow(clippy::panic, reason = "a panic is what a test is about")]

    use backplane_sdk::prelude::*;

    #[get("/request", public)]
    fn request() -> &'static str {
        "request"
    }

    #[get("/call/{id}", public)]
    fn call(Path(id): Path<String>) -> String {
        format!("call {id}")
    }

    #[get("/panic", public)]
    fn fall() -> &'static str {
        panic!("fell");
    }
}

#[track_caller]
fn check(method: &str, target: &str, status: u16, body: &str) {
    let response = testing::request(method, target).signed_in("ada", []).send::<routes::Plugin>();
    let text = if response.status() < 400 { response.text() } else { "" };
    assert_eq!((response.status(), text), (status, body), "{method} {target}");
}

#[test]
fn finds_the_handler() {
    check("GET", "/", 200, "root");
    check("GET", "/?x", 200, "root");
    check("GET", "/things/7", 200, "show 7");
    check("GET", "/things/new", 200, "new");
    check("HEAD", "/things/7", 200, "show 7");
    check("DELETE", "/things/7", 200, "delete 7");
    check("PURGE", "/things/7", 200, "any PURGE");
    check("POST", "/", 405, "");
    check("GET", "/things", 404, "");
    check("GET", "/things/7/x", 404, "");
    check("GET", "/things/", 404, "");
}

#[test]
fn calls_a_handler_whatever_its_name() {
    let get = |target: &str| testing::get(target).send::<named::Plugin>().text().to_owned();
    assert_eq!((get("/request"), get("/call/7")), ("request".to_owned(), "call 7".to_owned()));
}

#[test]
fn is_described_by_documentation_inside_of_the_module() {
    let description = r#""description":"Has handlers with the names that the dispatch uses itself.""#;
    assert!(named::Plugin::MANIFEST.contains(description), "{}", named::Plugin::MANIFEST);
}

#[test]
fn forgets_the_call_of_a_handler_that_panicked() {
    testing::set_caller(Principal::new("bob", []));
    let call = || testing::get("/panic").signed_in("ada", []).send::<named::Plugin>();
    assert!(catch_unwind(call).is_err());
    assert_eq!(Context.caller().map(|caller| caller.subject).as_deref(), Some("bob"));
    assert_eq!(Context.mount(), "");
}

#[test]
fn lets_in_whom_the_route_names() {
    let status = |request: testing::TestRequest| request.send::<routes::Plugin>().status();
    assert_eq!(status(testing::delete("/things/7")), 401);
    assert_eq!(status(testing::delete("/things/7").signed_in("ada", [])), 200);
    assert_eq!(status(testing::put("/admin").text("x")), 401);
    assert_eq!(status(testing::put("/admin").text("x").signed_in("ada", ["clerk"])), 403);
    assert_eq!(status(testing::put("/admin").text("x").signed_in("ada", ["owner"])), 200);
    assert_eq!(status(testing::put("/admin").text("12345").signed_in("ada", ["owner"])), 413);
}

#[test]
fn answers_a_route_that_it_does_not_have() {
    let request = Request {
        route: 99,
        method: "GET".into(),
        path: "/".into(),
        query: None,
        params: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    assert!(routes::Plugin::handle(request).is_err_and(|problem| problem.status() == 500));
}
