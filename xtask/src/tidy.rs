//! `cargo xtask tidy`: the project's own rules, which no compiler knows.
//!
//! A rule is a function from the repository to what breaks it. Every finding says which file, what is wrong and why
//! that matters, and all are reported at once.

mod arrows;
mod codes;
mod contract;
mod fixtures;
mod source;

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, below the root.
    place: String,
    /// What is wrong, and why it matters.
    message: String,
}

impl Finding {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// What the rules look at.
pub(crate) struct Tree {
    root: PathBuf,
    /// Every `.rs` file below the root: its path below the root, and its text.
    sources: Vec<(String, String)>,
}

type Rule = fn(&Tree) -> anyhow::Result<Vec<Finding>>;

const RULES: &[Rule] = &[source::check, arrows::check, contract::check, codes::check, fixtures::check];

/// Applies every rule to the repository at `root`.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let tree = Tree::read(root)?;
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend(rule(&tree)?);
    }
    if findings.is_empty() {
        eprintln!("==> tidy: {} source files follow the rules", tree.sources.len());
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("{} places break the project's rules", findings.len())
}

impl Tree {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let mut tree = Self { root: root.to_owned(), sources: Vec::new() };
        tree.collect(root)?;
        tree.sources.sort();
        Ok(tree)
    }

    fn collect(&mut self, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let skipped = name == "target" || name.as_encoded_bytes().starts_with(b".");
            if entry.file_type()?.is_dir() && !skipped {
                self.collect(&path)?;
            } else if path.extension() == Some(OsStr::new("rs")) {
                let relative = path.strip_prefix(&self.root)?.to_string_lossy().into_owned();
                self.sources.push((relative, read(&path)?));
            }
        }
        Ok(())
    }

    /// Reads a file below the root; `None` when there is none.
    fn find(&self, path: &str) -> anyhow::Result<Option<String>> {
        let path = self.root.join(path);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
