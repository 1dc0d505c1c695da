//! Where a line stands that can turn out to be wrong only when a plugin is loaded.

use std::fmt;

/// One line of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the file is called.
    pub file: String,
    /// Counted from one, where it is known.
    pub line: Option<usize>,
    /// The table that it stands in, such as `plugin.orders.access`.
    pub table: String,
    /// Its key in that table.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, table, key } = self;
        match line {
            Some(line) => write!(f, "{file}:{line}: [{table}] {key:?}"),
            None => write!(f, "{file}: [{table}] {key:?}"),
        }
    }
}
