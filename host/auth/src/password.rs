//! Passwords: which are accepted, and hashing them without letting strangers choose how much this host computes.
//!
//! Argon2id as OWASP asks for (19 MiB, two passes, one lane), written as a PHC string. A password is taken exactly as
//! it was received. Hashing runs on threads of its own, one less at once than there are processors; a bounded number waits,
//! the rest is told to come back. Who does not exist costs as much as who does. Nothing here knows accounts.

mod hashing;
mod manner;
mod phc;
mod rules;

pub use self::{
    hashing::{
        ChoosePasswordError, HashPasswordError, HashedPassword, PasswordCheck, PasswordHashing, VerifyPasswordError,
        hash_password,
    },
    rules::{CheckedPassword, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PasswordRules, WeakPassword},
};
