//! The connections that are open: how many there are, how old they get, and how they end.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{AbortHandle, Id, JoinSet},
    time::{Instant, timeout},
};

use super::unsent::Unsent;
use crate::config::HttpConfig;

/// How long a connection that is asked to end may go on with its requests in flight.
///
/// A stream that is followed for longer is cut: whoever follows it goes on with another connection. Else an HTTP/2
/// client that takes nothing of an answer would keep its connection for ever.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Tasks of the open connections. Dropping it cuts them.
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    /// How many there are, and what their answers are counted by.
    by_origin: HashMap<IpAddr, (u32, Arc<Unsent>)>,
    connections_max: usize,
    connections_per_address_max: u32,
    unsent: Arc<Unsent>,
    answers_per_address_bytes_max: usize,
    age_max: Duration,
    opened: u32,
    refused: u64,
}

/// One open connection.
struct Open {
    origin: IpAddr,
    /// When it is asked to end, and once it was, when it is cut.
    expires: Instant,
    /// Dropping it asks the connection to end with its requests in flight.
    stop: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

impl Connections {
    pub(super) fn new(http: &HttpConfig) -> Self {
        Self {
            tasks: JoinSet::new(),
            open: HashMap::new(),
            by_origin: HashMap::new(),
            connections_max: usize::try_from(http.connections_max).unwrap_or(usize::MAX),
            connections_per_address_max: http.connections_per_address_max,
            unsent: Unsent::of_all(http.answers_bytes_max),
            answers_per_address_bytes_max: http.answers_per_address_bytes_max,
            age_max: http.connection_age_max,
            opened: 0,
            refused: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether the caps leave room for one more connection from `origin`.
    pub(super) fn admit(&mut self, origin: IpAddr) -> bool {
        let from_origin = self.by_origin.get(&origin).map_or(0, |(count, _)| *count);
        let is_free = self.tasks.len() < self.connections_max && from_origin < self.connections_per_address_max;
        if !is_free {
            self.refused += 1;
            // An attacker must not fill the log: the first refusal, the second, the fourth and so on.
            if self.refused.is_power_of_two() {
                let (open, refused) = (self.tasks.len(), self.refused);
                tracing::warn!(%origin, open, from_origin, refused, "too many connections: refused one");
            }
        }
        is_free
    }

    /// Starts a connection's task. It is handed what its answers are counted by, and the signal to end.
    pub(super) fn spawn<F>(&mut self, origin: IpAddr, task: impl FnOnce(Arc<Unsent>, oneshot::Receiver<()>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let max = self.answers_per_address_bytes_max;
        let of_origin = self.by_origin.entry(origin).or_insert_with(|| (0, self.unsent.of_address(max)));
        of_origin.0 += 1;
        let task = self.tasks.spawn(task(of_origin.1.of_connection(), stopped));
        let expires = Instant::now() + self.age_max - self.jitter();
        self.opened = self.opened.wrapping_add(1);
        self.open.insert(task.id(), Open { origin, expires, stop: Some(stop), task });
    }

    /// Waits until a connection has ended and forgets it.
    ///
    /// # Cancel safety
    /// A cancelled call has forgotten no connection.
    pub(super) async fn next_closed(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) if error.is_cancelled() => error.id(),
            Some(Err(error)) => {
                tracing::error!(%error, "a connection's task failed");
                error.id()
            }
            None => return,
        };
        let Some(closed) = self.open.remove(&id) else { return };
        if let Some((count, _)) = self.by_origin.get_mut(&closed.origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&closed.origin);
            }
        }
    }

    /// Asks the connections that have reached their age to end, and cuts those that were asked long ago.
    pub(super) fn retire_old(&mut self) {
        let now = Instant::now();
        for connection in self.open.values_mut().filter(|connection| connection.expires <= now) {
            match connection.stop.take() {
                Some(_) => connection.expires = now + GRACE,
                None => connection.task.abort(),
            }
        }
    }

    /// Asks all connections to end, waits for them, and cuts those that are left after `time_max`.
    pub(super) async fn drain(mut self, time_max: Duration) {
        for connection in self.open.values_mut() {
            connection.stop = None;
        }
        let all_closed = async {
            while !self.is_empty() {
                self.next_closed().await;
            }
        };
        if timeout(time_max, all_closed).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "cut the connections that did not end in time");
            self.tasks.shutdown().await;
        }
    }

    /// Connections that were opened together must not end together: up to a tenth of the age, in 16 steps.
    fn jitter(&self) -> Duration {
        self.age_max / 160 * (self.opened % 16)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        net::Ipv4Addr,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_end_when_it_is_asked_is_cut_in_the_end() {
        let http = HttpConfig { connections_max: 1, ..HttpConfig::default() };
        let (mut connections, origin) = (Connections::new(&http), IpAddr::from(Ipv4Addr::LOCALHOST));
        let is_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked);
        connections.spawn(origin, |_, stop| async move {
            asked.store(stop.await.is_err(), Ordering::Relaxed);
            pending::<()>().await;
        });
        for (waited, is_asked_then) in [(http.connection_age_max / 2, false), (http.connection_age_max, true)] {
            advance(waited).await;
            connections.retire_old();
            tokio::task::yield_now().await;
            assert_eq!(is_asked.load(Ordering::Relaxed), is_asked_then);
            assert!(!connections.admit(origin), "it is still open");
        }
        advance(GRACE).await;
        connections.retire_old();
        connections.next_closed().await;
        assert!(connections.admit(origin));
    }
}
