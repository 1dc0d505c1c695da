//! Fails as it is told, by answering with a problem.

#[backplane_sdk::plugin]
mod problems {
    use backplane_sdk::prelude::*;

    /// Answers with a problem of that status and code.
    #[get("/{status}/{code}", public)]
    fn fail(Path((status, code)): Path<(u16, String)>) -> Problem {
        Problem::new(status, code, "as you wish")
    }

    /// Answers with a message that is far too long.
    #[get("/long", public)]
    fn fail_at_length() -> Problem {
        Problem::new(400, "long", "é".repeat(4096))
    }

    /// Answers with a problem whose source is for the operator only.
    #[get("/source", public)]
    fn fail_with_source() -> Result<String> {
        Ok("not a number".parse::<u32>()?.to_string())
    }
}
