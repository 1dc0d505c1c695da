//! How long a text is, by four measures.

use serde::Serialize;

/// The measures of a text.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Lines, as an editor numbers them: a last line needs no line break.
    lines: usize,
    /// Runs of anything but white space.
    words: usize,
    /// Unicode scalar values.
    chars: usize,
    /// Bytes of UTF-8.
    bytes: usize,
}

pub(crate) fn count(text: &str) -> Counts {
    Counts {
        lines: text.lines().count(),
        words: text.split_whitespace().count(),
        chars: text.chars().count(),
        bytes: text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, count};

    #[track_caller]
    fn check(text: &str, [lines, words, chars, bytes]: [usize; 4]) {
        assert_eq!(count(text), Counts { lines, words, chars, bytes });
    }

    #[test]
    fn counts_by_each_measure() {
        check("", [0, 0, 0, 0]);
        check("one", [1, 1, 3, 3]);
        check("one two\nthree\n", [2, 3, 14, 14]);
        check("\n\n", [2, 0, 2, 2]);
        check("naïve 世界\r\n", [1, 2, 10, 15]);
    }
}
