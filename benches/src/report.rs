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
    /// What was measured along with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<Beside>,
}

/// A figure that stands in the row of another one.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    name: &'static str,
    /// Absent when this machine or this program cannot tell.
    value: Option<f64>,
    unit: &'static str,
}

impl Beside {
    /// Names a figure.
    pub(crate) fn new(name: &'static str, value: impl Into<Option<f64>>, unit: &'static str) -> Self {
        Self { name, value: value.into().filter(|value| value.is_finite()), unit }
    }

    fn printed(&self) -> String {
        let value = match self.value {
            None => "n/a".to_owned(),
            Some(whole) if whole.fract() == 0.0 => format!("{whole:.0}"),
            Some(value) => figure(value),
        };
        let value = format!("{value} {}", self.unit);
        format!("{} {:<9}", self.name, value.trim_end())
    }
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
        self.add_beside(group, name, (value, unit), Vec::new());
    }

    /// Adds a figure without a promise, and others in its row.
    pub(crate) fn add_beside(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        beside: Vec<Beside>,
    ) {
        self.push(Row { group, name: name.into(), value, unit, bound: None, beside });
    }

    /// Adds a figure with its promise.
    pub(crate) fn add_bound(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        bound: Bound,
    ) {
        self.push(Row { group, name: name.into(), value, unit, bound: Some(bound), beside: Vec::new() });
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
            let beside: String = row.beside.iter().map(|beside| format!("  {}", beside.printed())).collect();
            println!("{:<11} {:<44} {:>12} {:<5}{verdict}{beside}", row.group, row.name, figure(row.value), row.unit);
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
