//! Moving money from one account to another, all of it or nothing.

use backplane_sdk::{Problem, Result};
use serde::{Deserialize, Serialize};

use crate::account::{self, Account, AccountId};

/// What a client wants to be moved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    from: AccountId,
    to: AccountId,
    /// In minor units, more than 0.
    amount: i64,
}

/// Both accounts afterwards.
#[derive(Serialize)]
pub(crate) struct Transferred {
    from: Account,
    to: Account,
    amount: i64,
}

impl Transfer {
    /// Moves the money, or says why not: then nothing has changed.
    pub(crate) fn carry_out(self) -> Result<Transferred> {
        let Self { from, to, amount } = self;
        if amount <= 0 {
            return Err(Problem::unprocessable("`amount` is more than 0").with_code("invalid_amount"));
        }
        if from == to {
            return Err(Problem::unprocessable("`from` and `to` are one account").with_code("same_account"));
        }
        let (mut from, mut to) = (account::get(&from)?, account::get(&to)?);
        if from.balance < amount {
            return Err(Problem::conflict("the account does not hold so much").with_code("insufficient_funds"));
        }
        from.balance -= amount;
        to.balance = to
            .balance
            .checked_add(amount)
            .ok_or_else(|| Problem::conflict("the account cannot hold so much").with_code("balance_too_large"))?;
        account::set_balance(&from.id, from.balance)?;
        account::set_balance(&to.id, to.balance)?;
        Ok(Transferred { from, to, amount })
    }
}
