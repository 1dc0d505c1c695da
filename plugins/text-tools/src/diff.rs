//! The difference of two texts as a unified diff.
//!
//! `similar` could do all of this by itself, by one of six algorithms chosen at run time; naming one makes the plugin
//! half as large, and so quicker to load.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, group_diff_ops};

/// Wall time after which the difference gets coarser instead of later. The search for the shortest one is quadratic
/// at worst, so a size limit alone would not bound it.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(200);

/// Compares line by line, with so many unchanged lines around each change. Equal texts have an empty difference.
pub(crate) fn unified(old: &str, new: &str, context_lines: usize) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut diff = String::new();
    for hunk in group_diff_ops(changes(&old, &new), context_lines) {
        if diff.is_empty() {
            diff.push_str("--- old\n+++ new\n");
        }
        write_hunk(&mut diff, &hunk, &old, &new).expect("writing to a `String` cannot fail");
    }
    diff
}

#[expect(clippy::disallowed_methods, reason = "a guest has no other clock, and this one decides how hard to search")]
fn changes(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let deadline = Instant::now().checked_add(SEARCH_TIME_MAX);
    let mut captured = Compact::new(Replace::new(Capture::new()), old, new);
    match myers::diff_deadline(&mut captured, old, 0..old.len(), new, 0..new.len(), deadline) {
        Ok(()) => captured.into_inner().into_inner().into_ops(),
        Err(never) => match never {},
    }
}

fn write_hunk(diff: &mut String, hunk: &[DiffOp], old: &[&str], new: &[&str]) -> fmt::Result {
    writeln!(diff, "{}", UnifiedHunkHeader::new(hunk))?;
    for change in hunk.iter().flat_map(|op| op.iter_changes(old, new)) {
        let line = change.value();
        write!(diff, "{}{line}", change.tag())?;
        if !line.ends_with('\n') {
            diff.push_str("\n\\ No newline at end of file\n");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::time::Instant;

    use super::{SEARCH_TIME_MAX, unified};

    #[test]
    fn shows_what_changed() {
        let diff = unified("a\nb\nc\n", "a\nB\nc\n", 1);
        assert_eq!(diff, "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    }

    #[test]
    fn is_empty_for_equal_texts() {
        assert_eq!(unified("a\n", "a\n", 3), "");
        assert_eq!(unified("", "", 3), "");
    }

    #[test]
    fn makes_a_hunk_for_each_place() {
        let old: String = (0..40).map(|line| format!("{line}\n")).collect();
        let new = old.replace("5\n", "five\n").replace("20\n", "");
        let headers: Vec<_> =
            unified(&old, &new, 1).lines().filter(|line| line.starts_with("@@")).map(str::to_owned).collect();
        assert_eq!(
            headers,
            ["@@ -5,3 +5,3 @@", "@@ -15,3 +15,3 @@", "@@ -20,3 +20,2 @@", "@@ -25,3 +24,3 @@", "@@ -35,3 +34,3 @@"]
        );
    }

    #[test]
    fn says_when_the_last_line_break_is_missing() {
        assert_eq!(unified("a\n", "a", 3), "--- old\n+++ new\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is tested is how much real time passes")]
    fn ends_in_time_when_nothing_is_alike() {
        let lines = |seed: u32| {
            (0..60_000u32).fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{}", line.wrapping_mul(seed) % 7919 % 23);
                text
            })
        };
        let (old, new) = (lines(2_654_435_761), lines(40_503));
        let start = Instant::now();
        assert!(unified(&old, &new, 3).len() > 1000);
        assert!(start.elapsed() < 20 * SEARCH_TIME_MAX, "{:?}", start.elapsed());
    }
}
