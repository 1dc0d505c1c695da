//! `cargo xtask run`: the server with the first-party plugins.

use std::{convert::Infallible, os::unix::process::CommandExt as _, process::Command};

use anyhow::Context as _;

use crate::{
    components,
    workspace::{Workspace, announce},
};

/// Builds, and becomes the server: Ctrl-C and every other signal go to it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    components::build_plugins(workspace)?;
    announce("building the server; the first time takes a while");
    workspace.cargo(["build", "--package", "backplane"])?;
    announce("serving until Ctrl-C; in another terminal, try: curl http://127.0.0.1:8080/hello/Ada");
    serve(workspace, arguments).map(|never| match never {})
}

fn serve(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<Infallible> {
    let program = workspace.target.join("debug/backplane");
    let mut server = Command::new(&program);
    server.arg("serve");
    // A folder that the caller names comes in place of the demo's, and not besides it.
    for (flag, folder) in [("--plugins", "plugins"), ("--data", "data")] {
        let is_flag = |argument: &&String| *argument == flag || argument.starts_with(&format!("{flag}="));
        if arguments.iter().find(is_flag).is_none() {
            server.arg(flag).arg(workspace.target.join(folder));
        }
    }
    let error = server.args(arguments).current_dir(&workspace.root).exec();
    Err(error).with_context(|| format!("{} does not start", program.display()))
}
