//! What a client is told when identity's part of the store, or of the processor, is not to be had.

use std::time::Duration;

use backplane_auth::{HashPasswordError, VerifyPasswordError};
use backplane_store::{
    StoreError,
    identity::users::{CreateUserError, UpdateUserError},
};

use super::keys::KeysError;
use crate::problem::{ApiError, codes};

/// When what failed is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// When a sign-in is worth another try: a hash takes a fraction of a second, and at most 64 wait.
const HASHING_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The store did not do its part.
pub fn store_failed(error: StoreError) -> ApiError {
    let (code, detail) = match &error {
        StoreError::Busy => (codes::STORE_BUSY, "too much waits to be written: nothing was changed"),
        StoreError::Unavailable(_) => {
            (codes::IDENTITY_UNAVAILABLE, "accounts cannot be read or written at the moment: nothing was changed")
        }
        StoreError::Unknown => (codes::OUTCOME_UNKNOWN, "it is not known whether this took effect: look, then repeat"),
    };
    ApiError::new(code, detail).with_retry_after(RETRY_AFTER).with_source(error)
}

/// An account could not be made.
pub fn create_user_failed(error: CreateUserError) -> ApiError {
    match error {
        CreateUserError::Exists => ApiError::new(codes::USER_EXISTS, "there is an account of this name"),
        CreateUserError::TooMany => ApiError::new(codes::LIMIT_REACHED, error.to_string()),
        CreateUserError::Store(error) => store_failed(error),
    }
}

/// An account could not be changed or deleted.
pub fn update_user_failed(error: UpdateUserError) -> ApiError {
    match error {
        UpdateUserError::Unknown => unknown_user(),
        UpdateUserError::LastAdministrator => {
            let detail = "this is the last enabled account with the role `admin`: make another one first";
            ApiError::new(codes::LAST_ADMINISTRATOR, detail)
        }
        UpdateUserError::Store(error) => store_failed(error),
    }
}

/// There is no account of that name, and whoever asks may know.
pub fn unknown_user() -> ApiError {
    ApiError::new(codes::UNKNOWN_USER, "no account has this name")
}

/// Signing keys could not be read or changed.
pub fn keys_failed(error: KeysError) -> ApiError {
    match error {
        KeysError::Store(error) => store_failed(error),
        KeysError::Plan(backplane_auth::PlanKeysError::UnknownKey { .. }) => {
            ApiError::new(codes::UNKNOWN_KEY, "no signing key has this id")
        }
        KeysError::TooMany => ApiError::new(codes::LIMIT_REACHED, error.to_string()),
        KeysError::Contended => ApiError::new(codes::SUPERSEDED, error.to_string()),
        KeysError::Invalid(_) | KeysError::Damaged(_) | KeysError::Plan(_) => ApiError::internal(error),
    }
}

/// A password could not be hashed.
pub(super) fn hashing_failed(error: HashPasswordError) -> ApiError {
    match error {
        HashPasswordError::Busy => sign_in_busy(),
        HashPasswordError::Failed => ApiError::internal(error),
    }
}

/// A password could not be checked.
pub(super) fn checking_failed(error: VerifyPasswordError) -> ApiError {
    match error {
        VerifyPasswordError::Busy => sign_in_busy(),
        VerifyPasswordError::UnreadableHash | VerifyPasswordError::Failed => ApiError::internal(error),
    }
}

fn sign_in_busy() -> ApiError {
    ApiError::new(codes::SIGN_IN_BUSY, "too many passwords are being checked").with_retry_after(HASHING_RETRY_AFTER)
}
