//! `cargo xtask test`: everything, from nothing.

use crate::{
    components, tidy,
    workspace::{Workspace, announce},
};

/// What is built and tested here: everything but the guests, which run in a host only.
const SELECTION: [&str; 3] = ["--workspace", "--exclude", "backplane-guests"];

/// Checks the rules, builds what the black-box tests start, and runs every test.
pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    tidy::check(&workspace.root)?;
    components::build_plugins(workspace)?;
    components::build_guests(workspace)?;
    // All targets at once, and the same selection twice: another one would turn on other features of the
    // dependencies, and compile them a second time.
    announce("building the server and the tests; the first time takes a while");
    workspace.cargo(["build", "--all-targets"].into_iter().chain(SELECTION))?;
    announce("running the tests");
    let arguments = arguments.iter().map(String::as_str);
    workspace.cargo(std::iter::once("test").chain(SELECTION).chain(arguments))
}
