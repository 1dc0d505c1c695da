//! Accounts, sessions and keys for tests, each named by a word or a number.

use diesel::prelude::*;

use super::{
    Digest, PasswordHash,
    api_keys::{self, NewApiKey},
    revocations::{self, Revocation, RevocationKind},
    sessions::{self, Family, NewRefreshToken, Rotation},
    users::{self, NewUser},
};
use crate::schema::users as users_table;

/// The role of administrators.
pub(crate) const ADMIN: &str = "admin";
/// When families end.
pub(crate) const END: i64 = 1_000_000;

pub(crate) fn new_user(name: &str, roles: &str) -> NewUser {
    NewUser {
        subject: format!("id-{name}"),
        name: name.into(),
        password_hash: PasswordHash(format!("hash-{name}")),
        roles: roles.into(),
        scopes: "orders:read".into(),
        created_at_ms: 1,
    }
}

/// Makes an account and returns its id.
pub(crate) fn add_user(connection: &mut SqliteConnection, name: &str, roles: &str) -> String {
    let user = new_user(name, roles);
    users::create(connection, &user).unwrap();
    user.subject
}

pub(crate) fn disable(connection: &mut SqliteConnection, subject: &str) {
    let account = users_table::table.find(subject);
    diesel::update(account).set(users_table::disabled_at_ms.eq(1)).execute(connection).unwrap();
}

pub(crate) fn digest(number: u16) -> Digest {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

pub(crate) fn family(id: &str, subject: &str) -> Family {
    Family { id: id.into(), subject: subject.into(), client_id: "app".into(), expires_at_ms: END, revoked_at_ms: None }
}

pub(crate) fn token(number: u16, family_id: &str, parent: Option<u16>) -> NewRefreshToken {
    NewRefreshToken { digest: digest(number), family_id: family_id.into(), parent: parent.map(digest), issued_at_ms: 1 }
}

/// Opens the family `id` with the token `number`.
pub(crate) fn open_family(connection: &mut SqliteConnection, subject: &str, id: &str, number: u16) {
    sessions::open_family(connection, &family(id, subject), &token(number, id, None)).unwrap();
}

/// Replaces the token `from`, used `uses` times, by the token `to` at the time `to`.
pub(crate) fn rotation(family_id: &str, from: u16, uses: u32, to: u16) -> Rotation {
    let successor = token(to, family_id, Some(from));
    Rotation { digest: digest(from), uses, at_ms: i64::from(to), successor }
}

pub(crate) fn new_key(id: &str, subject: &str) -> NewApiKey {
    NewApiKey {
        id: id.into(),
        subject: subject.into(),
        name: format!("key {id}"),
        digest: digest(7),
        scopes: "orders:read".into(),
        created_at_ms: 10,
        expires_at_ms: None,
    }
}

pub(crate) fn add_key(connection: &mut SqliteConnection, id: &str, subject: &str) {
    api_keys::create(connection, &new_key(id, subject)).unwrap();
}

/// Returns what was revoked, in order, as `session:s1`.
pub(crate) fn revoked(connection: &mut SqliteConnection) -> Vec<String> {
    let text = |Revocation { kind, name, .. }| match kind {
        RevocationKind::Session => format!("session:{name}"),
        RevocationKind::Subject => format!("subject:{name}"),
        RevocationKind::ApiKey => format!("api-key:{name}"),
    };
    revocations::list_after(connection, 0, 1000).unwrap().into_iter().map(text).collect()
}
