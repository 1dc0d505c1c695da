//! Identity's words for rows as the store's, and the store's rows as identity's.

use backplane_auth::{self as auth, KeyState, Names, UnixMs};
use backplane_store::identity::{self as store, Digest, WrappedKey, revocations::RevocationKind};

/// A row that this host did not write.
#[derive(Debug, thiserror::Error)]
pub enum DamagedRow {
    /// Roles or scopes that cannot be any.
    #[error("the database holds roles or scopes that cannot be any")]
    Names,
    /// A signing key in a state that there is not.
    #[error("signing key `{kid}` is in a state that there is not")]
    KeyState {
        /// Which.
        kid: String,
    },
}

/// Reads roles or scopes.
pub(crate) fn to_names(text: &str) -> Result<Names, DamagedRow> {
    Names::from_scope(text).ok_or(DamagedRow::Names)
}

pub(crate) fn signing_key(row: store::signing_keys::SigningKey) -> Result<auth::StoredKey, DamagedRow> {
    let store::signing_keys::SigningKey { kid, algorithm, wrapped, state, changed_at_ms } = row;
    let Some(state) = KeyState::parse(&state) else { return Err(DamagedRow::KeyState { kid }) };
    Ok(auth::StoredKey { kid, algorithm, wrapped: wrapped.0, state, changed_at: UnixMs(changed_at_ms) })
}

pub(crate) fn key_change(change: auth::KeyChange) -> store::signing_keys::KeyChange {
    match change {
        auth::KeyChange::Insert(key) => {
            let auth::StoredKey { kid, algorithm, wrapped, state, changed_at } = key;
            let (wrapped, state) = (WrappedKey(wrapped), state.as_str().to_owned());
            let row = store::signing_keys::SigningKey { kid, algorithm, wrapped, state, changed_at_ms: changed_at.0 };
            store::signing_keys::KeyChange::Insert(row)
        }
        auth::KeyChange::Move { kid, from, to, at } => {
            let [from, to] = [from, to].map(|state| state.as_str().to_owned());
            store::signing_keys::KeyChange::Move { kid, from, to, at_ms: at.0 }
        }
        auth::KeyChange::Delete { kid } => store::signing_keys::KeyChange::Delete { kid },
    }
}

pub(crate) fn revocation(row: &store::revocations::Revocation) -> auth::Revocation {
    let at = UnixMs(row.at_ms);
    match row.kind {
        RevocationKind::Session => auth::Revocation::of_session(&row.name, at),
        RevocationKind::Subject => auth::Revocation::of_subject(&row.name, at),
        RevocationKind::ApiKey => auth::Revocation::of_api_key(&row.name, at),
    }
}

pub(crate) fn family(family: auth::Family) -> store::sessions::Family {
    let auth::Family { id, subject, client_id, expires_at, revoked_at } = family;
    let (expires_at_ms, revoked_at_ms) = (expires_at.0, revoked_at.map(|at| at.0));
    store::sessions::Family { id, subject, client_id, expires_at_ms, revoked_at_ms }
}

pub(super) fn refresh_row(row: store::sessions::RefreshRow) -> auth::RefreshRow {
    auth::RefreshRow {
        digest: row.digest.0,
        family: auth::Family {
            id: row.family.id,
            subject: row.family.subject,
            client_id: row.family.client_id,
            expires_at: UnixMs(row.family.expires_at_ms),
            revoked_at: row.family.revoked_at_ms.map(UnixMs),
        },
        issued_at: UnixMs(row.issued_at_ms),
        used_at: row.used_at_ms.map(UnixMs),
        uses: row.uses,
        successor_used: row.successor_used,
        sibling_used: row.sibling_used,
    }
}

pub(crate) fn refresh_token(token: auth::NewRefreshToken) -> store::sessions::NewRefreshToken {
    let auth::NewRefreshToken { digest, family_id, parent, issued_at } = token;
    let (digest, parent) = (Digest(digest), parent.map(Digest));
    store::sessions::NewRefreshToken { digest, family_id, parent, issued_at_ms: issued_at.0 }
}

pub(super) fn rotation(request: auth::RotationRequest) -> store::sessions::Rotation {
    let auth::RotationRequest { digest, uses, at, successor } = request;
    store::sessions::Rotation { digest: Digest(digest), uses, at_ms: at.0, successor: refresh_token(successor) }
}
