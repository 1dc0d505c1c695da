//! The administrator of every server of the tests: made once with the program's own commands, then copied.
//!
//! The folder is that of a server that was installed and never started. All servers have the same account and the same
//! signing key, so one token opens all of them; nothing else is shared.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Stopwatch, command::check_runs, put_folder};

/// The administrator's name.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// The password of every account of the tests that has no other.
pub(crate) const PASSWORD: &str = "seven mooses in a lift";

/// How long a token is used: less than half of what it is good for.
const USED_FOR: Duration = Duration::from_mins(25);

/// What every new data folder begins with.
static MADE: Mutex<Option<Made>> = Mutex::new(None);

struct Made {
    /// Names and contents.
    files: Vec<(String, Vec<u8>)>,
    token: String,
    /// Since the token was issued.
    age: Stopwatch,
}

/// Returns a token that every server with the administrator accepts.
#[track_caller]
pub(crate) fn administrators_token() -> String {
    with_made(|made| made.token.clone())
}

/// Makes the data folder of a server that has an administrator.
#[track_caller]
pub(super) fn install_administrator(data: &Path) {
    put_folder(data);
    with_made(|made| write(&made.files, data));
}

#[track_caller]
fn with_made<T>(use_made: impl FnOnce(&Made) -> T) -> T {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_good = made.as_ref().is_some_and(|made| made.age.elapsed() < USED_FOR);
    if !is_good {
        let files = made.take().map(|made| made.files);
        *made = Some(make(files));
    }
    use_made(made.as_ref().expect("it was just made"))
}

/// Issues a token in a folder with these files, or with a new account where there are none.
#[track_caller]
fn make(files: Option<Vec<(String, Vec<u8>)>>) -> Made {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    match files {
        Some(files) => write(&files, folder.path()),
        None => {
            let add = ["user", "add", ADMINISTRATOR, "--role", "admin"];
            check_runs(&add, folder.path(), PASSWORD);
        }
    }
    let token = check_runs(&["token", "issue", "--user", ADMINISTRATOR, "--ttl", "1h"], folder.path(), "");
    Made { files: read(folder.path()), token: token.trim().to_owned(), age: Stopwatch::start() }
}

#[track_caller]
fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be listed"));
    let read = |entry: fs::DirEntry| {
        let contents = fs::read(entry.path()).expect("the folder holds files");
        (entry.file_name().into_string().expect("a name is text"), contents)
    };
    entries.map(read).collect()
}

#[track_caller]
fn write(files: &[(String, Vec<u8>)], folder: &Path) {
    for (name, contents) in files {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name));
        file.and_then(|mut file| file.write_all(contents)).expect("the folder takes files");
    }
}
