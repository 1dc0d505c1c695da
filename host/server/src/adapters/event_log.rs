//! The dispatcher's log of events, as the store has it.

use backplane_events::{BoxFuture, EventLog, FoundEvents, LogPage, LogRead, PortError, Seq};
use backplane_store::{
    Connection, StoreError,
    events::{self as store, event_head, find_events, read_events},
};

use super::{Reading, translate_events};

/// Reads the log for deliveries, in turns of their own.
pub struct StoredEvents(pub Reading);

impl StoredEvents {
    fn ask<'a, T, U, E>(
        &'a self,
        query: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
        translate: impl FnOnce(T) -> Result<U, E> + Send + 'a,
    ) -> BoxFuture<'a, Result<U, PortError>>
    where
        T: Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        Box::pin(async move {
            let found = self.0.read(query).await.map_err(|error| PortError(Box::new(error)))?;
            translate(found).map_err(|error| PortError(Box::new(error)))
        })
    }
}

impl EventLog for StoredEvents {
    fn head(&self) -> BoxFuture<'_, Result<Seq, PortError>> {
        self.ask(event_head, |head| Ok::<_, PortError>(Seq(head)))
    }

    fn read(&self, read: LogRead) -> BoxFuture<'_, Result<LogPage, PortError>> {
        let query = move |connection: &mut Connection| {
            let LogRead { of, after, events_max, bytes_max } = &read;
            let (after, events_max, bytes_max) = (after.0, *events_max, *bytes_max);
            let (lane, topics) = match of {
                Some((lane, pattern)) => (Some(lane.number()), translate_events::topics(pattern.shape())),
                None => (None, store::Topics::All),
            };
            read_events(connection, store::LogRead { lane, topics, after, events_max, bytes_max })
        };
        self.ask(query, translate_events::log_page)
    }

    fn find(&self, places: Vec<Seq>, bytes_max: usize) -> BoxFuture<'_, Result<FoundEvents, PortError>> {
        let places: Vec<i64> = places.into_iter().map(|place| place.0).collect();
        self.ask(move |connection| find_events(connection, &places, bytes_max), translate_events::found_events)
    }
}
