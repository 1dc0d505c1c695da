//! Where payments lie: each under its id, and its id once more under the key that its client chose.
//!
//! What is written here is announced here, in the same transaction. The key of an event is the order, so that whoever
//! follows an order hears of its payments in their order.

use backplane_sdk::{OptionExt, Problem, Result, events, kv};
use uuid::{NoContext, Timestamp, Uuid};

use crate::payment::{Authorization, Payment, Status};

const PAYMENTS: kv::Bucket = kv::bucket("payments");
const BY_KEY: kv::Bucket = kv::bucket("payments-by-key");

/// What lies under a client's key.
pub(crate) enum Found {
    /// The payment that was made of the same request before.
    Same(Payment),
    Nothing,
}

/// Makes the id of a new payment.
pub(crate) fn new_id() -> String {
    Uuid::new_v7(Timestamp::now(NoContext)).to_string()
}

pub(crate) fn find(id: &str) -> Result<Option<Payment>> {
    Ok(PAYMENTS.get_json(id)?)
}

/// Finds what was made of a request with this key: 422 when that was another request.
pub(crate) fn find_by_key(wanted: &Authorization) -> Result<Found> {
    let Some(id) = BY_KEY.get_text(&wanted.idempotency_key)? else { return Ok(Found::Nothing) };
    let payment = find(&id)?.or_not_found("no such payment")?;
    if payment.is(wanted) {
        return Ok(Found::Same(payment));
    }
    Err(Problem::unprocessable("the key names another payment: choose a new one").with_code("key_reused"))
}

/// Puts a new payment there, and announces it.
pub(crate) fn add(key: &str, payment: &Payment) -> Result<()> {
    BY_KEY.set_text(key, &payment.id)?;
    keep(payment)
}

/// Puts a settled payment in the place of the authorized one, and announces it.
pub(crate) fn settle(payment: &Payment) -> Result<()> {
    keep(payment)
}

fn keep(payment: &Payment) -> Result<()> {
    PAYMENTS.set_json(&payment.id, payment)?;
    topic(payment.status).key(&payment.order).publish_json(payment)?;
    Ok(())
}

fn topic(status: Status) -> events::Topic<'static> {
    events::topic(match status {
        Status::Authorized => "payments.authorized",
        Status::Refused => "payments.refused",
        Status::Settled => "payments.settled",
    })
}
