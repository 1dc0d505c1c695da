//! Answers with its version, which a test may change in the built component.
//!
//! The version stands in the manifest and in the data, with as many digits as any other that a test wants.

#[backplane_sdk::plugin(version = "7.7.100")]
mod versioned {
    use std::hint::black_box;

    /// Answers with the version.
    #[get("/", public)]
    fn show() -> String {
        // As data, and not as numbers in the code, so that it can be found there.
        format!("version {}", black_box("7.7.100"))
    }
}
