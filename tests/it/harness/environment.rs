//! What whoever starts the tests says about them.

use std::env;

/// Returns whether the tests run for everybody, and not for one author.
#[expect(clippy::disallowed_methods, reason = "whether this is CI is a fact about the tests, and no setting")]
pub(super) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// Returns how often a test repeats what it does: `usual`, unless the environment variable says otherwise.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "how thorough a run is, is for who starts it to say")]
pub(crate) fn repeats(variable: &str, usual: usize) -> usize {
    match env::var(variable) {
        Ok(value) => value.parse().unwrap_or_else(|error| panic!("{variable} is {value:?}: {error}")),
        Err(_) => usual,
    }
}
