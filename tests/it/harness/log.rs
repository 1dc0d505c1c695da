//! What the server writes, as it writes it.

use std::{
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::wait_until;

/// Lines that a thread collects from one of the server's outputs.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Reads `output` to its end, beside the test.
    pub(super) fn collect(output: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let collected = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                collected.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        lines
    }

    /// Returns all there is, once the output has ended.
    pub(super) fn to_end(&self) -> String {
        wait_until("the output to end", || Arc::strong_count(&self.0) == 1);
        self.all().join("\n")
    }

    /// Returns all lines so far.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
