//! Somebody who can sign in to the demo in `target/data`: the product itself has no account that anybody knows.
//!
//! The password is made here, at random, and kept beside the data for the next time.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, bail};

use crate::workspace::{Workspace, announce};

/// The account's name.
const NAME: &str = "demo";
/// Random bytes of its password.
const PASSWORD_BYTES: usize = 9;

/// The account.
pub(crate) struct Demo {
    program: PathBuf,
    data: PathBuf,
    password: String,
}

impl Demo {
    /// Makes the account where it is missing.
    pub(crate) fn prepare(workspace: &Workspace) -> anyhow::Result<Self> {
        let (program, data) = (workspace.server(), workspace.target.join("data"));
        let file = workspace.target.join("demo-password");
        let kept = fs::read_to_string(&file).ok().map(|text| text.trim().to_owned());
        let is_new = kept.is_none();
        let password = match kept {
            Some(password) => password,
            None => create_password(&file).with_context(|| format!("{} cannot be written", file.display()))?,
        };
        let demo = Self { program, data, password };
        demo.ensure(is_new)?;
        Ok(demo)
    }

    /// Says how to sign in.
    pub(crate) fn announce(&self, address: &str) {
        let Self { program, data, password } = self;
        let (program, data) = (program.display(), data.display());
        announce(&format!("the administrator of this demo is `{NAME}`, with the password `{password}`; sign in:"));
        eprintln!(
            "    curl http://{address}/api/auth/login --json '{{\"name\":\"{NAME}\",\"password\":\"{password}\"}}'"
        );
        announce("or take a token for a script:");
        eprintln!("    curl http://{address}/api/plugins \\");
        eprintln!("      -H \"authorization: Bearer $({program} token issue --user {NAME} --data {data})\"");
    }

    /// Adds the account. One that is there has this password already, unless that is new.
    fn ensure(&self, is_new: bool) -> anyhow::Result<()> {
        let added = self.run(&["user", "add", NAME, "--role", "admin"])?;
        let exists = String::from_utf8_lossy(&added.stderr).contains("exists");
        if added.status.success() || (exists && !is_new) {
            return Ok(());
        }
        let set = if exists { self.run(&["user", "password", NAME])? } else { added };
        if set.status.success() {
            return Ok(());
        }
        bail!("the demo's account cannot be made: {}", String::from_utf8_lossy(&set.stderr).trim())
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data").arg(&self.data);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = || -> std::io::Result<Output> {
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                writeln!(input, "{}", self.password)?;
            }
            child.wait_with_output()
        };
        run().with_context(|| format!("{} does not run", self.program.display()))
    }
}

/// Makes a password that only this user can read.
fn create_password(file: &Path) -> anyhow::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut password = String::new();
    for byte in bytes {
        write!(password, "{byte:02x}")?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(file, "{password}")?;
    Ok(password)
}
