//! The difference of two texts as a unified diff.

use std::time::Duration;

use similar::TextDiff;

/// Wall time after which the difference gets coarser instead of later. The search for the shortest one is quadratic
/// at worst, so a size limit alone would not bound it.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(200);

/// Compares line by line, with so many unchanged lines around each change. Equal texts have an empty difference.
pub(crate) fn unified(old: &str, new: &str, context_lines: usize) -> String {
    TextDiff::configure()
        .timeout(SEARCH_TIME_MAX)
        .diff_lines(old, new)
        .unified_diff()
        .context_radius(context_lines)
        .header("old", "new")
        .to_string()
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
    fn says_when_the_last_line_break_is_missing() {
        assert!(unified("a\n", "a", 3).contains("\\ No newline at end of file"));
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
