//! Ids of events.
//!
//! An id is a UUID of version 7 (RFC 9562): it is unique without asking anybody, and grows with time. Those that one
//! thread makes are in their order also within a millisecond, by a counter of the thread's own (section 6.2, method 1),
//! so that the ids of one transaction stand in the order of its events. No lock is taken.

use uuid::{
    Timestamp, Uuid,
    timestamp::context::{ContextV7, ThreadLocalContext},
};

thread_local! {
    static COUNTER: ContextV7 = const { ContextV7::new() };
}

/// Makes the id of an event.
pub(crate) fn new_event_id() -> String {
    Uuid::new_v7(Timestamp::now(ThreadLocalContext::new(&COUNTER))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_thread_are_in_order_and_of_several_distinct() {
        let make = || (0..10_000).map(|_| new_event_id()).collect::<Vec<_>>();
        let other = std::thread::spawn(make);
        let mut all = make();
        assert!(all.is_sorted_by(|one, next| one < next));
        all.extend(other.join().expect("no panic"));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().all(|id| id.parse::<Uuid>().is_ok_and(|id| id.get_version_num() == 7)));
    }
}
