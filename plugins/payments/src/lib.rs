//! Payments of orders: authorized or refused, settled, and announced as events.
//!
//! No money moves here; what a real one would do at a bank stands in its place. A payment is written and announced in one
//! transaction, so that nobody hears of one that is not there, and none is there that nobody hears of. `payment` knows
//! what a payment is, `book` where it lies. No file but this one knows a request, and no file but `proto` the messages of
//! gRPC.

#![forbid(unsafe_code)]

mod book;
mod payment;
mod proto;

#[backplane_sdk::plugin(timeout = "2s", publishes("payments.authorized", "payments.refused", "payments.settled"))]
mod payments {
    use backplane_sdk::prelude::*;

    use backplane_sdk::config::Settings as _;

    use crate::book::{self, Found};
    use crate::payment::{Authorization, Payment};
    use crate::proto::{PaymentService, ProcessRequest, ProcessResponse};

    #[config]
    struct Settings {
        /// Largest amount that is authorized, in minor units.
        #[default(1_000_000)]
        amount_max: i64,
    }

    /// Authorizes a payment, or refuses it. Sent again with the same key, it is the same payment.
    #[post("/", public, body_max = "4KiB")]
    fn authorize_payment(
        Json(wanted): Json<Authorization>,
        Config(settings): Config<Settings>,
    ) -> Result<(Status, Headers, Json<Payment>)> {
        let (outcome, payment) = process(&wanted, &settings)?;
        let status = if outcome == Outcome::Made { Status::CREATED } else { Status::OK };
        let location = Context.url(format!("/{}", payment.id));
        Ok((status, Headers::from([("location", location)]), Json(payment)))
    }

    /// The same over gRPC.
    struct Service;

    #[grpc("payments.v1.PaymentService", public, message_max = "4KiB")]
    impl PaymentService for Service {
        fn process(request: grpc::Request<ProcessRequest>) -> grpc::Result<ProcessResponse> {
            let (outcome, payment) = process(&request.into_inner().into(), &Settings::load()?)?;
            Ok(ProcessResponse { payment: Some(payment.into()), repeated: outcome == Outcome::WasThere })
        }
    }

    /// What came of a wish for a payment.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Outcome {
        Made,
        WasThere,
    }

    /// Authorizes a payment, or refuses it, once for each key.
    fn process(wanted: &Authorization, settings: &Settings) -> Result<(Outcome, Payment)> {
        wanted.check()?;
        if let Found::Same(payment) = book::find_by_key(wanted)? {
            return Ok((Outcome::WasThere, payment));
        }
        let payment = Payment::decide(book::new_id(), wanted, settings.amount_max);
        book::add(&wanted.idempotency_key, &payment)?;
        log::info!(payment = payment.id, order = payment.order, "payment {}", payment.status.as_str());
        Ok((Outcome::Made, payment))
    }

    /// Settles a payment that is authorized. Settled again, it stays as it is.
    #[post("/{id}/settle", public, body_max = "0B")]
    fn settle_payment(Path(id): Path<String>) -> Result<Json<Payment>> {
        let payment = book::find(&id)?.or_not_found("no such payment")?;
        let settled = payment.clone().settle()?;
        if settled != payment {
            book::settle(&settled)?;
            log::info!(payment = settled.id, order = settled.order, "payment settled");
        }
        Ok(Json(settled))
    }

    /// Returns one payment.
    #[get("/{id}", public)]
    fn show_payment(Path(id): Path<String>) -> Result<Json<Payment>> {
        book::find(&id)?.map(Json).or_not_found("no such payment")
    }
}

#[cfg(test)]
mod tests;
