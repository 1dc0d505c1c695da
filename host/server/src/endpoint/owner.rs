//! Whose API keys a request is about: the caller's own, or for an administrator anybody's.

use backplane_auth::Principal;
use backplane_store::{
    Connection, StoreError,
    identity::users::{self, User},
};

use crate::{
    identity::{ADMIN_ROLE, challenge, store_failed, unknown_user},
    problem::ApiError,
};

/// Why it is nobody's.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnerError {
    /// The caller asks about somebody else, and is no administrator. Whether there is such an account is not told.
    #[error("only administrators may see and change the API keys of others")]
    AnothersKeys,
    /// The caller is not an account of this server.
    #[error("only accounts of this server have API keys")]
    NoAccount,
    /// There is no account of the name.
    #[error("no account has this name")]
    Unknown,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns the account that `user` names, or the caller's.
pub(super) fn find_owner(
    connection: &mut Connection,
    caller: &Principal,
    user: Option<&str>,
) -> Result<User, OwnerError> {
    let own = users::find(connection, caller.subject())?;
    match (user, own) {
        (None, own) => own.ok_or(OwnerError::NoAccount),
        (Some(name), Some(own)) if own.name == name => Ok(own),
        (Some(name), _) if is_administrator(caller) => {
            users::find_by_name(connection, name)?.ok_or(OwnerError::Unknown)
        }
        (Some(_), _) => Err(OwnerError::AnothersKeys),
    }
}

/// Returns whether the caller may see and change what is others'.
pub(super) fn is_administrator(caller: &Principal) -> bool {
    caller.roles().contains(ADMIN_ROLE)
}

pub(super) fn owner_failed(error: OwnerError) -> ApiError {
    match error {
        OwnerError::AnothersKeys | OwnerError::NoAccount => challenge::forbidden(error.to_string()),
        OwnerError::Unknown => unknown_user(),
        OwnerError::Store(error) => store_failed(error),
    }
}
