//! The smallest plugin: one route, one argument, one JSON response.
//!
//! Every call gets a fresh instance, so nothing that one caller does can reach the next. `hello-reused` is the same
//! plugin without that promise; side by side they show what it costs.

#![forbid(unsafe_code)]

#[backplane_sdk::plugin]
mod hello {
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
    use super::hello;
    use backplane_sdk::testing;

    #[test]
    fn greets_by_name() {
        let response = testing::get("/Ada").send::<hello::Plugin>();
        assert_eq!((response.status(), response.text()), (200, r#"{"hello":"Ada"}"#));
    }

    #[test]
    fn greets_in_any_script() {
        let response = testing::get("/%E4%B8%96%E7%95%8C").send::<hello::Plugin>();
        assert_eq!(response.text(), r#"{"hello":"世界"}"#);
    }

    #[test]
    fn has_no_other_path() {
        assert_eq!(testing::get("/").send::<hello::Plugin>().status(), 404);
        assert_eq!(testing::get("/Ada/Grace").send::<hello::Plugin>().status(), 404);
    }
}
