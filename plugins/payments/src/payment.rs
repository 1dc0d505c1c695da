//! What a payment is, and what can become of it.
//!
//! Money is a whole number of minor units: cents, not euros, and never a fraction.

use backplane_sdk::{Problem, Result};
use serde::{Deserialize, Serialize};

/// Longest idempotency key and longest order, in bytes: both become keys, of the store and of an event.
const NAME_BYTES_MAX: usize = 100;

/// A payment as it is stored, shown and announced.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) order: String,
    /// In minor units.
    pub(crate) amount: i64,
    pub(crate) status: Status,
}

/// How far a payment is. A refused one stays refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Authorized,
    Refused,
    Settled,
}

/// What a client wants to be authorized.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authorization {
    /// Names the attempt: a client that got no answer sends the same again.
    pub(crate) idempotency_key: String,
    pub(crate) order: String,
    /// In minor units, more than 0.
    pub(crate) amount: i64,
}

impl Authorization {
    /// Checks what no type can.
    pub(crate) fn check(&self) -> Result<()> {
        let is_name = |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let refuse = |code, message| Err(Problem::unprocessable(message).with_code(code));
        if !is_name(&self.idempotency_key) {
            return refuse("invalid_key", "`idempotency_key` has 1 to 100 bytes, and no control character");
        }
        if !is_name(&self.order) {
            return refuse("invalid_order", "`order` has 1 to 100 bytes, and no control character");
        }
        if self.amount <= 0 {
            return refuse("invalid_amount", "`amount` is more than 0");
        }
        Ok(())
    }
}

impl Status {
    /// Returns the status as it is written in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Refused => "refused",
            Self::Settled => "settled",
        }
    }
}

impl Payment {
    /// Makes a payment of what a client wants: refused where it is too much.
    pub(crate) fn decide(id: String, wanted: &Authorization, amount_max: i64) -> Self {
        let status = if wanted.amount <= amount_max { Status::Authorized } else { Status::Refused };
        Self { id, order: wanted.order.clone(), amount: wanted.amount, status }
    }

    /// Returns whether this is what a client wants.
    pub(crate) fn is(&self, wanted: &Authorization) -> bool {
        self.order == wanted.order && self.amount == wanted.amount
    }

    /// Makes a settled payment of an authorized one. A settled one is it already.
    pub(crate) fn settle(self) -> Result<Self> {
        if self.status == Status::Refused {
            return Err(Problem::conflict("the payment is refused, and stays so").with_code("payment_refused"));
        }
        Ok(Self { status: Status::Settled, ..self })
    }
}
