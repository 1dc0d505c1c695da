//! Ranges of keys, and the rows in them.
//!
//! A key is any bytes here, ordered as bytes; that a guest's keys are UTF-8 and 1 to 512 bytes long is the runtime's to
//! see to.

use std::ops::Bound;

/// A range of keys, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub from: Bound<Vec<u8>>,
    /// Where it ends.
    pub to: Bound<Vec<u8>>,
}

/// The direction of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The smallest key first.
    #[default]
    Ascending,
    /// The greatest key first.
    Descending,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its value.
    pub value: Vec<u8>,
    /// The version of the commit that wrote it.
    pub version: i64,
}

/// A part of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Keys and what they hold, in the order that was asked for.
    pub rows: Vec<(Vec<u8>, Row)>,
    /// Whether the range has more.
    pub more: bool,
}

/// Greater than every key: those have at most 512 bytes.
const PAST_ALL: [u8; 513] = [u8::MAX; 513];

impl KeyRange {
    /// Returns the range that has all keys.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded }
    }

    /// Returns the same range as `first <= key < end`, so that one statement serves all ranges.
    pub(crate) fn half_open(&self) -> (Vec<u8>, Vec<u8>) {
        let first = match &self.from {
            Bound::Included(key) => key.clone(),
            Bound::Excluded(key) => successor(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match &self.to {
            Bound::Included(key) => successor(key),
            Bound::Excluded(key) => key.clone(),
            Bound::Unbounded => PAST_ALL.to_vec(),
        };
        (first, end)
    }
}

/// Returns the smallest key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use super::*;

    #[test]
    fn half_open_ranges_hold_the_same_keys() {
        let keys: [&[u8]; 6] = [b"", b"a", b"a\0", b"ab", b"b", &[0xff; 512]];
        let bounds = || keys.iter().flat_map(|key| [Bound::Included(key.to_vec()), Bound::Excluded(key.to_vec())]);
        let with_open = || bounds().chain([Bound::Unbounded]);
        for from in with_open() {
            for to in with_open() {
                let range = KeyRange { from: from.clone(), to };
                let (first, end) = range.half_open();
                for key in keys {
                    let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
                    assert_eq!(
                        RangeBounds::<[u8]>::contains(&bounds, key),
                        first.as_slice() <= key && key < end.as_slice(),
                        "{range:?} {key:?}"
                    );
                }
            }
        }
    }
}
