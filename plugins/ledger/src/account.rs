//! An account, and where it lies: the balance under the account's id.
//!
//! A balance is a whole number of minor units: cents, not euros, and never a fraction. It is never negative.

use std::fmt;

use backplane_sdk::{Problem, Result, kv};
use serde::{Deserialize, Serialize};

const BALANCES: kv::Bucket = kv::bucket("balances");

const ID_CHARS_MAX: usize = 64;

/// The name of an account: 1 to 64 ASCII letters, digits, `.`, `_` and `-`, and neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct AccountId(String);

/// An account as it is shown, and as it is opened.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// In minor units.
    #[serde(default)]
    pub(crate) balance: i64,
}

impl AccountId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        // In a path these two are steps (RFC 3986 §5.2.4): such an account could never be shown.
        let is_step = matches!(id.as_str(), "." | "..");
        if (1..=ID_CHARS_MAX).contains(&id.len()) && id.chars().all(fits) && !is_step {
            return Ok(Self(id));
        }
        Err("an account's id has 1 to 64 letters, digits, `.`, `_` and `-`, and is neither `.` nor `..`")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens an account that is not there yet.
pub(crate) fn open(account: &Account) -> Result<()> {
    if account.balance < 0 {
        return Err(Problem::unprocessable("`balance` is not negative").with_code("invalid_balance"));
    }
    if BALANCES.get(account.id.as_str())?.is_some() {
        return Err(Problem::conflict("there is an account of this id").with_code("account_exists"));
    }
    set_balance(&account.id, account.balance)
}

pub(crate) fn get(id: &AccountId) -> Result<Account> {
    let balance = BALANCES.get_json(id.as_str())?.ok_or_else(|| unknown(id))?;
    Ok(Account { id: id.clone(), balance })
}

pub(crate) fn set_balance(id: &AccountId, balance: i64) -> Result<()> {
    Ok(BALANCES.set_json(id.as_str(), &balance)?)
}

/// Lists accounts after an id.
pub(crate) fn list(after: Option<String>, limit: usize) -> Result<kv::Page<Account>> {
    let page = BALANCES.list().after(after).limit(limit).json().page()?;
    Ok(page.map(|entry| Account { id: AccountId(entry.key), balance: entry.value }))
}

/// Goes through all balances.
pub(crate) fn balances() -> impl Iterator<Item = Result<i64>> {
    BALANCES.list().json().map(|entry| Ok(entry?.value))
}

fn unknown(id: &AccountId) -> Problem {
    Problem::not_found(format!("no account `{id}`")).with_code("unknown_account")
}
