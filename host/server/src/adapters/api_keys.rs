//! API keys: looked up in the store, with what their owners are now.

use std::sync::Arc;

use backplane_auth::{BoxFuture, FindApiKey, FindApiKeyError, StoredApiKey, UnixMs};
use backplane_store::{
    Store, StoreError,
    identity::api_keys::{self, OwnedApiKey},
};

use super::{Reading, translate_identity::to_names};

/// The store's API keys.
pub struct ApiKeys {
    /// Where a use is noted.
    pub store: Arc<Store>,
    /// How keys are read.
    pub reading: Reading,
}

impl FindApiKey for ApiKeys {
    fn find_api_key<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredApiKey>, FindApiKeyError>> {
        let id = id.to_owned();
        Box::pin(async move {
            let found = self.reading.read(move |connection| api_keys::find_with_owner(connection, &id)).await;
            let found = found.map_err(|error: StoreError| FindApiKeyError(Box::new(error)))?;
            found.map_or(Ok(None), to_stored)
        })
    }

    /// A use that the store has no time for is noted with a later one.
    fn note_used(&self, id: &str, at: UnixMs) {
        let id = id.to_owned();
        drop(self.store.write(move |connection| api_keys::note_used(connection, &id, at.0)));
    }
}

/// Returns the key with no more scopes than its owner has, or nothing when its owner is locked.
fn to_stored(found: OwnedApiKey) -> Result<Option<StoredApiKey>, FindApiKeyError> {
    let OwnedApiKey { key, owner } = found;
    if owner.disabled_at_ms.is_some() {
        return Ok(None);
    }
    let names = |text: &str| to_names(text).map_err(|error| FindApiKeyError(Box::new(error)));
    let owned = names(&owner.scopes)?;
    let kept = names(&key.scopes)?.intersection(&owned);
    Ok(Some(StoredApiKey {
        id: key.id,
        digest: key.digest.0,
        subject: key.subject,
        roles: names(&owner.roles)?,
        scopes: kept,
        expires_at: key.expires_at_ms.map(UnixMs),
        revoked_at: key.revoked_at_ms.map(UnixMs),
    }))
}
