//! Queries of the host beside the requests: on threads that may wait, and on no more of them than can read at once.

use std::sync::Arc;

use backplane_store::{Connection, Store, StoreError};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Reads the store without a thread that waits for its turn.
#[derive(Clone)]
pub struct Reading {
    store: Arc<Store>,
    turns: Arc<Semaphore>,
}

impl Reading {
    /// Reads `store`, with so many queries at a time. Clones share the turns; the turns of all together are no more than
    /// the store runs at a time.
    pub fn new(store: Arc<Store>, queries_max: usize) -> Self {
        Self { store, turns: Arc::new(Semaphore::new(queries_max)) }
    }

    /// Runs a query on one snapshot.
    ///
    /// # Errors
    /// As `query`, and when the database cannot be read.
    ///
    /// # Cancel safety
    /// A query that was begun runs to its end.
    pub async fn read<T, E>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| StoreError::Unknown)?;
        let store = Arc::clone(&self.store);
        let read = spawn_blocking(move || {
            let _turn = turn;
            store.read(query)
        });
        read.await.map_err(|_panicked| StoreError::Unknown)?
    }
}
