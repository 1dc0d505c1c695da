//! Rules for every source file: how it starts, how long it is, what it must not hold.

use super::{Finding, Tree};

/// Longest source file. What is longer is more than one idea.
const LINES_MAX: usize = 600;

/// Words that must not stand in a source file, each with the reason. They are written in two halves, so that this
/// file follows its own rule.
const BANNED: &[(&str, &str, &str)] = &[
    ("todo", "!(", "work that is left belongs in the tracker, and code that is here works"),
    ("dbg", "!(", "what a developer printed once is noise for everybody else"),
    ("#[ign", "ore", "a test that does not run proves nothing: fix it or remove it"),
    ("// TO", "DO", "work that is left belongs in the tracker"),
];

pub(super) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    Ok(tree.sources.iter().flat_map(|(path, text)| check_file(path, text)).collect())
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A case of a compile-fail test stands beside the message that it expects, line by line.
    let is_case = path.contains("/tests/ui/");
    if !is_case && !text.starts_with("//! ") {
        findings.push("must start with `//!` and one sentence that says what the file is for".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("has {lines} lines, more than {LINES_MAX}: split it, a file is one idea"));
    }
    if path.ends_with("/mod.rs") {
        findings
            .push("must be named after its module, `foo.rs` beside `foo/`: twenty open `mod.rs` are one".to_owned());
    }
    for (number, line) in text.lines().enumerate() {
        for (start, end, reason) in BANNED {
            if line.contains(&format!("{start}{end}")) {
                findings.push(format!("line {} holds `{start}{end}`: {reason}", number + 1));
            }
        }
    }
    findings.into_iter().map(|message| Finding::new(path, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_counts(path: &str, text: &str, expected: usize) {
        let findings = check_file(path, text);
        assert_eq!(findings.len(), expected, "{findings:?}");
    }

    #[test]
    fn finds_each_broken_rule() {
        check_counts("a.rs", "//! Does a thing.\n", 0);
        check_counts("a.rs", "fn a() {}\n", 1);
        check_counts("a/mod.rs", "//! Does a thing.\n", 1);
        check_counts("a.rs", &format!("//! Long.\n{}", "\n".repeat(LINES_MAX)), 1);
        let banned: String = BANNED.iter().map(|(start, end, _)| format!("{start}{end}\n")).collect();
        check_counts("a.rs", &format!("//! Bad.\n{banned}"), BANNED.len());
    }
}
