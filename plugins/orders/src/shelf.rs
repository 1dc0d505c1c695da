//! Where orders lie: each under its id, and its id once more under its status.
//!
//! The second bucket is an index. It is written with the order in one transaction, so the two never disagree. So is the
//! event that says what became of the order: nobody hears of a change that is not there, or misses one that is.
//!
//! An id is a UUIDv7: it sorts by the time of the order, and needs no counter that every new order would have to read.

use backplane_sdk::{OptionExt, Result, events, kv};
use uuid::{NoContext, Timestamp, Uuid};

use crate::order::{Order, Status};

const ORDERS: kv::Bucket = kv::bucket("orders");
const BY_STATUS: kv::Bucket = kv::bucket("orders-by-status");

/// What became of an order.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Created,
    Updated,
    Cancelled,
    Paid,
}

impl What {
    fn topic(self) -> events::Topic<'static> {
        events::topic(match self {
            Self::Created => "orders.created",
            Self::Updated => "orders.updated",
            Self::Cancelled => "orders.cancelled",
            Self::Paid => "orders.paid",
        })
    }
}

/// Makes the id of a new order.
pub(crate) fn new_id() -> String {
    Uuid::new_v7(Timestamp::now(NoContext)).to_string()
}

pub(crate) fn find(id: &str) -> Result<Option<Order>> {
    Ok(ORDERS.get_json(id)?)
}

/// Puts a new order there, and announces it.
pub(crate) fn add(order: &Order) -> Result<()> {
    keep(order, What::Created)
}

/// Puts a changed order in the place of the old one, and announces it.
pub(crate) fn replace(old: &Order, new: &Order, what: What) -> Result<()> {
    BY_STATUS.delete(&status_key(old.status, &old.id))?;
    keep(new, what)
}

fn keep(order: &Order, what: What) -> Result<()> {
    ORDERS.set_json(&order.id, order)?;
    BY_STATUS.set(&status_key(order.status, &order.id), "")?;
    what.topic().key(&order.id).publish_json(order)?;
    Ok(())
}

/// Lists orders after an id, the oldest first.
pub(crate) fn list(after: Option<String>, limit: usize) -> Result<kv::Page<Order>> {
    let page = ORDERS.list().after(after).limit(limit).json().page()?;
    Ok(page.map(|entry| entry.value))
}

/// Lists orders of a status after an id, the oldest first.
pub(crate) fn list_by_status(status: Status, after: Option<String>, limit: usize) -> Result<kv::Page<Order>> {
    let prefix = status_key(status, "");
    let after = after.map(|id| status_key(status, &id));
    let page = BY_STATUS.list().prefix(prefix.as_str()).after(after).limit(limit).page()?;
    let id = |key: &str| key.strip_prefix(&prefix).unwrap_or(key).to_owned();
    let ids: Vec<String> = page.items.iter().map(|entry| id(&entry.key)).collect();
    let orders = ORDERS.get_many_json(&ids)?.into_iter().map(|order| order.or_not_found("no such order"));
    Ok(kv::Page { items: orders.collect::<Result<_>>()?, next: page.next.as_deref().map(id) })
}

fn status_key(status: Status, id: &str) -> String {
    format!("{}/{id}", status.as_str())
}
