//! Lanes: the sixteen parts of the log that a subscription works on side by side.
//!
//! An event's lane follows from its key, so events of one key are in one lane, in their order. The number is stored with
//! the event and the cursors: neither [`LANES`] nor the hash may ever change. An event without a key has no order to
//! keep; its id spreads it.

use std::ops::{Index, IndexMut};

use crate::event::EventKey;

/// Lanes of the log.
pub const LANES: usize = 16;

/// One lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// Returns the lane of an event.
    pub fn of(key: Option<&EventKey>, id: &str) -> Self {
        Self::of_bytes(key.map_or(id, EventKey::as_str).as_bytes())
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let hash = fnv1a(bytes);
        // Folded, so that every bit of the hash counts.
        let folded = [32, 16, 8, 4].into_iter().fold(hash, |hash, shift| hash ^ (hash >> shift));
        Self(u8::try_from(folded % LANES as u64).unwrap_or(0))
    }

    /// Returns the lane of this number, if there is one.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < LANES).then_some(Self(number))
    }

    /// Returns its number, below [`LANES`].
    pub fn number(self) -> u8 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Returns all lanes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LANES).filter_map(|number| u8::try_from(number).ok()).map(Self)
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo; RFC 9923).
fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Some of the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LaneSet(u16);

impl LaneSet {
    pub(crate) fn insert(&mut self, lane: Lane) {
        self.0 |= 1 << lane.0;
    }

    pub(crate) fn remove(&mut self, lane: Lane) {
        self.0 &= !(1 << lane.0);
    }

    pub(crate) fn contains(self, lane: Lane) -> bool {
        self.0 & (1 << lane.0) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns those that are not in `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the first one from `start` on, around the end.
    pub(crate) fn first_from(self, start: u8) -> Option<Lane> {
        let number = (u32::from(start) + self.0.rotate_right(u32::from(start)).trailing_zeros()) % u16::BITS;
        (!self.is_empty()).then_some(u8::try_from(number).ok().map(Lane)).flatten()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Lane> {
        Lane::all().filter(move |lane| self.contains(*lane))
    }
}

/// One value for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerLane<T>(pub(crate) [T; LANES]);

#[expect(clippy::indexing_slicing, reason = "a lane's number is below `LANES`")]
impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        &self.0[lane.index()]
    }
}

#[expect(clippy::indexing_slicing, reason = "a lane's number is below `LANES`")]
impl<T> IndexMut<Lane> for PerLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[lane.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8_u64)]
        {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_key_never_changes_its_lane() {
        let lanes = ["", "a", "42", "order-1", "Zürich"].map(|key| Lane::of_bytes(key.as_bytes()).number());
        assert_eq!(lanes, LANES_THAT_ARE_STORED);
    }

    /// What databases hold since the first release.
    const LANES_THAT_ARE_STORED: [u8; 5] = [15, 0, 6, 8, 6];

    #[test]
    fn keys_that_count_up_spread_over_all_lanes() {
        let mut counts = [0; LANES];
        for number in 0..16_000 {
            counts[Lane::of_bytes(format!("order-{number}").as_bytes()).index()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_set_finds_its_lanes_in_turns() {
        let lane = |number| Lane::new(number).expect("a lane");
        let mut set = LaneSet::default();
        assert_eq!(set.first_from(3), None);
        set.insert(lane(2));
        set.insert(lane(15));
        assert_eq!([0, 2, 3, 15].map(|start| set.first_from(start)), [2, 2, 15, 15].map(|n| Some(lane(n))));
        set.remove(lane(15));
        assert_eq!(set.first_from(3), Some(lane(2)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [lane(2)]);
    }
}
