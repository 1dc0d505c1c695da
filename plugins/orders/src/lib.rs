//! Orders of a shop: created, read, listed by page, changed under an ETag, cancelled, and paid when `payments` says so.
//!
//! A handler reads what it needs, decides, writes and announces; that nobody comes in between is the host's business.
//! `order` knows what an order is, `shelf` where it lies and who hears of it, `etag` which version of it a client has
//! seen. No file but this one knows a request or an event.

#![forbid(unsafe_code)]

mod etag;
mod order;
mod shelf;

#[backplane_sdk::plugin(
    timeout = "2s",
    publishes("orders.created", "orders.updated", "orders.cancelled", "orders.paid")
)]
mod orders {
    use backplane_sdk::prelude::*;
    use serde::Deserialize;

    use crate::etag;
    use crate::order::{Change, NewOrder, Order, Settled, Status};
    use crate::shelf::{self, What};

    /// Orders of a page when the client does not say.
    const PAGE_ORDERS_DEFAULT: usize = 20;
    /// Most orders of a page.
    const PAGE_ORDERS_MAX: usize = 100;

    /// Which orders to list.
    #[derive(Deserialize)]
    struct Listing {
        /// The `next` of the page before.
        after: Option<String>,
        /// How many, from 1 to 100.
        limit: Option<usize>,
        /// Only those of a status.
        status: Option<Status>,
    }

    /// Takes an order.
    #[post("/", public, body_max = "64KiB")]
    fn create_order(Json(new): Json<NewOrder>) -> Result<(Headers, Created<Order>)> {
        let order = Order::create(shelf::new_id(), new)?;
        shelf::add(&order)?;
        log::info!(order = order.id, total = order.total, "order taken");
        let location = Context.url(format!("/{}", order.id));
        Ok((etag::header(order.version), Created::new(order).at(location)))
    }

    /// Returns one order.
    #[get("/{id}", public)]
    fn show_order(Path(id): Path<String>) -> Result<(Headers, Json<Order>)> {
        let order = shelf::find(&id)?.or_not_found("no such order")?;
        Ok(answer(order))
    }

    /// Lists orders, the oldest first.
    #[get("/", public)]
    fn list_orders(Query(listing): Query<Listing>) -> Result<Json<kv::Page<Order>>> {
        let limit = listing.limit.unwrap_or(PAGE_ORDERS_DEFAULT);
        if !(1..=PAGE_ORDERS_MAX).contains(&limit) {
            return Err(Problem::unprocessable("`limit` is from 1 to 100").with_code("invalid_limit"));
        }
        let page = match listing.status {
            Some(status) => shelf::list_by_status(status, listing.after, limit)?,
            None => shelf::list(listing.after, limit)?,
        };
        Ok(Json(page))
    }

    /// Changes an order that the client has seen: `if-match` says in which version.
    #[put("/{id}", public, body_max = "64KiB")]
    fn update_order(
        Path(id): Path<String>,
        #[header("if-match")] tags: Vec<String>,
        Json(change): Json<Change>,
    ) -> Result<(Headers, Json<Order>)> {
        let order = shelf::find(&id)?.or_not_found("no such order")?;
        etag::require_match(&tags, order.version)?;
        let changed = order.clone().update(change)?;
        shelf::replace(&order, &changed, What::Updated)?;
        Ok(answer(changed))
    }

    /// Cancels an order that is open.
    #[post("/{id}/cancel", public, body_max = "0B")]
    fn cancel_order(Path(id): Path<String>) -> Result<(Headers, Json<Order>)> {
        let order = shelf::find(&id)?.or_not_found("no such order")?;
        let cancelled = order.clone().cancel()?;
        shelf::replace(&order, &cancelled, What::Cancelled)?;
        log::info!(order = id, "order cancelled");
        Ok(answer(cancelled))
    }

    /// Notes that an order is paid. What does not fit it becomes a dead letter at once: another attempt would find the same.
    #[on("payments.settled")]
    fn mark_paid(event: Event<Settled>) -> Result<()> {
        let settled = event.payload;
        let found = shelf::find(&settled.order)?;
        let order = found.or_not_found("a payment of an order that is not there").map_err(Problem::fatal)?;
        if order.is_paid_by(&settled.id) {
            return Ok(());
        }
        let paid = order.clone().pay(settled).map_err(Problem::fatal)?;
        shelf::replace(&order, &paid, What::Paid)?;
        log::info!(order = paid.id, "order paid");
        Ok(())
    }

    fn answer(order: Order) -> (Headers, Json<Order>) {
        (etag::header(order.version), Json(order))
    }
}

#[cfg(test)]
mod tests;
