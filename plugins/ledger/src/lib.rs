//! Accounts and transfers between them.
//!
//! The sum of all balances changes only when an account is opened with one. A transfer reads two accounts, decides and
//! writes both: no lock, no loop, no "compare and swap", because a call is one transaction.

#![forbid(unsafe_code)]

mod account;
mod transfer;

#[backplane_sdk::plugin(timeout = "2s")]
mod ledger {
    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    use crate::account::{self, Account, AccountId};
    use crate::transfer::{Transfer, Transferred};

    /// Accounts of a page when the client does not say.
    const PAGE_ACCOUNTS_DEFAULT: usize = 20;
    /// Most accounts of a page.
    const PAGE_ACCOUNTS_MAX: usize = 100;

    /// Which accounts to list.
    #[derive(Deserialize)]
    struct Listing {
        /// The `next` of the page before.
        after: Option<String>,
        /// How many, from 1 to 100.
        limit: Option<usize>,
    }

    /// What all accounts hold together.
    #[derive(Serialize)]
    struct Total {
        accounts: u64,
        /// In minor units. Wider than a balance, so that no number of accounts is too much for it.
        total: i128,
    }

    /// Opens an account.
    #[post("/accounts", public, body_max = "1KiB")]
    fn create_account(Json(account): Json<Account>) -> Result<Created<Account>> {
        account::open(&account)?;
        let location = Context.url(format!("/accounts/{}", account.id));
        Ok(Created::new(account).at(location))
    }

    /// Returns one account.
    #[get("/accounts/{id}", public)]
    fn show_account(Path(id): Path<AccountId>) -> Result<Json<Account>> {
        account::get(&id).map(Json)
    }

    /// Lists accounts by their ids.
    #[get("/accounts", public)]
    fn list_accounts(Query(listing): Query<Listing>) -> Result<Json<kv::Page<Account>>> {
        let limit = listing.limit.unwrap_or(PAGE_ACCOUNTS_DEFAULT);
        if !(1..=PAGE_ACCOUNTS_MAX).contains(&limit) {
            return Err(Problem::unprocessable("`limit` is from 1 to 100").with_code("invalid_limit"));
        }
        account::list(listing.after, limit).map(Json)
    }

    /// Moves money from one account to another.
    #[post("/transfers", public, body_max = "1KiB")]
    fn create_transfer(Json(transfer): Json<Transfer>) -> Result<Json<Transferred>> {
        transfer.carry_out().map(Json)
    }

    /// Adds up all accounts, as they were at one moment.
    #[get("/total", public)]
    fn show_total() -> Result<Json<Total>> {
        let mut sum = Total { accounts: 0, total: 0 };
        for balance in account::balances() {
            sum.accounts += 1;
            sum.total += i128::from(balance?);
        }
        Ok(Json(sum))
    }
}

#[cfg(test)]
mod tests;
