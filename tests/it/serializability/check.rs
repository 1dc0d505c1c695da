//! Decides whether a history could have happened one call after the other, in an order that agrees with the clock.
//!
//! What is found is wrong for certain: where an order is not known, any is taken to be possible. What is missed needs a
//! guess between several orders, of writes that nobody read.

use super::{
    graph::{Graph, Why},
    history::{Call, Effect, Key, Value},
};

/// What cannot be. Calls are numbered as in the history.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Anomaly {
    /// A call read a key twice and saw two values, or did not see its own write.
    TwoStates(usize),
    /// A call read a value that nobody left there: one that was discarded, one that its writer wrote over, or one that
    /// nobody wrote.
    NobodysValue(usize, Key, Value),
    /// A call found nothing under a key that held something at every moment when the call can have been.
    Missing(usize, Key),
    /// A call read a sum in which something is that nobody added, or something twice that was added once.
    NobodysSum(usize, Key, i64),
    /// Each of these calls comes before the next, and the last before the first.
    Cycle(Vec<(usize, Why)>),
}

/// The call that made what was there at the beginning: nothing under any key. The history's calls come after it.
const BEGINNING: usize = 0;

/// Looks for what no serial order allows.
pub(super) fn check(history: &[Call]) -> Result<(), Anomaly> {
    let mut effects = vec![Effect::default()];
    for (number, call) in history.iter().enumerate() {
        effects.push(call.effect().ok_or(Anomaly::TwoStates(number))?);
    }
    let mut graph = Graph::new(effects.len());
    order_by_time(&mut graph, history);
    order_by_sums(&mut graph, &effects)?;
    let mut reads = find_reads(&effects)?;
    loop {
        if let Some(cycle) = graph.cycle() {
            return Err(Anomaly::Cycle(cycle.into_iter().map(|(call, why)| (call - 1, why)).collect()));
        }
        let mut news = false;
        for read in &mut reads {
            read.settle(&graph);
            news |= match read.sources.as_slice() {
                [] => return Err(Anomaly::Missing(read.reader - 1, read.key)),
                [source] => read.order(&mut graph, *source),
                _ => false,
            };
        }
        if !news {
            return Ok(());
        }
    }
}

fn order_by_time(graph: &mut Graph, history: &[Call]) {
    for (after, call) in history.iter().enumerate() {
        graph.order(BEGINNING, after + 1, Why::Time);
        for (before, _) in history.iter().enumerate().filter(|(_, earlier)| earlier.answered < call.invoked) {
            graph.order(before + 1, after + 1, Why::Time);
        }
    }
}

/// A sum says of every call that adds to the key whether it comes before or after the reader.
fn order_by_sums(graph: &mut Graph, effects: &[Effect]) -> Result<(), Anomaly> {
    for (reader, effect) in effects.iter().enumerate() {
        for (key, sum) in &effect.sums {
            let mut rest = *sum;
            for (adder, other) in effects.iter().enumerate().filter(|(adder, _)| *adder != reader) {
                let Some(amount) = other.added.get(key) else { continue };
                if is_in(*amount, *sum) {
                    rest -= amount;
                    graph.order(adder, reader, Why::Read);
                } else {
                    graph.order(reader, adder, Why::WrittenOver);
                }
            }
            if rest != 0 {
                return Err(Anomaly::NobodysSum(reader - 1, *key, *sum));
            }
        }
    }
    Ok(())
}

/// Returns whether a sum of different powers of four and negatives of such has `amount` in it.
fn is_in(amount: i64, mut sum: i64) -> bool {
    let mut power = 1;
    while power < amount.abs() {
        sum = (sum - last_digit(sum)) / 4;
        power *= 4;
    }
    last_digit(sum) == amount.signum()
}

/// Returns the last digit of a number written with the digits -1, 0 and 1, or 2 where one of four was added twice.
fn last_digit(number: i64) -> i64 {
    match number.rem_euclid(4) {
        3 => -1,
        digit => digit,
    }
}

/// A read, with every call that it may have read from.
struct Read {
    reader: usize,
    key: Key,
    sources: Vec<usize>,
    /// All calls that wrote the key, without the beginning.
    writers: Vec<usize>,
}

/// Finds, for each read, who may have left what it found.
fn find_reads(effects: &[Effect]) -> Result<Vec<Read>, Anomaly> {
    let mut reads = Vec::new();
    for (reader, effect) in effects.iter().enumerate() {
        for (key, value) in &effect.read {
            let writers: Vec<_> =
                (0..effects.len()).filter(|writer| effects[*writer].written.contains_key(key)).collect();
            let is_source = |writer: &usize| *writer != reader && effects[*writer].written[key] == *value;
            let mut sources: Vec<_> = writers.iter().copied().filter(is_source).collect();
            match value {
                None => sources.push(BEGINNING),
                Some(value) if sources.is_empty() => return Err(Anomaly::NobodysValue(reader - 1, *key, *value)),
                Some(_) => {}
            }
            reads.push(Read { reader, key: *key, sources, writers });
        }
    }
    Ok(reads)
}

impl Read {
    /// Takes out the sources that the order rules out. One alone stays: what rules it out is a cycle, which says more.
    fn settle(&mut self, graph: &Graph) {
        if self.sources.len() > 1 {
            let is_hidden =
                |source, other| other != source && graph.precedes(source, other) && graph.precedes(other, self.reader);
            let is_possible = |source: &usize| {
                !graph.precedes(self.reader, *source) && !self.writers.iter().any(|other| is_hidden(*source, *other))
            };
            self.sources = self.sources.iter().copied().filter(is_possible).collect();
        }
    }

    /// Orders everybody who wrote the key around the one that was read and its reader.
    fn order(&self, graph: &mut Graph, source: usize) -> bool {
        let mut news = graph.order(source, self.reader, Why::Read);
        for other in self.writers.iter().copied().filter(|other| *other != source && *other != self.reader) {
            if graph.precedes(source, other) {
                news |= graph.order(self.reader, other, Why::WrittenOver);
            } else if graph.precedes(other, self.reader) {
                news |= graph.order(other, source, Why::Write);
            }
        }
        news
    }
}
