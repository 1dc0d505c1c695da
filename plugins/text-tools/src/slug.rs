//! A title made fit for a URL.

/// Longest slug, in characters.
const CHARS_MAX: usize = 80;

/// Keeps letters and digits of any script in lower case, and joins what they leave by `-`. `None` when nothing is left.
pub(crate) fn slug(title: &str) -> Option<String> {
    let lower = title.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '\'').map(|word| word.replace('\'', ""));
    let joined = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let cut: String = joined.chars().take(CHARS_MAX).collect();
    let slug = cut.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{CHARS_MAX, slug};

    #[track_caller]
    fn check(title: &str, expected: &str) {
        assert_eq!(slug(title).as_deref(), Some(expected));
    }

    #[test]
    fn keeps_letters_and_digits() {
        check("Hello, World!", "hello-world");
        check("  -- It's 2 o'clock --", "its-2-oclock");
        check("Crème brûlée / 世界", "crème-brûlée-世界");
    }

    #[test]
    fn is_short_and_never_ends_in_a_dash() {
        check(&format!("{} b", "a".repeat(CHARS_MAX - 1)), &"a".repeat(CHARS_MAX - 1));
    }

    #[test]
    fn has_nothing_to_say_about_punctuation() {
        assert_eq!(slug("?!' "), None);
        assert_eq!(slug(""), None);
    }
}
