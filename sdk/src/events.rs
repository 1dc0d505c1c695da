//! Events: publishing them, and handling those that others have published.
//!
//! An event that a handler publishes is part of its transaction: committed with what it writes, or not at all. From
//! then on it is never lost. Every subscription whose pattern matches its topic handles it, once in effect, and events
//! of one key in their order.
//!
//! ```
//! #[backplane_sdk::plugin(publishes("orders.created"))]
//! mod orders {
//!     use backplane_sdk::prelude::*;
//!     use serde::{Deserialize, Serialize};
//!
//!     const CREATED: events::Topic = events::topic("orders.created");
//!
//!     #[derive(Deserialize, Serialize)]
//!     struct Order { id: String, is_paid: bool }
//!
//!     #[derive(Deserialize)]
//!     struct Settled { order: String }
//!
//!     #[post("/{id}", public)]
//!     fn create_order(Path(id): Path<String>) -> Result<NoContent> {
//!         let order = Order { id, is_paid: false };
//!         kv::bucket("orders").set_json(&order.id, &order)?;
//!         CREATED.key(&order.id).publish_json(&order)?;
//!         Ok(NoContent)
//!     }
//!
//!     #[on("payments.settled")]
//!     fn mark_paid(event: Event<Settled>) -> Result<()> {
//!         let id = &event.payload.order;
//!         let mut order: Order = kv::bucket("orders").get_json(id)?.or_not_found("no such order")?;
//!         order.is_paid = true;
//!         Ok(kv::bucket("orders").set_json(id, &order)?)
//!     }
//! }
//! # use backplane_sdk::{kv, testing};
//! # assert_eq!(testing::post("/7").send::<orders::Plugin>().status(), 204);
//! # assert_eq!(testing::published()[0].topic, "orders.created");
//! # testing::event("payments.settled").json(&serde_json::json!({ "order": "7" })).deliver::<orders::Plugin>();
//! # assert!(kv::bucket("orders").get_text("7").unwrap().unwrap().contains("true"));
//! ```
//!
//! Which topics a plugin publishes stands in `publishes(...)` of its attribute, and [`#[on]`](macro@crate::on) says what
//! a function handles. [`Error`] says why an event is not published; `?` makes the right [`Problem`](crate::Problem) of
//! it. Under `cargo test` a log in memory takes the host's place: see [`testing`](crate::testing).

mod error;
mod event;
mod payload;
mod topic;

pub use error::Error;
pub use event::Event;
pub use payload::Payload;
pub use topic::{Topic, topic};

pub use crate::bindings::http::backplane::plugin::events::NewEvent;
use crate::host;

/// Publishes an event, and returns its id: unique in the host, and growing with time (UUID version 7). Ids of the same
/// millisecond are in no order.
///
/// A [`Topic`] publishes in one step what needs no `NewEvent`.
///
/// # Errors
/// An [`Error`] other than [`Error::Unwritable`].
pub fn publish(event: &NewEvent) -> Result<String, Error> {
    Ok(host::events::publish(event)?)
}

/// Publishes events in their order, all or none, and returns their ids. It is one call of the host.
///
/// ```
/// # #[backplane_sdk::plugin(publishes("stock.*"))]
/// # mod shop {
/// # use backplane_sdk::prelude::*;
/// const LOW: events::Topic = events::topic("stock.low");
///
/// #[post("/check", public)]
/// fn check_stock() -> Result<NoContent> {
///     let items = [("bread", 2), ("salt", 1)];
///     let low = items.iter().map(|(item, left)| LOW.key(item).json(left));
///     events::publish_many(&low.collect::<Result<Vec<_>, _>>()?)?;
///     Ok(NoContent)
/// }
/// # }
/// # backplane_sdk::testing::post("/check").send::<shop::Plugin>();
/// # assert_eq!(backplane_sdk::testing::published().len(), 2);
/// ```
///
/// # Errors
/// As [`publish`]. Nothing is published then.
pub fn publish_many(events: &[NewEvent]) -> Result<Vec<String>, Error> {
    Ok(host::events::publish_many(events)?)
}
