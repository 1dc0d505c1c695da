//! Where a command gets a password from: the terminal, without showing it, or standard input for scripts.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::{Context as _, ensure};
use backplane_auth::{ExposeSecret as _, PASSWORD_BYTES_MAX, SecretString};

/// What is read of a line at the most: a password that is too long is known to be, and its line end is cut off.
const LINE_BYTES_MAX: u64 = PASSWORD_BYTES_MAX as u64 + 16;

/// Asks for the new password of `account`: twice on a terminal, else as the first line of standard input.
///
/// # Errors
/// When nothing comes, the two differ, or it is not text.
pub(super) fn read_password(account: &str) -> anyhow::Result<SecretString> {
    if io::stdin().is_terminal() { ask_twice(account) } else { read_line(io::stdin().lock()) }
}

fn ask_twice(account: &str) -> anyhow::Result<SecretString> {
    let ask = |prompt: &str| -> anyhow::Result<SecretString> {
        let text = rpassword::prompt_password(prompt).context("failed to ask for the password")?;
        Ok(SecretString::from(text))
    };
    let first = ask(&format!("New password of {account}: "))?;
    let second = ask("The same again: ")?;
    ensure!(first.expose_secret() == second.expose_secret(), "the two passwords differ: nothing was changed");
    Ok(first)
}

fn read_line(input: impl io::BufRead) -> anyhow::Result<SecretString> {
    // Room for all that is read, so that no copy is left behind where the text grew.
    let mut line = Vec::with_capacity(usize::try_from(LINE_BYTES_MAX).unwrap_or_default());
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).context("failed to read the password")?;
    ensure!(
        !line.is_empty(),
        "no password came: run this on a terminal, or write the password to its standard input as one line"
    );
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    // The bytes are not part of the message.
    let text = String::from_utf8(line).map_err(|_bytes| anyhow::anyhow!("the password is not UTF-8 text"))?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: Option<&str>) {
        let read = read_line(input).ok();
        assert_eq!(read.as_ref().map(|password| password.expose_secret()), expected, "{input:?}");
    }

    #[test]
    fn takes_the_first_line_as_it_is() {
        check(b"correct horse\n", Some("correct horse"));
        check(b"correct horse", Some("correct horse"));
        check(b"correct horse\r\nmore\n", Some("correct horse"));
        check(b"  spaces \t\n", Some("  spaces \t"));
        check(b"ends in a return\r", Some("ends in a return\r"));
        check(b"\n", Some(""));
        check("Gr\u{fc}\u{df}e\n".as_bytes(), Some("Gr\u{fc}\u{df}e"));
    }

    #[test]
    fn refuses_nothing_at_all_and_what_is_no_text() {
        check(b"", None);
        check(b"\xff\xfe\n", None);
    }

    #[test]
    fn reads_no_more_than_shows_that_it_is_too_long() {
        let read = read_line(io::BufReader::new(io::repeat(b'x'))).expect("text");
        let length = read.expose_secret().len();
        assert!(length > PASSWORD_BYTES_MAX && length < 2 * PASSWORD_BYTES_MAX, "{length}");
    }
}
