//! `hello` in an instance that answers many calls, one after another.
//!
//! The only difference is `instance = "reused"`: faster, and a plugin that keeps something in a `static` finds it
//! again in the next caller's request. This one keeps nothing.

#![forbid(unsafe_code)]

#[backplane_sdk::plugin(instance = "reused")]
mod hello_reused {
    use backplane_sdk::prelude::*;
    use serde::Serialize;

    /// A greeting.
    #[derive(Serialize)]
    struct Greeting {
        /// Who is greeted.
        hello: String,
    }

    /// Greets somebody by name.
    #[get("/{name}", public)]
    fn greet(Path(name): Path<String>) -> Json<Greeting> {
        Json(Greeting { hello: name })
    }
}

#[cfg(test)]
mod tests {
    use super::hello_reused;
    use backplane_sdk::{Plugin, testing};

    #[test]
    fn greets_by_name() {
        let response = testing::get("/Ada").send::<hello_reused::Plugin>();
        assert_eq!((response.status(), response.text()), (200, r#"{"hello":"Ada"}"#));
    }

    #[test]
    fn asks_for_a_reused_instance() {
        assert!(hello_reused::Plugin::MANIFEST.contains(r#""name":"hello-reused""#));
        assert!(hello_reused::Plugin::MANIFEST.contains(r#""instance":"reused""#));
    }
}
