//! The signing keys of a database, beside its server or before its first start.

use std::time::Duration;

use anyhow::bail;
use backplane_auth::{
    ACCESS_TOKEN_LIFETIME_MAX, KeyRing, KeyState, Provider, Revocations, RotationPolicy, StoredKey, SystemRandom,
    UnixMs,
};
use backplane_store::{
    CommandStore,
    identity::{revocations, signing_keys},
};

use crate::{
    adapters::{key_change, revocation, signing_key},
    config::Config,
    identity::load_master_key,
};

/// How often the first key is made anew because somebody else makes it too.
const TRIES: usize = 3;
/// Revocations that are read at once.
const PAGE: usize = 1000;

/// Opens the keys. Where none signs yet, one is made as the server would; everything else is the server's to change.
///
/// # Errors
/// When the master key cannot be had, a key does not open with it, or the database cannot be used.
pub(super) fn open_ring(
    store: &mut CommandStore,
    config: &Config,
    random: &SystemRandom,
    now: UnixMs,
) -> anyhow::Result<KeyRing> {
    let master = load_master_key(config, random)?;
    let ring = KeyRing::new(Provider::install()?, master, RotationPolicy::default(), random.clone());
    for _ in 0..TRIES {
        let rows = read(store)?;
        if rows.iter().any(|row| row.state == KeyState::Active) {
            ring.publish(&rows)?;
            return Ok(ring);
        }
        let changes: Vec<_> = ring.plan_rotation(&rows, now)?.into_iter().map(key_change).collect();
        store.write(|connection| signing_keys::apply(connection, &changes))?;
    }
    bail!("others change the signing keys at the same time: try again")
}

/// Reads what is believed no more: a token that is issued right after is younger.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn revocations(store: &mut CommandStore, now: UnixMs) -> anyhow::Result<Revocations> {
    let known = Revocations::new(ACCESS_TOKEN_LIFETIME_MAX.max(Duration::from_hours(24)));
    let mut seen = 0;
    loop {
        let page = store.read(|connection| revocations::list_after(connection, seen, PAGE))?;
        let Some(last) = page.last() else { return Ok(known) };
        seen = last.seq;
        known.apply(page.iter().map(revocation), now);
    }
}

fn read(store: &mut CommandStore) -> anyhow::Result<Vec<StoredKey>> {
    let rows = store.read(signing_keys::list)?;
    Ok(rows.into_iter().map(signing_key).collect::<Result<_, _>>()?)
}
