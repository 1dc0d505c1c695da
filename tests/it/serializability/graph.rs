//! Who must come before whom.
//!
//! A serial order exists where the graph has no cycle (Adya, *Weak Consistency*, 1999). All that is reachable is kept, as
//! one row of bits for each call, because what is implied tells more edges: whoever is between a write and its reader.

/// Most calls of a history, the one that made the beginning included.
pub(super) const CALLS_MAX: usize = 128;

/// Why one call comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The other was sent after the answer of the one was there.
    Time,
    /// The other read what the one wrote.
    Read,
    /// The other wrote over what the one read.
    WrittenOver,
    /// The other wrote over what the one wrote.
    Write,
}

/// Calls by their number, with an order.
#[derive(Debug)]
pub(super) struct Graph {
    edges: Vec<Vec<(usize, Why)>>,
    reachable: Vec<u128>,
}

impl Graph {
    /// Makes a graph of `calls` without an order.
    pub(super) fn new(calls: usize) -> Self {
        assert!(calls <= CALLS_MAX, "{calls} calls are too many for one history");
        Self { edges: vec![Vec::new(); calls], reachable: vec![0; calls] }
    }

    /// Puts one call before another. Says whether that is news.
    pub(super) fn order(&mut self, before: usize, after: usize, why: Why) -> bool {
        if self.precedes(before, after) {
            return false;
        }
        self.edges[before].push((after, why));
        let added = self.reachable[after] | 1 << after;
        for call in 0..self.reachable.len() {
            if call == before || self.precedes(call, before) {
                self.reachable[call] |= added;
            }
        }
        true
    }

    /// Returns whether one call comes before another, by what is known.
    pub(super) fn precedes(&self, before: usize, after: usize) -> bool {
        self.reachable[before] >> after & 1 == 1
    }

    /// Finds a shortest cycle: calls, each with why it comes before the next, the last before the first.
    pub(super) fn cycle(&self) -> Option<Vec<(usize, Why)>> {
        let on_one = (0..self.edges.len()).filter(|call| self.precedes(*call, *call));
        on_one.filter_map(|call| self.way_back(call)).min_by_key(Vec::len)
    }

    /// Finds a shortest way from a call back to itself.
    fn way_back(&self, start: usize) -> Option<Vec<(usize, Why)>> {
        let mut ways = vec![vec![]];
        let (mut seen, mut ends) = (0_u128, vec![start]);
        loop {
            let (mut next_ways, mut next_ends) = (Vec::new(), Vec::new());
            for (way, end) in ways.iter().zip(&ends) {
                for (after, why) in &self.edges[*end] {
                    let mut longer: Vec<_> = way.clone();
                    longer.push((*end, *why));
                    if *after == start {
                        return Some(longer);
                    }
                    if seen >> after & 1 == 0 {
                        seen |= 1 << after;
                        next_ways.push(longer);
                        next_ends.push(*after);
                    }
                }
            }
            if next_ends.is_empty() {
                return None;
            }
            (ways, ends) = (next_ways, next_ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_transitive_and_only_news_is_news() {
        let mut graph = Graph::new(4);
        assert!(graph.order(2, 3, Why::Read));
        assert!(graph.order(0, 1, Why::Read) && graph.order(1, 2, Why::Write));
        assert!(graph.precedes(0, 3) && !graph.precedes(3, 0) && !graph.precedes(0, 0));
        assert!(!graph.order(0, 3, Why::Time));
        assert_eq!(graph.cycle(), None);
    }

    #[test]
    fn finds_the_shortest_cycle() {
        let mut graph = Graph::new(5);
        for (before, after) in [(0, 1), (1, 2), (2, 1), (2, 3), (3, 0), (3, 4)] {
            graph.order(before, after, Why::Read);
        }
        assert_eq!(graph.cycle(), Some(vec![(1, Why::Read), (2, Why::Read)]));
    }
}
