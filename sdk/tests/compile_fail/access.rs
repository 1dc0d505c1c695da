//! Routes that say two things about who may call, or ask for what nobody can hold.

#[backplane_sdk::plugin]
mod access {
    use backplane_sdk::prelude::*;

    #[get("/1", public, scopes("orders:read"))]
    fn public_with_scopes() -> &'static str {
        ""
    }

    #[get("/2", roles("clerk"), public)]
    fn roles_with_public() -> &'static str {
        ""
    }

    #[get("/3", public, signed_in)]
    fn public_and_signed_in() -> &'static str {
        ""
    }

    #[get("/4", signed_in, scopes("orders:read"))]
    fn signed_in_with_scopes() -> &'static str {
        ""
    }

    #[get("/5", scopes("orders:read"), scopes("orders:write"))]
    fn scopes_twice() -> &'static str {
        ""
    }

    #[get("/6", scopes())]
    fn no_scope() -> &'static str {
        ""
    }

    #[get("/7", scopes = "orders:read")]
    fn not_a_list() -> &'static str {
        ""
    }

    #[get("/8", scopes("orders:read orders:write"))]
    fn two_scopes_in_one_text() -> &'static str {
        ""
    }

    #[get("/9", roles("clerk", ""))]
    fn empty_role() -> &'static str {
        ""
    }

    #[get("/10", roles("Käufer"))]
    fn role_that_is_not_ascii() -> &'static str {
        ""
    }

    #[get("/11", scopes("0123456789-123456789-123456789-123456789-123456789-123456789-1234"))]
    fn scope_that_is_too_long() -> &'static str {
        ""
    }

    #[get("/12", roles("clerk", "admin", "clerk"))]
    fn role_twice() -> &'static str {
        ""
    }

    #[get("/13", roles(clerk))]
    fn role_without_quotes() -> &'static str {
        ""
    }
}

fn main() {}
