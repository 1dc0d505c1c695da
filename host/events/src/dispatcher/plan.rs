//! What becomes of the next events of a lane: which are handled now, and which wait behind one of their key.

use std::sync::Arc;

use crate::{
    event::{Event, EventKey, Seq},
    subscription::RetryRow,
    time::UnixMs,
};

/// How much of a lane one delivery takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    /// Events to handle, at least 1.
    pub(super) events: usize,
    /// Bytes of them; the first passes whatever its size.
    pub(super) bytes: usize,
    /// Events that wait, at least 1.
    pub(super) held: usize,
}

/// What becomes of them.
#[derive(Debug)]
pub(super) struct Plan {
    /// To be handled, in this order.
    pub(super) run: Vec<Arc<Event>>,
    /// Rows of those that wait.
    pub(super) held: Vec<RetryRow>,
    /// Everything up to here is decided.
    pub(super) to: Seq,
}

impl Plan {
    /// Returns the bytes of the events that are to be handled.
    pub(super) fn bytes(&self) -> usize {
        self.run.iter().map(|event| event.bytes()).sum()
    }
}

/// Decides about `events`, which are all that matter up to `end`.
pub(super) fn plan<'a>(
    events: impl Iterator<Item = &'a Arc<Event>>,
    end: Seq,
    is_held: impl Fn(&EventKey) -> bool,
    portion: Portion,
) -> Plan {
    let mut plan = Plan { run: Vec::new(), held: Vec::new(), to: end };
    let (mut last, mut bytes) = (None, 0_usize);
    for event in events {
        let waits = event.key.as_ref().is_some_and(&is_held);
        let is_full = if waits {
            plan.held.len() >= portion.held.max(1)
        } else {
            let is_over = bytes.saturating_add(event.bytes()) > portion.bytes && !plan.run.is_empty();
            plan.run.len() >= portion.events.max(1) || is_over
        };
        if is_full {
            plan.to = last.unwrap_or(event.seq.before());
            return plan;
        }
        if waits {
            plan.held.push(waiting(event));
        } else {
            bytes = bytes.saturating_add(event.bytes());
            plan.run.push(Arc::clone(event));
        }
        last = Some(event.seq);
    }
    plan
}

fn waiting(event: &Event) -> RetryRow {
    RetryRow { seq: event.seq, key: event.key.clone(), attempts: 0, due: UnixMs(0), problem: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::event;

    const ROOMY: Portion = Portion { events: 100, bytes: usize::MAX, held: 100 };

    /// Plans events of these keys, numbered from 1, of which `h` is held; shows what is run, what waits, and the end.
    fn planned(keys: &[&str], portion: Portion) -> (Vec<i64>, Vec<i64>, i64) {
        let events: Vec<_> = (1..).zip(keys).map(|(seq, key)| event(seq, "t", Some(key))).collect();
        let plan = plan(events.iter(), Seq(50), |key| key.as_str() == "h", portion);
        let run = plan.run.iter().map(|event| event.seq.0).collect();
        (run, plan.held.iter().map(|row| row.seq.0).collect(), plan.to.0)
    }

    #[test]
    fn events_of_a_held_key_wait_and_no_others() {
        assert_eq!(planned(&[], ROOMY), (vec![], vec![], 50));
        assert_eq!(planned(&["a", "h", "b", "h", "a"], ROOMY), (vec![1, 3, 5], vec![2, 4], 50));
    }

    #[test]
    fn ends_before_the_first_that_does_not_fit() {
        let keys = ["a", "h", "b", "h", "c"];
        assert_eq!(planned(&keys, Portion { events: 2, ..ROOMY }), (vec![1, 3], vec![2, 4], 4));
        assert_eq!(planned(&keys, Portion { held: 1, ..ROOMY }), (vec![1, 3], vec![2], 3));
        assert_eq!(planned(&keys, Portion { bytes: 1, ..ROOMY }), (vec![1], vec![2], 2));
    }
}
