//! The copier: a thread that brings what is in the log into the database, so that no commit waits for that.
//!
//! It has a connection of its own. SQLite lets it copy while others read and write; only one may copy at a time, and what
//! is written meanwhile is left for the next time. A copy that fails is made again when the next one is asked for: what
//! is written is safe all the same.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use diesel::prelude::*;

use super::message;
use crate::{
    connection::{WriterSettings, close},
    error::StoreError,
    statement::CopyLog,
};

/// The writer's side. Dropping it ends the thread, after the copy that it is at.
pub(super) struct Copier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    task: Mutex<Task>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Task {
    #[default]
    None,
    Copy,
    End,
}

impl Copier {
    /// Starts the thread. It opens its connection when it is asked for the first copy.
    pub(super) fn start(settings: WriterSettings) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("store-copier".into()).spawn(move || run(&settings, &of_thread));
        let thread = thread.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a copy of what the log has now. Waits for nothing, and does nothing while one is being made.
    pub(super) fn ask(&self) {
        let mut task = self.shared.task();
        if *task == Task::None {
            *task = Task::Copy;
            self.shared.changed.notify_all();
        }
    }

    /// Returns whether nothing is being copied.
    pub(super) fn is_idle(&self) -> bool {
        *self.shared.task() == Task::None
    }

    /// Waits until nothing is being copied.
    pub(super) fn wait(&self) {
        drop(self.shared.wait_while(Task::Copy));
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        *self.shared.task() = Task::End;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn task(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, unwanted: Task) -> MutexGuard<'_, Task> {
        self.changed.wait_while(self.task(), |task| *task == unwanted).unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy was made, or was not.
    fn note_done(&self) {
        let mut task = self.task();
        if *task == Task::Copy {
            *task = Task::None;
        }
        self.changed.notify_all();
    }
}

fn run(settings: &WriterSettings, shared: &Shared) {
    let mut connection = None;
    while *shared.wait_while(Task::None) == Task::Copy {
        let copied = catch_unwind(AssertUnwindSafe(|| copy(settings, &mut connection)));
        let error = match copied {
            Ok(copied) => copied.err().map(|error| error.to_string()),
            Err(panic) => Some(message(panic.as_ref())),
        };
        if let Some(error) = error {
            tracing::warn!(error, "the log is not copied into the database, which is whole all the same");
            connection.take().into_iter().for_each(close);
        }
        shared.note_done();
    }
    connection.into_iter().for_each(close);
}

fn copy(
    settings: &WriterSettings,
    connection: &mut Option<SqliteConnection>,
) -> Result<(), Box<dyn std::error::Error>> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(settings.open()?),
    };
    let _frames: (i64, i64, i64) = CopyLog.get_result(connection)?;
    Ok(())
}
