//! Commands of the program, run to their end.

use std::{
    io::{ErrorKind, Write as _},
    path::Path,
    process::{Output, Stdio},
};

use super::backplane;

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// What it said to standard output.
    pub(crate) stdout: String,
    /// What it said to standard error.
    pub(crate) stderr: String,
}

/// Runs a command on a data folder, with `input` on its standard input and nothing of this environment.
#[track_caller]
pub(crate) fn run(arguments: &[&str], data: &Path, input: &str) -> Ran {
    // No configuration lies where the tests run.
    let elsewhere = tempfile::tempdir().expect("there is room for temporary files");
    let mut command = backplane();
    command.args(arguments).arg("--data").arg(data).env_clear().current_dir(elsewhere.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    match stdin.write_all(input.as_bytes()) {
        // A command that reads nothing has ended already.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.expect("a pipe takes bytes"),
    }
    drop(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the command is a child of the test");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ran { code: status.code(), stdout, stderr }
}

/// Runs a command that must succeed, and returns what it says to standard output.
#[track_caller]
pub(crate) fn check_runs(arguments: &[&str], data: &Path, input: &str) -> String {
    let ran = run(arguments, data, input);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    ran.stdout
}

/// Runs a command that must refuse, and checks that it says all of `reasons` and nothing on standard output.
#[track_caller]
pub(crate) fn check_refuses(arguments: &[&str], data: &Path, input: &str, reasons: &[&str]) {
    let ran = run(arguments, data, input);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments:?}: {ran:?}");
    for reason in reasons {
        assert!(ran.stderr.contains(reason), "{arguments:?}: no `{reason}` in {}", ran.stderr);
    }
}
