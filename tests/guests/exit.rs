//! Ends its process, of which there is none.

#[backplane_sdk::plugin]
mod exit {
    use backplane_sdk::prelude::*;

    /// Exits with a status.
    #[get("/with/{status}", public)]
    fn exit_with(Path(status): Path<i32>) -> NoContent {
        std::process::exit(status)
    }

    /// Aborts.
    #[get("/abort", public)]
    fn abort() -> NoContent {
        std::process::abort()
    }
}
