//! `cargo xtask test`: everything, from nothing.

use std::ffi::OsStr;

use crate::{
    components, interop, miri, tidy,
    workspace::{Workspace, announce, run},
};

/// What is built and tested here: everything but the guests, which run in a host only.
const SELECTION: [&str; 3] = ["--workspace", "--exclude", "backplane-guests"];

/// Checks the rules, builds what the black-box tests start, and runs every test.
pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    tidy::check(&workspace.root)?;
    build(workspace)?;
    announce("running the tests");
    if !arguments.is_empty() {
        // Who asks for some tests by their names does not ask for what follows.
        return run_tests(workspace, arguments);
    }
    // The black-box tests are the last: what fails is told about at the end of a program's tests, and stands where a long
    // output is looked at.
    let kinds: [&[&str]; 3] = [&["--doc"], &["--lib", "--bins"], &["--test", "*"]];
    kinds.map(|kind| run_tests(workspace, kind)).into_iter().collect::<anyhow::Result<()>>()?;
    interop::test(workspace)?;
    miri::test(workspace)
}

fn run_tests(workspace: &Workspace, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<()> {
    let mut command = workspace.cargo_command();
    command
        .args(["test", "--no-fail-fast"])
        .args(SELECTION)
        .args(arguments)
        .env("RUST_TEST_THREADS", threads().to_string());
    run(&mut command)
}

/// Builds what is tested, and what it starts.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    components::build_plugins(workspace)?;
    components::build_guests(workspace)?;
    // All targets at once, and the same selection twice: another one would turn on other features of the
    // dependencies, and compile them a second time.
    announce("building the server and the tests; the first time takes a while");
    workspace.cargo(["build", "--all-targets"].into_iter().chain(SELECTION))
}

/// Most black-box tests wait for another process most of the time. `-- --test-threads` says otherwise.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}
