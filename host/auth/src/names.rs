//! A set of roles or of scopes: sorted, without repetition, each name checked.
//!
//! A name that can be in such a set is a scope token of RFC 6749 §3.3, so a set has one spelling as a `scope` claim.
//! This module does not know what any name allows.

/// Longest role or scope in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A name that can be neither a role nor a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no role and no scope: they have 1 to {NAME_BYTES_MAX} letters, digits and signs, no space, `\"` or `\\`"
)]
pub struct InvalidName(pub String);

/// Roles or scopes, sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Box<[Box<str>]>);

impl Names {
    /// Returns the set of `names`, or the first of them that cannot be a role or a scope.
    ///
    /// # Errors
    /// The name that is empty, longer than [`NAME_BYTES_MAX`] or not made of the characters of RFC 6749 §3.3.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<Self, InvalidName> {
        let mut all = Vec::new();
        for name in names {
            let name = name.as_ref();
            if !is_name(name) {
                return Err(InvalidName(name.to_owned()));
            }
            all.push(Box::from(name));
        }
        Ok(Self::from_checked(all))
    }

    /// Reads a `scope` value: names separated by single spaces, or nothing (RFC 6749 §3.3).
    pub fn from_scope(scope: &str) -> Option<Self> {
        if scope.is_empty() {
            return Some(Self::default());
        }
        Self::new(scope.split(' ')).ok()
    }

    fn from_checked(mut all: Vec<Box<str>>) -> Self {
        all.sort_unstable();
        all.dedup();
        Self(all.into())
    }

    /// Returns whether `name` is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|held| (**held).cmp(name)).is_ok()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Returns whether the two sets have a name in common.
    pub fn intersects(&self, other: &Self) -> bool {
        self.iter().any(|name| other.contains(name))
    }

    /// Returns whether every name of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|name| other.contains(name))
    }

    /// Returns the names of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_checked(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Returns the names that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|name| other.contains(name)).cloned().collect())
    }

    /// Returns the names as a `scope` value, separated by spaces (RFC 6749 §3.3).
    pub fn to_scope(&self) -> String {
        self.0.join(" ")
    }
}

/// Returns whether `name` is a scope token (RFC 6749 §3.3) of a sensible length.
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scope: &str) -> Names {
        Names::from_scope(scope).expect("names")
    }

    #[test]
    fn sorts_and_forgets_repetitions() {
        assert_eq!(names("b:x a c a").to_scope(), "a b:x c");
        assert_eq!(names("").iter().len(), 0);
    }

    #[test]
    fn refuses_what_is_not_a_scope_token() {
        for scope in [" ", "a  b", " a", "a ", "a\tb", "a\"b", "a\\b", "ä", "a\0"] {
            assert_eq!(Names::from_scope(scope), None, "{scope:?}");
        }
        assert_eq!(Names::new(["fine", "not fine"]), Err(InvalidName("not fine".to_owned())));
        assert!(Names::new(["x".repeat(NAME_BYTES_MAX)]).is_ok());
        assert!(Names::new(["x".repeat(NAME_BYTES_MAX + 1)]).is_err());
    }

    #[test]
    fn compares_sets() {
        assert!(names("a b").intersects(&names("b c")));
        assert!(!names("a b").intersects(&names("c")));
        assert!(!names("").intersects(&names("")));
        assert!(names("").is_subset(&names("")));
        assert!(names("a").is_subset(&names("a b")));
        assert!(!names("a c").is_subset(&names("a b")));
        assert_eq!(names("a b").union(&names("b c")), names("a b c"));
        assert_eq!(names("a b c").intersection(&names("b c d")), names("b c"));
    }
}
