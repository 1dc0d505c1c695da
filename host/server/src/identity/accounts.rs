//! What may be an account: its name, its password, its roles and scopes.

use backplane_auth::{Names, NewApiKey, Principal, PrincipalKind, SecretString, create_api_key};
use backplane_store::identity::{
    PasswordHash,
    users::{self, UpdateUserError, User, UserChange},
};
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    ADMIN_ROLE, Identity, challenge,
    failure::{hashing_failed, store_failed, update_user_failed},
    trail::{self, Attempt},
};
use crate::{
    clock::Clock,
    problem::{ApiError, ApiResult, codes},
};

/// Longest name in bytes.
pub const USER_NAME_BYTES_MAX: usize = 64;
/// Most bytes of an account's roles and scopes together: a token must not become longer than anybody believes.
pub const RIGHTS_BYTES_MAX: usize = 4 << 10;

/// What the name of an account is, for whoever chose another.
pub const USER_NAME_RULE: &str =
    "a name has 1 to 64 of `a-z`, `0-9`, `.`, `_`, `@`, `+` and `-`, and begins with a letter or digit";

/// Returns whether `name` can be an account's: 1 to 64 of `a-z`, `0-9` and `._@+-`, of which the first is a letter or
/// digit.
pub fn is_user_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: u8| is_plain(byte) || b"._@+-".contains(&byte);
    (1..=USER_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_allowed)
        && name.bytes().next().is_some_and(is_plain)
}

/// Refuses what cannot be the name of an account.
///
/// # Errors
/// `invalid_request`, with what a name is.
pub fn require_user_name(name: &str) -> ApiResult<()> {
    if is_user_name(name) { Ok(()) } else { Err(ApiError::new(codes::INVALID_REQUEST, USER_NAME_RULE)) }
}

/// Reads a list of roles or scopes.
///
/// # Errors
/// `invalid_request`, with the name that cannot be one.
pub fn parse_names(names: &[String]) -> ApiResult<Names> {
    Names::new(names).map_err(|error| ApiError::new(codes::INVALID_REQUEST, error.to_string()))
}

/// Refuses more roles and scopes than an account may have.
///
/// # Errors
/// `invalid_request`.
pub fn require_few_rights(roles: &str, scopes: &str) -> ApiResult<()> {
    if has_too_many_rights(roles, scopes) { Err(too_many_rights()) } else { Ok(()) }
}

/// Refuses more roles and scopes than an account may have.
pub fn too_many_rights() -> ApiError {
    let detail = format!("the roles and scopes of an account may have {RIGHTS_BYTES_MAX} bytes together");
    ApiError::new(codes::INVALID_REQUEST, detail)
}

/// Returns whether an account has more roles and scopes than a token can carry.
pub fn has_too_many_rights(roles: &str, scopes: &str) -> bool {
    roles.len() + scopes.len() > RIGHTS_BYTES_MAX
}

/// Makes the id of a new account: a UUIDv7, so that ids sort by age.
pub fn create_subject(clock: Clock) -> String {
    let now = clock.now();
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds)).to_string()
}

/// Returns the session of a caller who signed in with a password: an API key must not make others, nor outlive a
/// password that it changed.
///
/// # Errors
/// `forbidden` for any other credential.
pub fn require_session(caller: &Principal) -> ApiResult<&str> {
    let session = caller.session().filter(|_| caller.kind() == PrincipalKind::User);
    session.ok_or_else(|| challenge::forbidden("this is for who signed in with a password: an API key cannot do it"))
}

impl Identity {
    /// Makes an API key that is to be kept.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn make_api_key(&self) -> ApiResult<NewApiKey> {
        create_api_key(&self.random).map_err(ApiError::internal)
    }

    /// Changes the password of the caller, who knows the one before, and ends its other sessions.
    ///
    /// Hashing takes time. Who was given another password, locked or signed out meanwhile changes nothing.
    ///
    /// # Errors
    /// `forbidden`, `too_many_attempts`, `sign_in_busy`, `invalid_credentials`, `weak_password`, or what the store says.
    pub async fn change_password(&self, attempt: Attempt, current: &SecretString, new: &SecretString) -> ApiResult<()> {
        let session = require_session(&attempt.caller)?.to_owned();
        let subject = attempt.caller.subject().to_owned();
        let found = self.read(move |connection| users::find(connection, &subject)).await;
        let user = found.map_err(store_failed)?.ok_or_else(challenge::invalid_credentials)?;
        self.require_password(&user, current, &attempt.origin).await?;
        let password_hash = Some(self.hash_password(new, &user.name).await?);
        let clock = self.clock;
        let changed = self.store.write(move |connection| {
            let now = clock.unix_ms();
            if !users::is_still_signed_in(connection, &user.subject, &user.password_hash, &session, now.0)? {
                return Ok(false);
            }
            let change = UserChange { password_hash, keep_session: Some(session), ..UserChange::default() };
            users::update(connection, &user.subject, &change, ADMIN_ROLE, now.0)?;
            trail::append(connection, attempt.entry(trail::OK, now))?;
            Ok::<_, UpdateUserError>(true)
        });
        if !changed.await.map_err(update_user_failed)? {
            return Err(challenge::invalid_credentials());
        }
        self.learn().await;
        Ok(())
    }

    /// Hashes a password that the owner of `account` chooses, or somebody for them.
    ///
    /// # Errors
    /// `weak_password` with the reason, or `sign_in_busy`.
    pub async fn hash_password(&self, password: &SecretString, account: &str) -> ApiResult<PasswordHash> {
        let checked = self.password_rules.check(password, account);
        let checked = checked.map_err(|weak| ApiError::new(codes::WEAK_PASSWORD, weak.to_string()))?;
        let hashed = self.passwords.hash(&checked).await.map_err(hashing_failed)?;
        Ok(PasswordHash(hashed.0))
    }
}

/// Returns whether somebody can sign in to the account.
pub fn is_enabled(user: &User) -> bool {
    user.disabled_at_ms.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_shell_and_a_path_take() {
        let longest = "a".repeat(USER_NAME_BYTES_MAX);
        for name in ["a", "0", "ada", "ada.lovelace@example.com", "a+b-c_d", &longest] {
            assert!(is_user_name(name), "{name}");
        }
        let longer = format!("{longest}a");
        for name in ["", "Ada", ".a", "-a", "@a", "a b", "a/b", "a\0", "ä", &longer] {
            assert!(!is_user_name(name), "{name:?}");
        }
    }

    #[test]
    fn ids_are_version_7_and_distinct() {
        let [one, two] = [(); 2].map(|()| create_subject(Clock::SYSTEM));
        assert_ne!(one, two);
        assert_eq!(one.parse::<Uuid>().expect("a UUID").get_version_num(), 7);
    }
}
