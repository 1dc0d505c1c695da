//! The version of an order as a strong entity tag, and the condition that a client puts on it (RFC 9110 §8.8.3, §13.1.1).
//!
//! A client that changes an order says which version it has seen. So of two that change the same version, one is told.

use backplane_sdk::respond::Headers;
use backplane_sdk::{Problem, Result};

/// Makes the `etag` header of a version.
pub(crate) fn header(version: u64) -> Headers {
    Headers::from([("etag", tag(version))])
}

/// Checks the lines of `if-match` against the version that is there: 428 without any (RFC 6585 §3), 412 when none is it.
pub(crate) fn require_match(lines: &[String], version: u64) -> Result<()> {
    if lines.is_empty() {
        let message = "say which version you have seen: send its `etag` as `if-match`";
        return Err(Problem::new(428, "precondition_required", message));
    }
    let current = tag(version);
    // Our tags hold no comma, so that pieces of a foreign tag with one are never taken for ours. A weak tag, `W/"1"`,
    // never matches.
    let mut tags = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    if tags.any(|tag| tag == "*" || tag == current) {
        return Ok(());
    }
    Err(Problem::new(412, "precondition_failed", "the order has changed since: read it again"))
}

fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::require_match;

    #[track_caller]
    fn check(lines: &[&str], status: Option<u16>) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(require_match(&lines, 7).err().map(|problem| problem.status()), status);
    }

    #[test]
    fn matches_the_version_that_is_there() {
        check(&["\"7\""], None);
        check(&["\"6\" , \"7\""], None);
        check(&["\"6\"", "\"7\""], None);
        check(&["*"], None);
    }

    #[test]
    fn refuses_every_other() {
        check(&[], Some(428));
        for line in ["", "7", "\"6\"", "W/\"7\"", "\"77\"", "\"a,7\""] {
            check(&[line], Some(412));
        }
    }
}
