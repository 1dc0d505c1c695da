//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigProblem {
    /// Where: `backplane.toml: http.header_timeout`, `BACKPLANE_LISTEN` or `--listen`.
    pub place: String,
    /// What is wrong, and what to write.
    pub message: String,
}

/// A configuration that cannot be used; everything that is wrong with it, at once.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// At least one, in the order of the sections.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => write!(f, "the configuration has a problem\n  {problem}"),
            problems => {
                write!(f, "the configuration has {} problems", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
