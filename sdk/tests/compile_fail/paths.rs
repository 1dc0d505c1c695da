//! Paths that no host could match.

#[backplane_sdk::plugin]
mod paths {
    use backplane_sdk::prelude::*;

    #[get]
    fn without_path() -> &'static str {
        ""
    }

    #[get(public)]
    fn without_path_but_options() -> &'static str {
        ""
    }

    #[get("orders")]
    fn without_slash() -> &'static str {
        ""
    }

    #[get("/orders/{id")]
    fn without_brace() -> &'static str {
        ""
    }

    #[get("/orders/:id")]
    fn with_colon() -> &'static str {
        ""
    }

    #[get("/orders/{}")]
    fn without_name() -> &'static str {
        ""
    }

    #[get("/{id}/lines/{id}")]
    fn with_one_name_twice() -> &'static str {
        ""
    }

    #[get("/{*rest}/more")]
    fn with_wildcard_inside() -> &'static str {
        ""
    }

    #[get("/a//b")]
    fn with_empty_segment() -> &'static str {
        ""
    }

    #[get("/a?b=1")]
    fn with_query() -> &'static str {
        ""
    }

    #[get("/items/{id}")]
    fn show() -> &'static str {
        ""
    }

    #[get("/items/{name}")]
    fn show_again() -> &'static str {
        ""
    }

    #[post("/items/{name}")]
    fn another_method_is_fine() -> &'static str {
        ""
    }
}

fn main() {}
