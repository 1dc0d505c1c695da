//! What an order is, and what can become of it.
//!
//! Money is a whole number of minor units: cents, not euros, and never a fraction. Sums are checked.

use backplane_sdk::{Problem, Result};
use serde::{Deserialize, Serialize};

const CUSTOMER_CHARS_MAX: usize = 200;
const ITEM_CHARS_MAX: usize = 100;
const LINES_MAX: usize = 100;

/// An order as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// 1 when it is new, and one more with every change.
    pub(crate) version: u64,
    pub(crate) status: Status,
    customer: String,
    lines: Vec<Line>,
    /// What all lines cost, in minor units.
    pub(crate) total: i64,
    /// The payment that paid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_by: Option<String>,
}

/// A payment of an order, as `payments` announces it.
#[derive(Deserialize)]
pub(crate) struct Settled {
    pub(crate) id: String,
    pub(crate) order: String,
    /// In minor units.
    pub(crate) amount: i64,
}

/// How far an order is. Only an open one can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    #[default]
    Open,
    Shipped,
    Cancelled,
}

/// So much of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    item: String,
    quantity: u32,
    /// In minor units.
    unit_price: i64,
}

/// What a client orders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    customer: String,
    lines: Vec<Line>,
}

/// What a client makes of an open order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    customer: String,
    lines: Vec<Line>,
    /// `open` or `shipped`; an order is cancelled at its own address.
    #[serde(default)]
    status: Status,
}

impl Status {
    /// Returns the status as it is written in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Order {
    /// Makes a new order of what the client wants, when that makes sense.
    pub(crate) fn create(id: String, new: NewOrder) -> Result<Self> {
        let total = check(&new.customer, &new.lines)?;
        Ok(Self {
            id,
            version: 1,
            status: Status::Open,
            customer: new.customer,
            lines: new.lines,
            total,
            paid_by: None,
        })
    }

    /// Makes the changed order of an open one.
    pub(crate) fn update(self, change: Change) -> Result<Self> {
        self.require_open()?;
        if change.status == Status::Cancelled {
            return Err(Problem::unprocessable("cancel an order with `POST /orders/{id}/cancel`"));
        }
        let total = check(&change.customer, &change.lines)?;
        if self.paid_by.is_some() && total != self.total {
            return Err(refuse_paid("the order is paid, and costs what it costs"));
        }
        let Change { customer, lines, status } = change;
        Ok(Self { version: self.version + 1, status, customer, lines, total, ..self })
    }

    /// Makes a cancelled order of an open one.
    pub(crate) fn cancel(self) -> Result<Self> {
        self.require_open()?;
        if self.paid_by.is_some() {
            return Err(refuse_paid("the order is paid: pay it back first"));
        }
        Ok(Self { version: self.version + 1, status: Status::Cancelled, ..self })
    }

    /// Makes a paid order of one that is not. A second payment, one of another amount and one of a cancelled order are for
    /// a person to look at.
    pub(crate) fn pay(self, payment: Settled) -> Result<Self> {
        if self.paid_by.is_some() {
            return Err(Problem::conflict("the order is paid already").with_code("paid_twice"));
        }
        if self.status == Status::Cancelled {
            return Err(Problem::conflict("the order is cancelled").with_code("order_closed"));
        }
        if payment.amount != self.total {
            let message = format!("the payment is of {}, and the order costs {}", payment.amount, self.total);
            return Err(Problem::conflict(message).with_code("wrong_amount"));
        }
        Ok(Self { version: self.version + 1, paid_by: Some(payment.id), ..self })
    }

    /// Returns whether this payment paid it.
    pub(crate) fn is_paid_by(&self, payment: &str) -> bool {
        self.paid_by.as_deref() == Some(payment)
    }

    fn require_open(&self) -> Result<()> {
        if self.status == Status::Open {
            return Ok(());
        }
        let message = format!("the order is {}, and stays as it is", self.status.as_str());
        Err(Problem::conflict(message).with_code("order_closed"))
    }
}

/// Checks what no type can, and returns the total.
fn check(customer: &str, lines: &[Line]) -> Result<i64> {
    let is_text = |text: &str, chars_max| !text.trim().is_empty() && text.chars().count() <= chars_max;
    if !is_text(customer, CUSTOMER_CHARS_MAX) {
        return Err(refuse("invalid_customer", "`customer` has 1 to 200 characters"));
    }
    if !(1..=LINES_MAX).contains(&lines.len()) {
        return Err(refuse("invalid_lines", "an order has 1 to 100 lines"));
    }
    for line in lines {
        if !is_text(&line.item, ITEM_CHARS_MAX) || line.quantity == 0 || line.unit_price < 0 {
            return Err(refuse(
                "invalid_line",
                "a line has an `item` of 1 to 100 characters, a `quantity` from 1 and a `unit_price` from 0",
            ));
        }
    }
    let total = lines.iter().try_fold(0_i64, |sum, line| {
        line.unit_price.checked_mul(line.quantity.into()).and_then(|price| sum.checked_add(price))
    });
    total.ok_or_else(|| refuse("total_too_large", "the order costs more than can be counted"))
}

fn refuse_paid(message: &'static str) -> Problem {
    Problem::conflict(message).with_code("order_paid")
}

fn refuse(code: &'static str, message: &'static str) -> Problem {
    Problem::unprocessable(message).with_code(code)
}
