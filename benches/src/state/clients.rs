//! Clients over HTTP/1.1 that ask to count, each on a connection of its own and with another key each time.
//!
//! `h2load` sends every client through its list of paths in the same order, so that all of them would ask for the same
//! key at once; these pick by chance. They run in one thread, as `h2load` does. No request is cut off at the end: each
//! is confirmed or failed, so that what was confirmed can be compared with what is stored.

use std::rc::Rc;

use tokio::{sync::Barrier, task::LocalSet};

use super::keys::{Chance, Load};
use crate::{
    caller::Caller,
    program::now,
    tally::{Tally, Window},
};

/// Asks `address` for `<mount>/bump/<key>` until the load's time is over.
pub(super) fn apply(address: &str, mount: &str, load: &Load) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        // All are connected before one of them asks.
        let ready = Rc::new(Barrier::new(load.clients));
        let clients: Vec<_> = (0..load.clients)
            .map(|number| {
                let client = Client { prefix: format!("POST {mount}/bump/"), address: address.to_owned(), number };
                tokio::task::spawn_local(client.run(*load, Rc::clone(&ready)))
            })
            .collect();
        let mut all = Tally::default();
        for client in clients {
            all.add(client.await??);
        }
        Ok(all)
    })
}

struct Client {
    /// The request's first line up to the key.
    prefix: String,
    address: String,
    number: usize,
}

impl Client {
    async fn run(self, load: Load, ready: Rc<Barrier>) -> anyhow::Result<Tally> {
        let mut caller = Caller::open(&self.address).await?;
        ready.wait().await;
        let (window, mut chance) = (Window::open(&load.span), Chance::of(self.number));
        let mut tally = Tally::default();
        while !window.is_over() {
            let key = load.keys.pick(&mut chance);
            let request =
                format!("{}{key} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", self.prefix, self.address);
            let began = now();
            let status = caller.ask(request.as_bytes()).await?;
            tally.note(&window, began, status == 200);
        }
        Ok(tally)
    }
}
