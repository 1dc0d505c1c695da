//! Reads settings one by one from three places, and collects what is wrong instead of stopping at it.
//!
//! A flag wins over the environment, the environment over the file, the file over the default. The reader
//! remembers each key that was asked for: what is left in the end is unknown and refused, and what was asked for is
//! the effective configuration, with the place where each value came from.
//!
//! This module does not know any key.

use std::{collections::BTreeMap, ops::RangeInclusive};

use backplane_auth::SecretString;

use super::{
    lines::Lines,
    place::Place,
    problem::ConfigProblem,
    setting::{Origin, Setting},
    source::Sources,
    value::Value,
};

/// Prefix of the environment variables.
const PREFIX: &str = "BACKPLANE_";

/// The three places, and what was found in them so far.
pub(super) struct Reader {
    file_name: String,
    file: toml::Table,
    lines: Lines,
    tables: Vec<String>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
    /// No setting: it is not shown and has no other place.
    master_key: Option<SecretString>,
    settings: Vec<Setting>,
    problems: Vec<ConfigProblem>,
}

/// One table of the file with its variables; the top level has the empty name.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    name: String,
    table: toml::Table,
    known: Vec<&'static str>,
    /// Whether variables and flags can set its keys.
    overridable: bool,
}

impl Reader {
    /// Reads from `sources`, whose file says `file`.
    pub(super) fn new(sources: Sources, file: toml::Table) -> Self {
        let Sources { file_name, file: text, environment, flags, master_key } = sources;
        let lines = Lines::of(&text);
        let (tables, settings, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { file_name, file, lines, tables, environment, flags, master_key, settings, problems }
    }

    /// Takes the master key that the environment gives.
    pub(super) fn take_master_key(&mut self) -> Option<SecretString> {
        self.master_key.take()
    }

    /// Opens the keys above the first table; called last, because every table that is left by then is unknown.
    pub(super) fn top(&mut self) -> Section<'_> {
        let table = std::mem::take(&mut self.file);
        Section { reader: self, name: String::new(), table, known: Vec::new(), overridable: true }
    }

    /// Opens a table of the file; an absent one is empty.
    pub(super) fn section(&mut self, name: &str) -> Section<'_> {
        let table = self.take_table(name);
        Section { reader: self, name: name.to_owned(), table, known: Vec::new(), overridable: true }
    }

    /// Opens a table that only the file can give, such as `plugin.hello`.
    pub(super) fn file_section(&mut self, name: String, table: toml::Table) -> Section<'_> {
        Section { reader: self, name, table, known: Vec::new(), overridable: false }
    }

    /// Takes a table out of the file; an absent one is empty.
    pub(super) fn take_table(&mut self, name: &str) -> toml::Table {
        self.tables.push(name.to_owned());
        match self.file.remove(name) {
            Some(toml::Value::Table(table)) => table,
            Some(_) => {
                let message = format!("is a table: write its keys under `[{name}]`");
                self.refuse_in_file(name, message);
                toml::Table::new()
            }
            None => toml::Table::new(),
        }
    }

    /// Returns where `key` stands in the table `table` of the file.
    pub(super) fn place(&self, table: &str, key: String) -> Place {
        let path: Vec<_> = table.split('.').chain([key.as_str()]).collect();
        Place { file: self.file_name.clone(), line: self.lines.find(&path), table: table.to_owned(), key }
    }

    /// Notes a problem with a key of the file.
    pub(super) fn refuse_in_file(&mut self, key: &str, message: String) {
        self.problems.push(ConfigProblem { place: format!("{}: {key}", self.file_name), message });
    }

    /// Notes a problem with a value, wherever it came from.
    pub(super) fn refuse(&mut self, key: &str, message: String) {
        let origin = self.settings.iter().find(|setting| setting.key == key).map_or(Origin::Default, |s| s.origin);
        let place = match origin {
            Origin::Flag => format!("--{key}"),
            Origin::Environment => variable(key),
            Origin::File | Origin::Default => format!("{}: {key}", self.file_name),
        };
        self.problems.push(ConfigProblem { place, message });
    }

    /// Returns the settings and the problems, with one for each variable that no key has asked for.
    pub(super) fn finish(mut self) -> (Vec<Setting>, Vec<ConfigProblem>) {
        let known: Vec<_> = self.settings.iter().map(|setting| variable(&setting.key)).collect();
        let known: Vec<_> = known.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
        for name in self.environment.keys().filter(|name| !is_service_link(name)) {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let message = match suggest(rest, known.iter().copied()) {
                _ if rest.starts_with("PLUGIN_") => {
                    format!("settings of one plugin are read from {} only", self.file_name)
                }
                Some(near) => format!("unknown variable; did you mean `{PREFIX}{near}`?"),
                None => "unknown variable; `backplane config` lists the keys".to_owned(),
            };
            self.problems.push(ConfigProblem { place: name.clone(), message });
        }
        (self.settings, self.problems)
    }
}

impl Section<'_> {
    /// Reads a setting.
    pub(super) fn get<T: Value>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or_else(|| {
            self.note(key, Origin::Default, default.to_toml());
            default
        })
    }

    /// Reads a setting that must lie in a range.
    pub(super) fn within<T: Value + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let value = self.get(key, default);
        self.require_within(key, &value, &range);
        value
    }

    /// Reads a setting that has no default and must lie in a range.
    pub(super) fn optional_within<T: Value + PartialOrd>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.optional(key);
        if let Some(value) = &value {
            self.require_within(key, value, &range);
        }
        value
    }

    fn require_within<T: Value + PartialOrd>(&mut self, key: &str, value: &T, range: &RangeInclusive<T>) {
        if !range.contains(value) {
            let [low, high] = [range.start(), range.end()].map(|bound| bound.to_toml());
            self.refuse(key, format!("{} is out of range: write {low} to {high}", value.to_toml()));
        }
    }

    /// Reads a setting that has no default.
    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let path = self.path(key);
        let in_file = self.table.remove(key);
        let (flag, variable_value) = match self.overridable {
            true => (self.reader.flags.remove(&path), self.reader.environment.remove(&variable(&path))),
            false => (None, None),
        };
        let (origin, written, value) = match (flag, variable_value, in_file) {
            (Some(text), _, _) => (Origin::Flag, format!("{text:?}"), T::from_text(&text)),
            (None, Some(text), _) => (Origin::Environment, format!("{text:?}"), T::from_text(&text)),
            (None, None, Some(value)) => (Origin::File, value.to_string(), T::from_toml(&value)),
            (None, None, None) => return None,
        };
        self.note(key, origin, value.as_ref().map_or_else(|| written.clone().into(), Value::to_toml));
        if value.is_none() {
            self.refuse(key, format!("{written} is not understood: write {}", T::EXPECTED));
        }
        value
    }

    /// Takes a table inside this one; an absent one is empty.
    pub(super) fn table(&mut self, key: &'static str) -> toml::Table {
        let table = self.take_table(key);
        if !table.is_empty() {
            self.note(key, Origin::File, toml::Value::Table(table.clone()));
        }
        table
    }

    /// Takes a table of further sections inside this one; an absent one is empty.
    pub(super) fn take_table(&mut self, key: &'static str) -> toml::Table {
        self.known.push(key);
        match self.table.remove(key) {
            Some(toml::Value::Table(table)) => table,
            Some(_) => {
                self.refuse(key, format!("is a table: write its keys under `[{}]`", self.path(key)));
                toml::Table::new()
            }
            None => toml::Table::new(),
        }
    }

    /// Notes a problem with one of the section's keys.
    pub(super) fn refuse(&mut self, key: &str, message: String) {
        let path = self.path(key);
        self.reader.refuse(&path, message);
    }

    /// Refuses a value that is above the maximum of its kind.
    pub(super) fn at_most<T: Value + PartialOrd>(&mut self, key: &str, value: &T, max_key: &str, max: &T) {
        if value > max {
            let (value, max) = (value.to_toml(), max.to_toml());
            self.refuse(
                key,
                format!("{value} is more than `{max_key}`, which is {max}: lower it or raise `{max_key}`"),
            );
        }
    }

    /// Refuses the keys that were not asked for.
    pub(super) fn close(self) {
        let tables = if self.name.is_empty() { self.reader.tables.clone() } else { Vec::new() };
        let known: Vec<_> = self.known.iter().copied().chain(tables.iter().map(String::as_str)).collect();
        for key in self.table.keys() {
            let message = match suggest(key, known.iter().copied()) {
                Some(near) => format!("unknown key; did you mean `{near}`?"),
                None => format!("unknown key; the keys here are {}", known.join(", ")),
            };
            let path = self.path(key);
            self.reader.refuse_in_file(&path, message);
        }
    }

    fn path(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    fn note(&mut self, key: &str, origin: Origin, value: toml::Value) {
        let key = self.path(key);
        self.reader.settings.push(Setting { key, value, origin });
    }
}

/// Returns the variable of a key: `limits.memory_bytes` is `BACKPLANE_LIMITS_MEMORY_BYTES`.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace(['.', '-'], "_").to_uppercase())
}

/// Whether an orchestrator set the variable because a service is called `backplane`.
fn is_service_link(name: &str) -> bool {
    matches!(name, "BACKPLANE_PORT" | "BACKPLANE_SERVICE_HOST" | "BACKPLANE_SERVICE_PORT")
        || name.starts_with("BACKPLANE_PORT_")
        || name.starts_with("BACKPLANE_SERVICE_PORT_")
}

/// Returns the candidate that somebody who wrote `word` probably meant.
fn suggest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().min(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
