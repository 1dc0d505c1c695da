//! `cargo xtask run`: the server with the first-party plugins, and somebody who can sign in to it.

use std::{convert::Infallible, os::unix::process::CommandExt as _, process::Command};

use anyhow::Context as _;

use crate::{
    components,
    demo::Demo,
    workspace::{Workspace, announce},
};

/// Builds, and becomes the server: Ctrl-C and every other signal go to it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    components::build_plugins(workspace)?;
    announce("building the server; the first time takes a while");
    workspace.cargo(["build", "--package", "backplane"])?;
    let address = find(arguments, "--listen").unwrap_or("127.0.0.1:8080");
    announce(&format!("serving until Ctrl-C; in another terminal, try: curl http://{address}/hello/Ada"));
    // Whoever brings a folder of their own has their own accounts in it.
    if find(arguments, "--data").is_none() {
        Demo::prepare(workspace)?.announce(address);
    }
    serve(workspace, arguments).map(|never| match never {})
}

fn serve(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<Infallible> {
    let program = workspace.server();
    let mut server = Command::new(&program);
    server.arg("serve");
    // A folder that the caller names comes in place of the demo's, and not besides it.
    for (flag, folder) in [("--plugins", "plugins"), ("--data", "data")] {
        if find(arguments, flag).is_none() {
            server.arg(flag).arg(workspace.target.join(folder));
        }
    }
    let error = server.args(arguments).current_dir(&workspace.root).exec();
    Err(error).with_context(|| format!("{} does not start", program.display()))
}

/// Returns the value of a flag, written as `--flag value` or `--flag=value`.
fn find<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = |(index, argument): (usize, &'a String)| match argument.strip_prefix(flag)? {
        // A flag without a value is the server's to refuse.
        "" => Some(arguments.get(index + 1).map_or("", String::as_str)),
        rest => rest.strip_prefix('='),
    };
    arguments.iter().enumerate().find_map(at)
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_flag_however_it_is_written() {
        let find = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            super::find(&arguments, "--data").map(str::to_owned)
        };
        assert_eq!(find(&["--listen", "a", "--data", "b"]).as_deref(), Some("b"));
        assert_eq!(find(&["--data=b"]).as_deref(), Some("b"));
        assert_eq!(find(&["--data"]).as_deref(), Some(""));
        assert_eq!(find(&["--database", "b"]), None);
    }
}
