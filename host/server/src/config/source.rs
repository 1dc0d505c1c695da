//! Where the configuration is read from: the file, the environment and the command line.
//!
//! Nothing else in the server reads the environment.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use backplane_auth::SecretString;

use super::problem::ConfigProblem;

/// Name of the file that is read when none is named.
pub const DEFAULT_FILE: &str = "backplane.toml";

/// The variable that names another file.
const FILE_VARIABLE: &str = "BACKPLANE_CONFIG";

/// The variable with the master key, which is no setting: nothing shows it.
const MASTER_KEY_VARIABLE: &str = "BACKPLANE_MASTER_KEY";

/// Longest configuration file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The three places as text.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What the file is called in messages.
    pub file_name: String,
    /// Contents of the file; empty when there is none.
    pub file: String,
    /// Variables; those that do not start with `BACKPLANE_` do not matter.
    pub environment: BTreeMap<String, String>,
    /// Flags by the key that they override.
    pub flags: BTreeMap<String, String>,
    /// What the environment gives as the key that signing keys are encrypted with.
    pub master_key: Option<SecretString>,
}

impl Sources {
    /// Collects the sources of this process. The file is `file`, else the one that `BACKPLANE_CONFIG` names, else
    /// `backplane.toml` in the working directory if it is there.
    ///
    /// # Errors
    /// When the file that was named is not there, or the file cannot be read.
    pub fn of_process(file: Option<&Path>, flags: BTreeMap<String, String>) -> Result<Self, ConfigProblem> {
        let mut environment: BTreeMap<_, _> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        let master_key = environment.remove(MASTER_KEY_VARIABLE).map(SecretString::from);
        let named = environment.remove(FILE_VARIABLE).map(PathBuf::from);
        let named = file.or(named.as_deref());
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let contents = match read(path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => String::new(),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                return Err(ConfigProblem { place: path.display().to_string(), message });
            }
        };
        Ok(Self { file_name: path.display().to_string(), file: contents, environment, flags, master_key })
    }
}

fn read(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path)
}
