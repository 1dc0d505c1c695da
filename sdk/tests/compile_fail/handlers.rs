//! Functions that cannot be handlers.

#[backplane_sdk::plugin]
mod handlers {
    use backplane_sdk::prelude::*;

    #[get("/1")]
    async fn waits() -> &'static str {
        ""
    }

    #[get("/2")]
    fn generic<T: std::str::FromStr>(Path(value): Path<T>) -> &'static str {
        ""
    }

    #[get("/3")]
    fn generic_in_disguise(value: impl ToString) -> String {
        value.to_string()
    }

    #[get("/5")]
    fn returns_nothing() {}

    #[cfg(unix)]
    #[get("/6")]
    fn conditional() -> &'static str {
        ""
    }

    #[get("/7")]
    unsafe fn dangerous() -> &'static str {
        ""
    }

    #[get("/8")]
    struct NotAFunction;

    #[init]
    fn start_with_something(name: String) -> Result<()> {
        Ok(())
    }

    #[init]
    fn start_without_result() {}

    #[init]
    fn start() -> Result<()> {
        Ok(())
    }

    #[init]
    fn start_again() -> Result<()> {
        Ok(())
    }
}

fn main() {}
