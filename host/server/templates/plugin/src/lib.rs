//! The plugin `{{name}}`.
//!
//! Every function with a route attribute answers requests below `/{{name}}`. `public` lets anybody call; a route that says
//! nothing needs a signed-in caller, and `roles("...")` and `scopes("...")` ask for more. `#[on("orders.*")]` handles events,
//! `#[every("5m")]` runs by the clock.

#![forbid(unsafe_code)]

#[backplane_sdk::plugin]
mod {{module}} {
    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A greeting.
    #[derive(Serialize)]
    struct Greeting {
        hello: String,
    }

    /// What is added up.
    #[derive(Deserialize)]
    struct Numbers {
        numbers: Vec<f64>,
    }

    /// What it adds up to.
    #[derive(Serialize)]
    struct Sum {
        sum: f64,
    }

    /// Greets somebody by name.
    #[get("/{name}", public)]
    fn greet(Path(name): Path<String>) -> Json<Greeting> {
        Json(Greeting { hello: name })
    }

    /// Says who calls.
    #[get("/")]
    fn show_caller(caller: Principal) -> String {
        format!("You are {}.", caller.subject)
    }

    /// Adds numbers up.
    #[post("/", public)]
    fn add(Json(input): Json<Numbers>) -> Result<Json<Sum>> {
        if input.numbers.is_empty() {
            return Err(Problem::unprocessable("send at least one number"));
        }
        Ok(Json(Sum { sum: input.numbers.iter().sum() }))
    }
}

#[cfg(test)]
mod tests {
    use super::{{module}}::Plugin;
    use backplane_sdk::testing;

    #[test]
    fn greets_by_name() {
        let response = testing::get("/Ada").send::<Plugin>();
        assert_eq!((response.status(), response.text()), (200, r#"{"hello":"Ada"}"#));
    }

    #[test]
    fn knows_who_calls() {
        assert_eq!(testing::get("/").send::<Plugin>().status(), 401);
        assert_eq!(testing::get("/").signed_in("ada", []).send::<Plugin>().text(), "You are ada.");
    }

    #[test]
    fn adds_numbers_up() {
        let request = testing::post("/").body("application/json", r#"{"numbers":[1,2.5]}"#);
        assert_eq!(request.send::<Plugin>().text(), r#"{"sum":3.5}"#);
    }

    #[test]
    fn refuses_to_add_nothing() {
        let request = testing::post("/").body("application/json", r#"{"numbers":[]}"#);
        assert_eq!(request.send::<Plugin>().status(), 422);
    }
}
