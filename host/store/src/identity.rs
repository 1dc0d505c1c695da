//! Who can sign in, and with what: accounts, sessions, API keys, signing keys, revocations, and who did what.
//!
//! Functions over one connection, to be called in a transaction: through [`Store::write`](crate::Store::write) and
//! [`Store::read`](crate::Store::read), or those of [`CommandStore`](crate::CommandStore) beside a running server.
//!
//! - Whatever voids a credential leaves its revocation behind, in the same transaction: a server that looks for what is
//!   new cannot miss it.
//! - Passwords, tokens and keys are kept as hashes, digests and ciphertext, and `Debug` shows not even those.
//! - Everything has a bound: here where a row is added, by the collection of what expired for the rest.
//!
//! It does not know what a role or a scope allows, how a password is hashed or a token made, or what time it is.

pub mod api_keys;
pub mod audit;
pub(crate) mod collect;
mod hidden;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod users;

pub use self::hidden::{Digest, PasswordHash, WrappedKey};
