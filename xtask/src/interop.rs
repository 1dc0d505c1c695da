//! `cargo xtask interop`, and the last step of `cargo xtask test`: clients of gRPC that this project did not write.
//!
//! They come from the package registries of Python and Node, in the versions that are written down beside the tests, and
//! are installed into `target/interop`, once. Nobody has to have Python or Node: without them this is skipped, and says
//! so; where `CI` is set that is a failure. This module does not know what is tested.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{
    test::build,
    workspace::{Workspace, announce, run, version_of},
};

/// Builds what the clients call, and runs them.
pub(crate) fn build_and_test(workspace: &Workspace) -> anyhow::Result<()> {
    build(workspace)?;
    test(workspace)
}

/// Runs the clients against what is built.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<()> {
    for language in [Language::python(workspace), Language::node(workspace)] {
        let Language { name, install, mut tests } = language?;
        match install(workspace) {
            Ok(()) => {
                announce(&format!("running clients of gRPC in {name}"));
                run(tests.current_dir(&workspace.root).env("BACKPLANE_TARGET", &workspace.target))?;
            }
            Err(error) if is_required() => return Err(error.context(format!("there is no gRPC in {name}"))),
            Err(error) => announce(&format!("SKIPPED: clients of gRPC in {name}: {error:#}")),
        }
    }
    Ok(())
}

/// Clients in one language.
struct Language {
    name: &'static str,
    install: fn(&Workspace) -> anyhow::Result<()>,
    tests: Command,
}

impl Language {
    fn python(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut tests = Command::new(folder(workspace, "python").join("bin/python"));
        tests.args(["-m", "unittest", "discover", "--start-directory"]).arg(sources(workspace, "python"));
        // Nothing but cargo writes among the sources, and it does not.
        tests.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(Self { name: "Python", install: install_python, tests })
    }

    fn node(workspace: &Workspace) -> anyhow::Result<Self> {
        let sources = sources(workspace, "node");
        let files = fs::read_dir(&sources).with_context(|| format!("{} cannot be listed", sources.display()))?;
        let files: Result<Vec<_>, _> = files.map(|file| file.map(|file| file.path())).collect();
        let mut files = files?;
        files.retain(|file| file.to_string_lossy().ends_with(".test.js"));
        files.sort();
        let mut tests = Command::new("node");
        tests.args(["--test", "--test-reporter=spec"]).args(files);
        tests.env("NODE_PATH", folder(workspace, "node").join("node_modules"));
        Ok(Self { name: "Node", install: install_node, tests })
    }
}

/// Makes an environment of Python's with the packages of `requirements.txt`.
fn install_python(workspace: &Workspace) -> anyhow::Result<()> {
    let version = version_of("python3").context("there is no python3; on Debian: `apt-get install python3-venv`")?;
    let (folder, requirements) = (folder(workspace, "python"), sources(workspace, "python").join("requirements.txt"));
    install_once(&folder, &version, &requirements, || {
        let made = quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        made.context("python3 makes no virtual environment; on Debian: `apt-get install python3-venv`")?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--requirement",
        ]);
        quiet(pip.arg(&requirements))
    })
}

/// Installs the packages of `package-lock.json`.
fn install_node(workspace: &Workspace) -> anyhow::Result<()> {
    let missing = "there is no node 18 or later with npm; on Debian: `apt-get install nodejs npm`";
    let node = version_of("node").filter(|version| major(version).is_some_and(|major| major >= 18));
    let version = node.zip(version_of("npm")).map(|(node, _)| node).context(missing)?;
    let (folder, sources) = (folder(workspace, "node"), sources(workspace, "node"));
    install_once(&folder, &version, &sources.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json"] {
            let (from, to) = (sources.join(file), folder.join(file));
            fs::copy(&from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
        }
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        quiet(Command::new("npm").args(npm).current_dir(&folder))
    })
}

/// Installs into a folder, unless the same list was installed there by the same version before.
fn install_once(
    folder: &Path,
    version: &str,
    list: &Path,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let wanted = fs::read_to_string(list).with_context(|| format!("{} cannot be read", list.display()))?;
    // A virtual environment holds its own path.
    let wanted = format!("{version}\n{}\n{wanted}", folder.display());
    let stamp = folder.join(".installed");
    if fs::read_to_string(&stamp).ok().as_ref() == Some(&wanted) {
        return Ok(());
    }
    announce(&format!("installing what {} lists into {}", list.display(), folder.display()));
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    install()?;
    fs::write(&stamp, wanted).with_context(|| format!("{} cannot be written", stamp.display()))
}

/// Runs a program that has something to say only when it fails.
fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{}", String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

fn folder(workspace: &Workspace, language: &str) -> PathBuf {
    workspace.target.join("interop").join(language)
}

fn sources(workspace: &Workspace, language: &str) -> PathBuf {
    workspace.root.join("tests/interop").join(language)
}

/// Reads the first number of `v20.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Whether these tests must run.
#[expect(clippy::disallowed_methods, reason = "whether this is CI is for whoever starts the tests to say")]
fn is_required() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_number_of_a_version() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("9.2.0"), Some(9));
        assert_eq!(major("none"), None);
    }

    #[test]
    fn installs_once_for_each_version_and_list() {
        let scratch = tempfile::tempdir().expect("a folder can be made");
        let (folder, list) = (scratch.path().join("installed"), scratch.path().join("list"));
        let mut installed = 0;
        let mut install = |version: &str, text: &str| {
            fs::write(&list, text).expect("the folder takes files");
            let act = || {
                installed += 1;
                Ok(())
            };
            install_once(&folder, version, &list, act).expect("nothing fails");
        };
        for (version, text) in [("1", "a"), ("1", "a"), ("2", "a"), ("2", "b"), ("2", "b")] {
            install(version, text);
        }
        assert_eq!(installed, 3);
    }

    #[test]
    fn what_fails_to_install_is_tried_again() {
        let scratch = tempfile::tempdir().expect("a folder can be made");
        let list = scratch.path().join("list");
        fs::write(&list, "a").expect("the folder takes files");
        let folder = scratch.path().join("installed");
        for _ in 0..2 {
            install_once(&folder, "1", &list, || bail!("no network")).expect_err("it fails each time");
        }
        quiet(Command::new("sh").args(["-c", "echo what is wrong; exit 1"])).expect_err("it fails, and says why");
    }
}
