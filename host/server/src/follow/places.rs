//! How many may follow at the same time: all together, and each caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The places of followers.
#[derive(Debug)]
pub struct Places {
    max: u32,
    per_caller_max: u32,
    by_caller: Mutex<HashMap<String, u32>>,
    count: watch::Sender<u32>,
}

/// The place of one follower. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    caller: String,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// The caller has as many streams as it may have.
    OfCaller {
        /// The bound.
        max: u32,
    },
    /// All together have.
    Anywhere,
}

impl Places {
    pub(super) fn new(max: u32, per_caller_max: u32) -> Arc<Self> {
        Arc::new(Self { max, per_caller_max, by_caller: Mutex::default(), count: watch::Sender::new(0) })
    }

    pub(super) fn enter(self: &Arc<Self>, caller: &str) -> Result<Place, NoPlace> {
        let mut by_caller = self.by_caller();
        let of_caller = by_caller.get(caller).copied().unwrap_or(0);
        if of_caller >= self.per_caller_max {
            return Err(NoPlace::OfCaller { max: self.per_caller_max });
        }
        if self.count() >= self.max {
            return Err(NoPlace::Anywhere);
        }
        by_caller.insert(caller.to_owned(), of_caller + 1);
        self.count.send_modify(|count| *count += 1);
        Ok(Place { places: Arc::clone(self), caller: caller.to_owned() })
    }

    pub(super) fn count(&self) -> u32 {
        *self.count.borrow()
    }

    /// Says how many there are, each time that this changes.
    pub(super) fn watch(&self) -> watch::Receiver<u32> {
        self.count.subscribe()
    }

    fn leave(&self, caller: &str) {
        let mut by_caller = self.by_caller();
        if let Some(of_caller) = by_caller.get_mut(caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                by_caller.remove(caller);
            }
        }
        self.count.send_modify(|count| *count -= 1);
    }

    fn by_caller(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.by_caller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(&self.caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_and_all_together_have_so_many_and_no_more() {
        let places = Places::new(3, 2);
        let first = places.enter("ada").expect("a place");
        let second = places.enter("ada").expect("a place");
        assert_eq!(places.enter("ada").err(), Some(NoPlace::OfCaller { max: 2 }));
        let third = places.enter("bob").expect("a place");
        assert_eq!(places.enter("cid").err(), Some(NoPlace::Anywhere));
        drop(second);
        let fourth = places.enter("ada").expect("a place");
        assert_eq!(places.count(), 3);
        drop((first, third, fourth));
        assert_eq!(places.count(), 0);
        assert!(places.by_caller().is_empty());
    }
}
