//! How many rows of retries there are, and for how many there is room.
//!
//! All plugins share one bound, and one of them has half of it at most: however many of its subscriptions fail, those
//! of the others find room and go on.

use std::{collections::HashMap, sync::Arc};

/// Rows of retries of all subscriptions, those included that work on its way may add.
#[derive(Debug, Default)]
pub(super) struct Rows {
    all: usize,
    /// Those of each plugin that has any.
    by_plugin: HashMap<Arc<str>, usize>,
}

impl Rows {
    /// A part of a plugin's rows is `after` now, and was `before`.
    pub(super) fn change(&mut self, plugin: &Arc<str>, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.all = self.all + after - before;
        let own = self.by_plugin.entry(Arc::clone(plugin)).or_default();
        *own = *own + after - before;
        if *own == 0 {
            self.by_plugin.remove(plugin);
        }
    }

    /// Returns for how many more of a plugin's rows there is room, where there may be `max` in all.
    pub(super) fn room(&self, plugin: &str, max: usize) -> usize {
        let own = self.by_plugin.get(plugin).copied().unwrap_or(0);
        (max / 2).saturating_sub(own).min(max.saturating_sub(self.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plugin_has_half_and_all_have_what_there_is() {
        let (mut rows, [a, b, c]) = (Rows::default(), ["a", "b", "c"].map(Arc::<str>::from));
        rows.change(&a, 0, 7);
        assert_eq!([rows.room("a", 20), rows.room("b", 20)], [3, 10]);
        rows.change(&b, 0, 10);
        assert_eq!([rows.room("a", 20), rows.room("b", 20), rows.room("c", 20)], [3, 0, 3]);
        // What was there before this process may be more than there is room for.
        rows.change(&c, 0, 40);
        assert_eq!([rows.room("a", 20), rows.room("c", 20)], [0, 0]);
        rows.change(&c, 40, 2);
        assert_eq!([rows.room("a", 20), rows.room("c", 20)], [1, 1]);
        for (plugin, count) in [(&a, 7), (&b, 10), (&c, 2)] {
            rows.change(plugin, count, 0);
        }
        assert!(rows.all == 0 && rows.by_plugin.is_empty(), "{rows:?}");
    }
}
