//! The part of a bucket that a listing goes through.

use std::{cmp::Ordering, collections::BTreeMap, ops::Bound};

use crate::keyspace::{KeyRange, Order};

impl KeyRange {
    /// Returns the keys that start with `prefix` and come after `after`; `None` when there can be none.
    pub(super) fn listed(prefix: &str, after: Option<&str>, order: Order) -> Option<Self> {
        let whole = Self { from: Bound::Included(prefix.as_bytes().to_vec()), to: end_of(prefix.as_bytes()) };
        match after {
            Some(after) => whole.after(after.as_bytes(), order),
            None => Some(whole),
        }
    }

    /// Returns what is left of the range after `key`; `None` when nothing can be left.
    pub(super) fn after(mut self, key: &[u8], order: Order) -> Option<Self> {
        let behind = Bound::Excluded(key.to_vec());
        match order {
            Order::Ascending if edge(&self.from) <= Some(key) => self.from = behind,
            Order::Descending if edge(&self.to).is_none_or(|end| key < end) => self.to = behind,
            _ => {}
        }
        let is_open = match (edge(&self.from), edge(&self.to)) {
            (Some(from), Some(to)) => from < to,
            _ => true,
        };
        is_open.then_some(self)
    }

    /// Returns the range up to `key`, with it.
    pub(super) fn up_to(mut self, key: Vec<u8>, order: Order) -> Self {
        match order {
            Order::Ascending => self.to = Bound::Included(key),
            Order::Descending => self.from = Bound::Included(key),
        }
        self
    }

    /// Returns the entries of `map` in the range, in ascending order.
    pub(crate) fn of<'a, V>(
        &self,
        map: &'a BTreeMap<Vec<u8>, V>,
    ) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a V)> + use<'a, V> {
        fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
            bound.as_ref().map(Vec::as_slice)
        }
        map.range::<[u8], _>((slice(&self.from), slice(&self.to)))
    }
}

impl Order {
    /// Compares two keys by which comes first.
    pub(super) fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Ascending => left.cmp(right),
            Self::Descending => right.cmp(left),
        }
    }
}

/// The end of the keys that start with `prefix`, which is UTF-8 and so holds no byte that cannot be counted up.
fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    match prefix.split_last() {
        Some((last, head)) => Bound::Excluded([head, &[last.saturating_add(1)]].concat()),
        None => Bound::Unbounded,
    }
}

/// The key at an end, without whether it belongs to the range; `None` where there is no end.
fn edge(bound: &Bound<Vec<u8>>) -> Option<&[u8]> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(prefix: &str, after: Option<&str>, order: Order) -> Vec<&'static str> {
        let keys = ["a", "b", "b/1", "b/2", "b/3", "b0", "é", "é1"];
        let map: BTreeMap<Vec<u8>, &str> = keys.iter().map(|key| (key.as_bytes().to_vec(), *key)).collect();
        KeyRange::listed(prefix, after, order).map_or(Vec::new(), |range| range.of(&map).map(|(_, key)| *key).collect())
    }

    #[test]
    fn a_prefix_holds_what_starts_with_it() {
        assert_eq!(listed("", None, Order::Ascending).len(), 8);
        assert_eq!(listed("b/", None, Order::Ascending), ["b/1", "b/2", "b/3"]);
        assert_eq!(listed("b", None, Order::Descending), ["b", "b/1", "b/2", "b/3", "b0"]);
        assert_eq!(listed("é", None, Order::Ascending), ["é", "é1"]);
    }

    #[test]
    fn a_position_cuts_off_what_came_before() {
        assert_eq!(listed("b/", Some("b/1"), Order::Ascending), ["b/2", "b/3"]);
        assert_eq!(listed("b/", Some("b/2"), Order::Descending), ["b/1"]);
        assert_eq!(listed("b/", Some("b/25"), Order::Ascending), ["b/3"]);
        assert_eq!(listed("", Some(""), Order::Ascending).len(), 8);
        assert!(listed("", Some(""), Order::Descending).is_empty());
    }

    #[test]
    fn a_position_outside_of_the_prefix_leaves_all_or_nothing() {
        assert_eq!(listed("b/", Some("a"), Order::Ascending).len(), 3);
        assert_eq!(listed("b/", Some("c"), Order::Descending).len(), 3);
        assert!(listed("b/", Some("b/"), Order::Descending).is_empty());
        assert!(listed("b/", Some("b0"), Order::Ascending).is_empty());
        assert!(listed("b/", Some("c"), Order::Ascending).is_empty());
        assert!(listed("b/", Some("a"), Order::Descending).is_empty());
    }
}
