//! The retries of one subscription: a chain for each key that is held back.
//!
//! A chain is what waits of one key, in the order of the log. Its first event is the one that failed; it is tried when
//! its time comes, and everything behind it waits. An event without a key is a chain of its own. While a chain exists,
//! its key is held: events of it that come from the log join the chain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    event::{EventKey, Seq},
    step::RetryStep,
    subscription::RetryRow,
    time::UnixMs,
};

/// Names a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ChainName {
    Key(EventKey),
    Lone(Seq),
}

impl ChainName {
    fn of(row: &RetryRow) -> Self {
        row.key.clone().map_or(Self::Lone(row.seq), Self::Key)
    }
}

/// The chains of a subscription.
#[derive(Debug, Default)]
pub(super) struct Chains {
    chains: HashMap<ChainName, Chain>,
    /// When the first of each chain may be tried, but for chains of which a delivery is on its way.
    due: BTreeSet<(UnixMs, ChainName)>,
    rows: usize,
}

#[derive(Debug, Default)]
struct Chain {
    rows: BTreeMap<Seq, Row>,
    /// A delivery of it is on its way.
    busy: bool,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    attempts: u32,
    due: UnixMs,
}

impl Chains {
    /// No row waits beyond `latest`, whatever the clock showed when it was written.
    pub(super) fn new(rows: Vec<RetryRow>, latest: UnixMs) -> Self {
        let mut chains = Self::default();
        for row in rows {
            chains.put(&RetryRow { due: row.due.min(latest), ..row });
        }
        chains
    }

    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns whether events of a key have to wait.
    pub(super) fn holds(&self, key: &EventKey) -> bool {
        self.chains.contains_key(&ChainName::Key(key.clone()))
    }

    /// Returns when the next chain is due.
    pub(super) fn next_due(&self) -> Option<UnixMs> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the chain that has been due for longest, until it is given back: its name and its first rows, as many as
    /// are due and `rows_max`, with the attempts that were made.
    pub(super) fn take(&mut self, now: UnixMs, rows_max: usize) -> Option<(ChainName, Vec<(Seq, u32)>)> {
        if self.next_due()? > now {
            return None;
        }
        let (_, name) = self.due.pop_first()?;
        let chain = self.chains.get_mut(&name)?;
        chain.busy = true;
        let rows = chain.rows.iter().take_while(|(_, row)| row.due <= now).take(rows_max);
        let rows = rows.map(|(seq, row)| (*seq, row.attempts)).collect();
        Some((name, rows))
    }

    /// Gives a chain back.
    pub(super) fn give_back(&mut self, name: &ChainName) {
        if let Some(chain) = self.chains.get_mut(name) {
            chain.busy = false;
            self.due.extend(chain.first_due().map(|due| (due, name.clone())));
        }
    }

    /// Does what was committed.
    pub(super) fn apply(&mut self, step: &RetryStep) {
        match step {
            RetryStep::Insert(row) | RetryStep::Replace { row, .. } => self.put(row),
            RetryStep::Remove(row) => self.remove(row),
        }
    }

    fn put(&mut self, row: &RetryRow) {
        self.change(ChainName::of(row), |chain| {
            chain.rows.insert(row.seq, Row { attempts: row.attempts, due: row.due });
        });
    }

    fn remove(&mut self, row: &RetryRow) {
        self.change(ChainName::of(row), |chain| {
            chain.rows.remove(&row.seq);
        });
    }

    /// Changes a chain and what hangs on its rows.
    fn change(&mut self, name: ChainName, change: impl FnOnce(&mut Chain)) {
        let chain = self.chains.entry(name.clone()).or_default();
        let (due, rows) = (chain.first_due(), chain.rows.len());
        change(chain);
        self.rows = self.rows + chain.rows.len() - rows;
        let (is_busy, now_due) = (chain.busy, chain.first_due());
        if now_due.is_none() {
            self.chains.remove(&name);
        }
        if is_busy || due == now_due {
            return;
        }
        if let Some(due) = due {
            self.due.remove(&(due, name.clone()));
        }
        self.due.extend(now_due.map(|due| (due, name)));
    }
}

impl Chain {
    fn first_due(&self) -> Option<UnixMs> {
        self.rows.first_key_value().map(|(_, row)| row.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, key: Option<&str>, attempts: u32, due: i64) -> RetryRow {
        let key = key.map(|key| EventKey::new(key).expect("a key"));
        RetryRow { seq: Seq(seq), key, attempts, due: UnixMs(due), problem: None }
    }

    fn take(chains: &mut Chains, now: i64) -> Option<(ChainName, Vec<(i64, u32)>)> {
        let (name, rows) = chains.take(UnixMs(now), 2)?;
        Some((name, rows.into_iter().map(|(seq, attempts)| (seq.0, attempts)).collect()))
    }

    #[test]
    fn a_chain_is_tried_from_its_first_event_when_that_is_due() {
        let key = EventKey::new("k").expect("a key");
        let rows = vec![row(9, Some("k"), 0, 0), row(3, Some("k"), 2, 50), row(7, Some("k"), 0, 0)];
        let mut chains = Chains::new(rows, UnixMs(1000));
        assert!(chains.holds(&key));
        assert_eq!(chains.next_due(), Some(UnixMs(50)));
        assert_eq!(take(&mut chains, 49), None);
        let name = ChainName::Key(key.clone());
        assert_eq!(take(&mut chains, 50), Some((name.clone(), vec![(3, 2), (7, 0)])));
        assert_eq!(take(&mut chains, 99), None, "one delivery of a chain at a time");
        chains.apply(&RetryStep::Remove(row(3, Some("k"), 2, 0)));
        chains.apply(&RetryStep::Insert(row(11, Some("k"), 0, 0)));
        chains.apply(&RetryStep::Replace { attempts: 0, row: row(7, Some("k"), 1, 80) });
        assert_eq!(chains.next_due(), None);
        chains.give_back(&name);
        assert_eq!((chains.next_due(), chains.rows()), (Some(UnixMs(80)), 3));
        assert_eq!(take(&mut chains, 80), Some((name.clone(), vec![(7, 1), (9, 0)])));
        for seq in [7, 9, 11] {
            chains.apply(&RetryStep::Remove(row(seq, Some("k"), 0, 0)));
        }
        chains.give_back(&name);
        assert!(!chains.holds(&key));
        assert_eq!((chains.next_due(), chains.rows()), (None, 0));
    }

    #[test]
    fn events_without_a_key_do_not_wait_for_each_other() {
        let mut chains = Chains::new(vec![row(1, None, 3, 90), row(2, None, 1, 10), row(3, None, 1, 20)], UnixMs(1000));
        assert_eq!(take(&mut chains, 30), Some((ChainName::Lone(Seq(2)), vec![(2, 1)])));
        assert_eq!(take(&mut chains, 30), Some((ChainName::Lone(Seq(3)), vec![(3, 1)])));
        assert_eq!(take(&mut chains, 30), None);
    }

    #[test]
    fn an_event_that_waits_for_its_own_time_waits_behind_another_too() {
        let mut chains = Chains::new(vec![row(3, Some("k"), 0, 0), row(7, Some("k"), 2, 80)], UnixMs(1000));
        let name = ChainName::Key(EventKey::new("k").expect("a key"));
        assert_eq!(take(&mut chains, 50), Some((name, vec![(3, 0)])));
    }

    #[test]
    fn a_row_from_a_clock_that_was_ahead_does_not_wait_for_it() {
        let mut chains = Chains::new(vec![row(1, None, 1, 1_000_000)], UnixMs(1000));
        assert_eq!(take(&mut chains, 1000), Some((ChainName::Lone(Seq(1)), vec![(1, 1)])));
    }
}
