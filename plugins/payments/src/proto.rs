//! The service as its file has it, and payments in its messages.

#![allow(missing_docs, unreachable_pub, reason = "what is included is generated, and its file is the documentation")]

use crate::payment;

backplane_sdk::include_proto!("payments.v1");

impl From<ProcessRequest> for payment::Authorization {
    fn from(request: ProcessRequest) -> Self {
        let ProcessRequest { idempotency_key, order, amount } = request;
        Self { idempotency_key, order, amount }
    }
}

impl From<payment::Payment> for Payment {
    fn from(payment: payment::Payment) -> Self {
        let payment::Payment { id, order, amount, status } = payment;
        Self { id, order, amount, status: PaymentStatus::from(status).into() }
    }
}

impl From<payment::Status> for PaymentStatus {
    fn from(status: payment::Status) -> Self {
        match status {
            payment::Status::Authorized => Self::Authorized,
            payment::Status::Refused => Self::Refused,
            payment::Status::Settled => Self::Settled,
        }
    }
}
