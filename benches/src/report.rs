//! What was measured, beside what was promised.

use serde::Serialize;

/// One measured figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Which benchmark.
    pub(crate) group: &'static str,
    /// What was measured.
    pub(crate) name: String,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What was promised, when something was.
    pub(crate) bound: Option<Bound>,
}

/// A promise.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// The figure must not be lower.
    AtLeast(f64),
    /// The figure must not be higher.
    AtMost(f64),
}

impl Bound {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// All rows, printed as they come.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    prints: bool,
}

impl Report {
    /// Makes an empty report that prints each row, or none.
    pub(crate) fn new(prints: bool) -> Self {
        Self { rows: Vec::new(), prints }
    }

    /// Adds a figure without a promise.
    pub(crate) fn add(&mut self, group: &'static str, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Row { group, name: name.into(), value, unit, bound: None });
    }

    /// Adds a figure with its promise.
    pub(crate) fn add_bound(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        bound: Bound,
    ) {
        self.push(Row { group, name: name.into(), value, unit, bound: Some(bound) });
    }

    fn push(&mut self, row: Row) {
        if self.prints {
            let verdict = match row.bound {
                None => String::new(),
                Some(bound) => {
                    let (sign, promised) = match bound {
                        Bound::AtLeast(promised) => (">=", promised),
                        Bound::AtMost(promised) => ("<=", promised),
                    };
                    let verdict = if bound.is_reached(row.value) { "reached" } else { "MISSED" };
                    format!("  {sign} {promised} {verdict}")
                }
            };
            println!("{:<11} {:<44} {:>12} {:<5}{verdict}", row.group, row.name, figure(row.value), row.unit);
        }
        self.rows.push(row);
    }

    /// Returns all rows as JSON.
    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.rows)?)
    }
}

fn figure(value: f64) -> String {
    if value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Returns the value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
