//! A handler is a function, not a method.

#[backplane_sdk::plugin]
mod receivers {
    use backplane_sdk::prelude::*;

    #[get("/")]
    fn method(&self) -> &'static str {
        ""
    }
}

fn main() {}
