//! `backplane new`: a plugin to start from, that builds and passes its tests as it stands.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use backplane_runtime::PluginName;
use clap::Args;

/// Arguments of `backplane new`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  backplane new hello && cd hello && cargo test && backplane build")]
pub struct NewArgs {
    /// Name of the plugin: 1 to 63 of a-z, 0-9 and `-`, starting with a letter
    pub name: String,
    /// Directory to write to [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Directory of the SDK's source [default: the checkout that this program was built from, else the published SDK]
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// The files of a plugin; `{{name}}`, `{{module}}` and `{{sdk}}` are filled in.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../templates/plugin/Cargo.toml")),
    ("src/lib.rs", include_str!("../../templates/plugin/src/lib.rs")),
    (".cargo/config.toml", include_str!("../../templates/plugin/cargo/config.toml")),
    ("README.md", include_str!("../../templates/plugin/README.md")),
    (".gitignore", include_str!("../../templates/plugin/gitignore")),
];

/// The SDK of the checkout that this program was built from; it may be gone.
const SDK_OF_CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk");

/// Words that cannot name a module (The Rust Reference, "Keywords").
const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while",
];

/// Writes the plugin.
///
/// # Errors
/// When the name cannot be used, or the directory holds something.
pub fn run(args: &NewArgs) -> anyhow::Result<()> {
    let name = PluginName::new(&args.name)?;
    let module = module_name(&name)?;
    let sdk = sdk_dependency(args.sdk.as_deref())?;
    let directory = args.dir.clone().unwrap_or_else(|| name.as_str().into());
    let is_free = std::fs::read_dir(&directory).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_free, "{} is not empty: choose another place with --dir", directory.display());
    for (path, template) in FILES {
        let path = directory.join(path);
        let text = template.replace("{{name}}", name.as_str()).replace("{{module}}", &module).replace("{{sdk}}", &sdk);
        write(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("Wrote the plugin `{name}` to {}. Next:", directory.display());
    println!("  cd {} && cargo test && backplane build", directory.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, text)
}

fn module_name(name: &PluginName) -> anyhow::Result<String> {
    let module = name.as_str().replace('-', "_");
    ensure!(!module.starts_with(|first: char| first.is_ascii_digit()), "`{name}` starts with a digit: a crate cannot");
    ensure!(!KEYWORDS.contains(&module.as_str()), "`{name}` is a word of the language: choose another name");
    Ok(module)
}

/// Returns the value of the dependency on the SDK, as TOML.
fn sdk_dependency(named: Option<&Path>) -> anyhow::Result<String> {
    let path = match named {
        Some(path) => {
            let path = path.canonicalize().with_context(|| format!("failed to find the SDK at {}", path.display()))?;
            ensure!(path.join("Cargo.toml").is_file(), "{} is not the SDK: it has no Cargo.toml", path.display());
            Some(path)
        }
        None => Path::new(SDK_OF_CHECKOUT).canonicalize().ok().filter(|path| path.join("Cargo.toml").is_file()),
    };
    let version = toml::Value::from(env!("CARGO_PKG_VERSION"));
    Ok(match path {
        Some(path) => format!("{{ path = {} }}", toml::Value::from(path.display().to_string())),
        None => version.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_plugin(name: &str, dir: &Path) -> anyhow::Result<()> {
        run(&NewArgs { name: name.to_owned(), dir: Some(dir.to_owned()), sdk: None })
    }

    #[test]
    fn writes_every_file_with_nothing_left_to_fill_in() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directory = root.path().join("deep/shop-orders");
        write_plugin("shop-orders", &directory).expect("written");
        for (path, _) in FILES {
            let text = std::fs::read_to_string(directory.join(path)).expect("written");
            assert!(!text.contains("{{"), "{path}: {text}");
        }
        let manifest: toml::Table =
            std::fs::read_to_string(directory.join("Cargo.toml")).expect("written").parse().expect("TOML");
        assert_eq!(manifest["package"]["name"].as_str(), Some("shop-orders"));
        assert!(std::fs::read_to_string(directory.join("src/lib.rs")).expect("written").contains("mod shop_orders {"));
    }

    #[test]
    fn leaves_a_directory_that_holds_something_alone() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("mine"), "").expect("written");
        let error = write_plugin("hello", root.path()).expect_err("not empty");
        assert!(error.to_string().contains("--dir"), "{error}");
        assert_eq!(std::fs::read_dir(root.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn refuses_names_that_rust_cannot_have() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for name in ["0rders", "match", "Hello", "a_b", ""] {
            assert!(write_plugin(name, &root.path().join("p")).is_err(), "{name}");
        }
    }
}
