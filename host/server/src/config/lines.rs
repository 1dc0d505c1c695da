//! On which line of the file a key stands, for messages that come long after the file was read.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The line of every key, by the keys of the tables around it.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<Vec<String>, usize>);

impl Lines {
    /// Finds the keys of a file. One that is not TOML has none.
    pub(super) fn of(file: &str) -> Self {
        let mut lines = Self::default();
        if let Ok(table) = DeTable::parse(file) {
            let ends: Vec<_> = file.match_indices('\n').map(|(end, _)| end).collect();
            lines.collect(&[], table.get_ref(), &ends);
        }
        lines
    }

    fn collect(&mut self, above: &[String], table: &DeTable<'_>, ends: &[usize]) {
        for (key, value) in table {
            let path = [above, &[key.get_ref().to_string()]].concat();
            if let DeValue::Table(inner) = Spanned::get_ref(value) {
                self.collect(&path, inner, ends);
            }
            self.0.insert(path, ends.partition_point(|end| *end < key.span().start) + 1);
        }
    }

    /// Returns the line of a key, counted from one.
    pub(super) fn find(&self, path: &[&str]) -> Option<usize> {
        let path: Vec<_> = path.iter().map(ToString::to_string).collect();
        self.0.get(&path).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn finds_a_key_however_it_is_written() {
        let lines =
            Lines::of("a = 1\n\n[plugin.x.access]\n'*' = 'b'\n\"GET /\" = {\n  roles = ['r'] }\nplugin.y = 1\n");
        assert_eq!(lines.find(&["a"]), Some(1));
        assert_eq!(lines.find(&["plugin", "x", "access", "*"]), Some(4));
        assert_eq!(lines.find(&["plugin", "x", "access", "GET /"]), Some(5));
        assert_eq!(lines.find(&["plugin", "x", "access", "GET /", "roles"]), Some(6));
        assert_eq!(lines.find(&["plugin", "x"]), Some(3));
        assert_eq!(lines.find(&["plugin", "z"]), None);
        assert_eq!(Lines::of("a = ").find(&["a"]), None);
    }
}
