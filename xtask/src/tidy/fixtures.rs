//! Every fixture that attacks the host has a test of its name: a guest that nobody runs proves nothing.

use std::{ffi::OsStr, fs};

use super::{Finding, Tree};

const FOLDER: &str = "tests/guests";

/// Files in it that are no fixtures: the crate's own, and what compiles services for it.
const OTHERS: [&str; 2] = ["lib", "build"];

pub(super) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let tests: String =
        tree.sources.iter().filter(|(path, _)| path.starts_with("tests/it/")).map(|(_, text)| text.as_str()).collect();
    let mut findings = Vec::new();
    for entry in fs::read_dir(tree.root.join(FOLDER)).into_iter().flatten() {
        let file = entry?.path();
        let is_guest = matches!(file.extension().and_then(OsStr::to_str), Some("rs" | "wat"));
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if is_guest && !OTHERS.contains(&name.as_ref()) && !is_tested(&name, &tests) {
            findings.push(Finding::new(
                format!("{FOLDER}/{name}"),
                format!("has no test: write `fn {name}_...` in tests/it"),
            ));
        }
    }
    findings.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(findings)
}

/// Returns whether there is a test whose name starts with the fixture's.
fn is_tested(fixture: &str, tests: &str) -> bool {
    tests.contains(&format!("fn {fixture}(")) || tests.contains(&format!("fn {fixture}_"))
}

#[cfg(test)]
mod tests {
    use super::is_tested;

    #[test]
    fn a_test_starts_with_the_name_of_its_fixture() {
        assert!(is_tested("exit", "fn exit() {}") && is_tested("exit", "fn exit_ends_the_call() {}"));
        assert!(!is_tested("exit", "fn exits() {}"));
    }
}
