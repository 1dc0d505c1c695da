//! Where in a program its code lies: LLVM's BOLT puts what runs together side by side, and what hardly runs elsewhere
//! (<https://github.com/llvm/llvm-project/tree/main/bolt>).
//!
//! It works on the program that the linker made, so that the C in it, which no compiler's profile reaches, has its part.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use regex::Regex;

use crate::workspace::run;

/// What the compiler is to be told, so that the linker leaves in the program what BOLT needs to move code.
pub(crate) const LINKED: &str = "-Clink-arg=-Wl,--emit-relocs";

/// How the code is laid out: blocks so that few branches are taken, functions so that those which call each other are
/// neighbours, and what did not run at all apart from them.
const LAYOUT: [&str; 5] =
    ["-reorder-blocks=ext-tsp", "-reorder-functions=cdsort", "-split-functions", "-split-all-cold", "-split-eh"];

/// LLVM's BOLT, as it is installed.
pub(crate) struct Bolt {
    /// The folder of its programs. Its own libraries are looked for beside it.
    folder: PathBuf,
}

impl Bolt {
    /// Looks for the newest in the path.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let name = Regex::new(r"^llvm-bolt(-\d+)?$")?;
        // One without a number is what somebody chose.
        let version = |path: &PathBuf| {
            let version = path.to_string_lossy().rsplit_once('-').and_then(|(_, version)| version.parse().ok());
            version.unwrap_or(u32::MAX)
        };
        let newest = which::which_re(name)?.max_by_key(version).context(
            "the code is laid out with llvm-bolt, 19 or newer; on Debian: `apt-get install bolt-19`. `--no-layout` \
             leaves it where the linker put it",
        )?;
        let program = fs::canonicalize(&newest).with_context(|| format!("{} leads nowhere", newest.display()))?;
        let folder = program.parent().with_context(|| format!("{} is in no folder", program.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Makes a program of `server` that writes into `counts` what it ran, each of its processes when it ends.
    pub(crate) fn count(&self, server: &Path, counting: &Path, counts: &Path) -> anyhow::Result<()> {
        let mut bolt = self.program("llvm-bolt");
        bolt.arg(server).arg("-instrument").arg("-o").arg(counting);
        bolt.arg(format!("--instrumentation-file={}", counts.join("process").display()));
        run(bolt.arg("--instrumentation-file-append-pid"))
    }

    /// Makes a program of `server` with its code laid out for what was counted.
    pub(crate) fn lay_out(&self, server: &Path, laid_out: &Path, counts: &Path) -> anyhow::Result<()> {
        let mut merge = self.program("merge-fdata");
        for process in fs::read_dir(counts)? {
            merge.arg(process?.path());
        }
        let counted = laid_out.with_extension("fdata");
        run(merge.arg("-o").arg(&counted))?;
        let mut bolt = self.program("llvm-bolt");
        bolt.arg(server).arg("-o").arg(laid_out).arg("-data").arg(&counted);
        run(bolt.args(LAYOUT))
    }

    /// Makes a command of one of its programs. They tell much that is of no use to anybody else.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.stdout(Stdio::null());
        command
    }
}
