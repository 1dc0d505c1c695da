//! Names of files in the plugin folder.
//!
//! A plugin's file is `<plugin>.wasm` or `<plugin>@<version>.wasm`; the version in the name is for people and
//! only the content counts. What uploads and editors leave behind (`.orders.wasm.swp`, `orders.wasm~`,
//! `orders.wasm.part`, `4913`) does not end in `.wasm` or starts with a dot, and is not looked at.

use std::{fmt, sync::Arc};

use backplane_runtime::PluginName;

const WASM: &str = ".wasm";
const SIDECAR: &str = ".toml";

/// Longest version in a file name, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// Name of a file in the plugin folder that ends in `.wasm`.
///
/// It may break the rule for names; then [`FileName::plugin`] is `None` and the file is never opened.
/// Cloning is cheap. Names are ordered as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    text: Arc<str>,
    plugin: Option<PluginName>,
}

impl FileName {
    /// Reads the name of a folder entry; `None` if the entry is none of this host's business.
    pub fn find(entry: &[u8]) -> Option<Self> {
        let suffix = entry.get(entry.len().checked_sub(WASM.len())?..)?;
        if entry.starts_with(b".") || !suffix.eq_ignore_ascii_case(WASM.as_bytes()) {
            return None;
        }
        let name = std::str::from_utf8(entry).ok();
        let plugin = name.and_then(|name| name.strip_suffix(WASM)).and_then(plugin_of_stem);
        let text = match &plugin {
            Some(_) => name?.into(),
            None => printable(entry),
        };
        Some(Self { text, plugin })
    }

    /// Returns the name as text; characters that cannot be printed are replaced.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the plugin that the file is for; `None` if the name breaks the rule.
    pub fn plugin(&self) -> Option<&PluginName> {
        self.plugin.as_ref()
    }

    /// Returns the name of the manifest that may lie beside the file.
    pub(super) fn sidecar(&self) -> String {
        format!("{}{SIDECAR}", stem(&self.text))
    }

    /// Returns a name close to this one that follows the rule.
    pub(super) fn suggestion(&self) -> Option<String> {
        let (name, version) = match stem(&self.text).split_once('@') {
            Some((name, version)) if is_version(version) => (name, format!("@{version}")),
            Some((name, _)) => (name, String::new()),
            None => (stem(&self.text), String::new()),
        };
        let words: Vec<String> = name
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let mut plugin = words.join("-");
        plugin.truncate(PluginName::BYTES_MAX);
        PluginName::new(&plugin).ok().map(|plugin| format!("{plugin}{version}{WASM}"))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Whether an event about this entry can change what the folder says.
pub(super) fn concerns_plugins(entry: &[u8]) -> bool {
    FileName::find(entry).is_some() || (!entry.starts_with(b".") && entry.ends_with(SIDECAR.as_bytes()))
}

fn plugin_of_stem(stem: &str) -> Option<PluginName> {
    match stem.split_once('@') {
        Some((name, version)) if is_version(version) => PluginName::new(name).ok(),
        Some(_) => None,
        None => PluginName::new(stem).ok(),
    }
}

fn is_version(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn stem(text: &str) -> &str {
    text.rsplit_once('.').map_or(text, |(stem, _)| stem)
}

fn printable(entry: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(entry);
    let shown = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().map(shown).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(entry: &str) -> Option<String> {
        FileName::find(entry.as_bytes())?.plugin().map(ToString::to_string)
    }

    #[test]
    fn reads_the_plugin_from_the_name() {
        let longest = "x".repeat(63);
        for (entry, expected) in [
            ("orders.wasm", "orders"),
            ("0rders-2.wasm", "0rders-2"),
            ("orders@1.2.0-rc.1+build.7.wasm", "orders"),
            (&format!("{longest}.wasm"), longest.as_str()),
        ] {
            assert_eq!(plugin(entry).as_deref(), Some(expected), "{entry}");
        }
    }

    #[test]
    fn ignores_what_uploads_and_editors_leave_behind() {
        for entry in [
            "",
            ".wasm",
            ".orders.wasm",
            ".orders.wasm.swp",
            "orders.wasm~",
            "orders.wasm.tmp",
            "orders.wasm.part",
            "orders.wasm.crdownload",
            "4913",
            "orders.toml",
            "README.md",
            "wasm",
        ] {
            assert_eq!(FileName::find(entry.as_bytes()), None, "{entry}");
        }
    }

    #[test]
    fn says_how_to_rename_a_file_that_breaks_the_rule() {
        let too_long = "x".repeat(70);
        for (entry, expected) in [
            ("hello_reused.wasm", Some("hello-reused.wasm")),
            ("Hello World (2).wasm", Some("hello-world-2.wasm")),
            ("orders.WASM", Some("orders.wasm")),
            ("_my_plugin@1.0.wasm", Some("my-plugin@1.0.wasm")),
            ("orders@.wasm", Some("orders.wasm")),
            ("orders@1@2.wasm", Some("orders.wasm")),
            ("orders.tmp.wasm", Some("orders-tmp.wasm")),
            (&format!("{too_long}.wasm"), Some(&format!("{}.wasm", &too_long[..63]))),
            ("___.wasm", None),
            ("é.wasm", None),
        ] {
            let file = FileName::find(entry.as_bytes()).expect("the entry ends in .wasm");
            assert_eq!(file.plugin(), None, "{entry}");
            assert_eq!(file.suggestion().as_deref(), expected, "{entry}");
        }
    }

    #[test]
    fn shows_no_control_characters() {
        let file = FileName::find(b"a\nb\xff\x1b[2J.wasm").expect("the entry ends in .wasm");
        assert_eq!(file.as_str(), "a\u{fffd}b\u{fffd}\u{fffd}[2J.wasm");
        assert_eq!(file.plugin(), None);
    }

    #[test]
    fn groups_the_sidecar_by_stem() {
        let file = FileName::find(b"orders@1.2.wasm").expect("the entry ends in .wasm");
        assert_eq!(file.sidecar(), "orders@1.2.toml");
    }

    #[test]
    fn listens_to_plugins_and_sidecars_only() {
        assert!(concerns_plugins(b"orders.wasm"));
        assert!(concerns_plugins(b"orders.toml"));
        assert!(!concerns_plugins(b".orders.toml"));
        assert!(!concerns_plugins(b"orders.wasm.part"));
    }
}
