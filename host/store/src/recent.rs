//! Rows that were written or read lately, in memory: a call that reads no more than those opens no snapshot.
//!
//! A row here is that of the newest commit that is on disk: the writer brings each batch here before it lets others see
//! the batch's sequence. So a row whose version is not above a sequence is what a snapshot of that sequence would show.
//! A row that a snapshot found is taken only where nothing was written since: else it could be one that is gone.
//!
//! What is absent is not remembered. There are so many places, each for the one of its keys that was used last.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    keys::{Name, is_live},
    range::Row,
};

/// Places.
const PLACES: usize = 1 << 13;
/// Longest row that is remembered, its names included.
const ROW_BYTES_MAX: usize = 4 << 10;

/// Rows in memory.
pub(crate) struct Recent {
    places: Box<[Mutex<Place>]>,
    /// Keyed at random: no guest can aim at another's places.
    hasher: RandomState,
}

#[derive(Default)]
struct Place {
    /// The newest version that was written to any of its keys.
    written: i64,
    kept: Option<Box<Kept>>,
}

struct Kept {
    plugin_id: i64,
    bucket: Box<str>,
    key: Box<[u8]>,
    value: Box<[u8]>,
    version: i64,
    expires_at_ms: Option<i64>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        let places = (0..PLACES).map(|_| Mutex::default()).collect();
        Self { places, hasher: RandomState::new() }
    }

    /// Returns what a snapshot of `sequence` would show of a key at `now_ms`; `None` where only a snapshot can tell.
    ///
    /// `sequence` must have been that of the newest commit that others see, a moment ago.
    pub(crate) fn find(&self, name: Name<'_>, sequence: i64, now_ms: i64) -> Option<Row> {
        let place = self.place(name)?;
        let kept = place.kept.as_ref().filter(|kept| kept.is_of(name))?;
        let shows = kept.version <= sequence && is_live(kept.expires_at_ms, now_ms);
        shows.then(|| Row { value: kept.value.to_vec(), version: kept.version })
    }

    /// Offers what a snapshot of `sequence` found.
    pub(crate) fn offer(&self, name: Name<'_>, row: &Row, expires_at_ms: Option<i64>, sequence: i64) {
        if !is_small(name, &row.value) || row.version > sequence {
            return;
        }
        let Some(mut place) = self.place(name) else { return };
        if place.written <= sequence {
            place.kept = Some(Box::new(Kept::new(name, row.value.clone(), row.version, expires_at_ms)));
        }
    }

    /// Takes what a commit that is on disk wrote. For the writer, in the order of versions.
    pub(crate) fn write(&self, name: Name<'_>, value: Vec<u8>, expires_at_ms: Option<i64>, version: i64) {
        let Some(mut place) = self.place(name) else { return };
        place.written = place.written.max(version);
        if is_small(name, &value) {
            place.kept = Some(Box::new(Kept::new(name, value, version, expires_at_ms)));
        } else {
            place.forget(name);
        }
    }

    /// Forgets a key that `version` wrote or deleted. For the writer.
    pub(crate) fn forget(&self, name: Name<'_>, version: i64) {
        let Some(mut place) = self.place(name) else { return };
        place.written = place.written.max(version);
        place.forget(name);
    }

    /// Forgets everything: `version` may have written any key. For the writer.
    pub(crate) fn clear(&self, version: i64) {
        for place in &self.places {
            let mut place = lock(place);
            place.written = place.written.max(version);
            place.kept = None;
        }
    }

    /// Keeps everybody from the place of a key, the writer too, while what this returns lives.
    #[cfg(test)]
    pub(crate) fn hold<'a>(&'a self, name: Name<'_>) -> impl Sized + use<'a> {
        self.place(name).expect("every key has one")
    }

    fn place(&self, name: Name<'_>) -> Option<MutexGuard<'_, Place>> {
        // A power of two, so the lowest bits are as good as any.
        let at = usize::try_from(self.hasher.hash_one(name) & (PLACES as u64 - 1)).ok()?;
        self.places.get(at).map(lock)
    }
}

impl Place {
    fn forget(&mut self, name: Name<'_>) {
        if self.kept.as_ref().is_some_and(|kept| kept.is_of(name)) {
            self.kept = None;
        }
    }
}

impl Kept {
    fn new(name: Name<'_>, value: Vec<u8>, version: i64, expires_at_ms: Option<i64>) -> Self {
        let Name { plugin_id, bucket, key } = name;
        Self { plugin_id, bucket: bucket.into(), key: key.into(), value: value.into(), version, expires_at_ms }
    }

    fn is_of(&self, name: Name<'_>) -> bool {
        self.plugin_id == name.plugin_id && *self.bucket == *name.bucket && *self.key == *name.key
    }
}

fn is_small(name: Name<'_>, value: &[u8]) -> bool {
    name.bucket.len() + name.key.len() + value.len() <= ROW_BYTES_MAX
}

/// A place is whole at any moment, also when a thread panicked.
fn lock(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name<'static> = Name { plugin_id: 1, bucket: "b", key: b"k" };

    fn row(value: &str, version: i64) -> Row {
        Row { value: value.into(), version }
    }

    #[test]
    fn shows_what_was_written_to_those_who_may_see_it() {
        let recent = Recent::new();
        recent.write(NAME, b"new".to_vec(), None, 5);
        assert_eq!(recent.find(NAME, 4, 0), None, "it is not yet seen");
        assert_eq!(recent.find(NAME, 5, 0), Some(row("new", 5)));
        assert_eq!(recent.find(Name { plugin_id: 2, ..NAME }, 5, 0), None, "another plugin's");
        assert_eq!(recent.find(Name { bucket: "c", ..NAME }, 5, 0), None);
        assert_eq!(recent.find(Name { key: b"l", ..NAME }, 5, 0), None);
    }

    #[test]
    fn what_an_older_snapshot_found_is_not_taken_after_a_write() {
        let recent = Recent::new();
        recent.forget(NAME, 5);
        recent.offer(NAME, &row("old", 3), None, 4);
        assert_eq!(recent.find(NAME, 5, 0), None, "it was deleted since");
        recent.offer(NAME, &row("newer", 6), None, 5);
        assert_eq!(recent.find(NAME, 6, 0), None, "the snapshot may have seen more than its sequence says");
        recent.offer(NAME, &row("new", 5), None, 5);
        assert_eq!(recent.find(NAME, 5, 0), Some(row("new", 5)));
        recent.write(NAME, b"newest".to_vec(), None, 7);
        recent.offer(NAME, &row("new", 5), None, 6);
        assert_eq!(recent.find(NAME, 7, 0), Some(row("newest", 7)));
    }

    #[test]
    fn once_everything_may_have_changed_only_later_snapshots_count() {
        let recent = Recent::new();
        recent.write(NAME, b"old".to_vec(), None, 5);
        recent.clear(6);
        assert_eq!(recent.find(NAME, 6, 0), None);
        recent.offer(NAME, &row("old", 5), None, 5);
        assert_eq!(recent.find(NAME, 6, 0), None);
        recent.offer(NAME, &row("old", 5), None, 6);
        assert_eq!(recent.find(NAME, 6, 0), Some(row("old", 5)));
    }

    #[test]
    fn what_is_over_or_long_is_left_to_snapshots() {
        let recent = Recent::new();
        recent.write(NAME, b"short-lived".to_vec(), Some(100), 1);
        assert_eq!(recent.find(NAME, 1, 99), Some(row("short-lived", 1)));
        assert_eq!(recent.find(NAME, 1, 100), None);
        recent.write(NAME, vec![0; ROW_BYTES_MAX], None, 2);
        assert_eq!(recent.find(NAME, 2, 0), None, "the old one is gone, too");
    }
}
