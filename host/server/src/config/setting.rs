//! One line of the effective configuration: a key, its value, and where the value came from.

use std::fmt::Write;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File,
    /// A `BACKPLANE_*` variable.
    Environment,
    /// The command line.
    Flag,
}

/// One value in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key with its section: `limits.memory_bytes`.
    pub key: String,
    /// The value, as it would stand in the file.
    pub value: toml::Value,
    /// Where the value came from.
    pub origin: Origin,
}

/// Writes settings as a configuration file; a comment names the origin of each value that is not the default.
pub fn render(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut open = "";
    for wants_top in [true, false] {
        for setting in settings.iter().filter(|setting| setting.key.contains('.') != wants_top) {
            let (section, key) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
            if section != open {
                open = section;
                let _ = write!(text, "\n[{section}]\n");
            }
            let origin = match setting.origin {
                Origin::Default => "",
                Origin::File => "  # file",
                Origin::Environment => "  # environment",
                Origin::Flag => "  # command line",
            };
            let _ = writeln!(text, "{key} = {}{origin}", setting.value);
        }
    }
    text
}
