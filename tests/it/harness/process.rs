//! A process that a test started. It ends with the value, however the test ends.

use std::{
    ops::{Deref, DerefMut},
    process::{Child, Command},
};

/// A process of a test.
pub(super) struct Process(Child);

impl Process {
    /// Starts a command.
    #[track_caller]
    pub(super) fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the server's binary starts"))
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // No test waits for a server that it is done with.
            let _gone = self.0.kill();
            let _status = self.0.wait();
        }
    }
}
