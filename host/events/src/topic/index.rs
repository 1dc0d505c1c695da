//! Which subscriptions take an event, without asking each of them.
//!
//! A topic has few segments, so few patterns can match it: itself, and one for each of its beginnings.

use std::{collections::HashMap, sync::Arc};

use super::{Pattern, Shape, Topic};
use crate::dispatcher::Handle;

/// Finds the patterns that match a topic, in a time that depends on the topic's segments and on how many match.
#[derive(Debug, Default)]
pub(crate) struct PatternIndex {
    all: Vec<Handle>,
    exact: HashMap<Arc<str>, Vec<Handle>>,
    below: HashMap<Arc<str>, Vec<Handle>>,
}

impl PatternIndex {
    pub(crate) fn insert(&mut self, pattern: &Pattern, subscriber: Handle) {
        match pattern.shape() {
            Shape::All => self.all.push(subscriber),
            Shape::Exact(topic) => self.exact.entry(topic.into()).or_default().push(subscriber),
            Shape::Below(parent) => self.below.entry(parent.into()).or_default().push(subscriber),
        }
    }

    pub(crate) fn remove(&mut self, pattern: &Pattern, subscriber: Handle) {
        match pattern.shape() {
            Shape::All => self.all.retain(|other| *other != subscriber),
            Shape::Exact(topic) => remove_from(&mut self.exact, topic, subscriber),
            Shape::Below(parent) => remove_from(&mut self.below, parent, subscriber),
        }
    }

    /// Puts the subscribers of every pattern that matches into `found`.
    pub(crate) fn find(&self, topic: &Topic, found: &mut Vec<Handle>) {
        found.extend(&self.all);
        found.extend(self.exact.get(topic.as_str()).into_iter().flatten());
        if self.below.is_empty() {
            return;
        }
        for (end, _) in topic.as_str().match_indices('.') {
            let parent = topic.as_str().get(..end);
            found.extend(parent.and_then(|parent| self.below.get(parent)).into_iter().flatten());
        }
    }
}

fn remove_from(map: &mut HashMap<Arc<str>, Vec<Handle>>, key: &str, subscriber: Handle) {
    if let Some(subscribers) = map.get_mut(key) {
        subscribers.retain(|other| *other != subscriber);
        if subscribers.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::new(text).expect("a topic")
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    #[test]
    fn the_index_finds_what_each_pattern_would() {
        let patterns = ["*", "a", "a.*", "a.b", "a.b.*", "b.*", "a", "ab.*"].map(pattern);
        let mut index = PatternIndex::default();
        for (number, pattern) in patterns.iter().enumerate() {
            index.insert(pattern, Handle(number as u64));
        }
        for removed in [None, Some(0), Some(6), Some(2)] {
            if let Some(number) = removed {
                index.remove(&patterns[number], Handle(number as u64));
            }
            for text in ["a", "a.b", "a.b.c", "a.b.c.d", "b", "b.a", "ab", "ab.c", "c"] {
                let mut found = Vec::new();
                index.find(&topic(text), &mut found);
                found.sort_unstable_by_key(|handle: &Handle| handle.0);
                let gone = |number| match removed {
                    Some(6) => [0, 6].contains(&number),
                    Some(2) => [0, 2, 6].contains(&number),
                    Some(last) => number == last,
                    None => false,
                };
                let expected: Vec<_> = (0..patterns.len())
                    .filter(|number| !gone(*number) && patterns[*number].matches(&topic(text)))
                    .collect();
                let found: Vec<_> = found.into_iter().map(|handle| handle.0 as usize).collect();
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    #[test]
    fn thousands_of_patterns_that_do_not_match_are_not_looked_at() {
        let mut index = PatternIndex::default();
        for number in 0..5000 {
            index.insert(&pattern(&format!("plugin-{number}.*")), Handle(number));
            index.insert(&pattern(&format!("plugin-{number}.created")), Handle(number));
        }
        let mut found = Vec::new();
        index.find(&topic("plugin-77.created"), &mut found);
        assert_eq!(found, [Handle(77), Handle(77)]);
        for number in 0..5000 {
            index.remove(&pattern(&format!("plugin-{number}.*")), Handle(number));
            index.remove(&pattern(&format!("plugin-{number}.created")), Handle(number));
        }
        assert!(index.exact.is_empty() && index.below.is_empty(), "nothing of a removed pattern stays");
    }
}
