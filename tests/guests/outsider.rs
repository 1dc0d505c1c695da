//! Looks for a way out: files, environment, arguments, input.

#[backplane_sdk::plugin]
mod outsider {
    use std::{env, fs, io::Read};

    use backplane_sdk::prelude::*;
    use serde::Serialize;

    /// What the guest found.
    #[derive(Serialize)]
    struct Found {
        /// Files that it could open or list.
        files: Vec<&'static str>,
        /// Names of environment variables.
        variables: Vec<String>,
        /// Command line.
        arguments: Vec<String>,
        /// Bytes of standard input.
        input_bytes: usize,
        /// Whether it could write a file.
        wrote: bool,
    }

    /// Looks around.
    #[get("/", public)]
    #[expect(clippy::disallowed_methods, reason = "the guest must find no environment")]
    fn look() -> Json<Found> {
        let places = ["/", ".", "/etc/passwd", "/proc/self/environ", "../backplane.toml"];
        let opens = |place: &&'static str| fs::read(place).is_ok() || fs::read_dir(place).is_ok();
        let mut input = Vec::new();
        let read = std::io::stdin().read_to_end(&mut input).unwrap_or_default();
        Json(Found {
            files: places.into_iter().filter(opens).collect(),
            variables: env::vars().map(|(name, _)| name).collect(),
            arguments: env::args().collect(),
            input_bytes: read,
            wrote: fs::write("/tmp/from-a-guest", "hello").is_ok(),
        })
    }
}
