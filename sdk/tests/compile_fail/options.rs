//! Options of a route that mean nothing.

#[backplane_sdk::plugin]
mod options {
    use backplane_sdk::prelude::*;

    #[get("/1", role("clerk"))]
    fn unknown() -> &'static str {
        ""
    }

    #[get("/2", public, roles("clerk"))]
    fn two_accesses() -> &'static str {
        ""
    }

    #[get("/3", public, public)]
    fn twice() -> &'static str {
        ""
    }

    #[get("/4", roles = "clerk")]
    fn not_a_list() -> &'static str {
        ""
    }

    #[get("/5", roles())]
    fn empty_list() -> &'static str {
        ""
    }

    #[get("/6", public = true)]
    fn not_a_flag() -> &'static str {
        ""
    }

    #[get("/7", transaction = "readonly")]
    fn wrong_choice() -> &'static str {
        ""
    }

    #[post("/8", body_max = 65536)]
    fn size_without_unit() -> &'static str {
        ""
    }

    #[post("/9", timeout = "2h")]
    fn unknown_unit() -> &'static str {
        ""
    }

    #[get("/10", headers("Authorization"))]
    fn forbidden_header() -> &'static str {
        ""
    }

    #[get("/11", headers("If-Match"))]
    fn header_in_capitals() -> &'static str {
        ""
    }

    #[get("/12")]
    fn forbidden_header_argument(#[header("cookie")] cookie: String) -> String {
        cookie
    }

    #[get("/13")]
    fn header_without_name(#[header] tag: String) -> String {
        tag
    }

    #[get("/14")]
    #[post("/14")]
    fn two_routes() -> &'static str {
        ""
    }
}

fn main() {}
