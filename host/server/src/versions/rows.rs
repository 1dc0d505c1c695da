//! A plugin's versions as the database keeps them, and back.

use backplane_runtime::{ContentHash, ParseHashError};
use backplane_store::versions as store;
use jiff::Timestamp;

use super::{History, Pin, VersionRecord};

/// Why a row is no version.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadRowError {
    #[error("a hash is damaged")]
    Hash(#[from] ParseHashError),
    #[error("a time is damaged")]
    Time(#[from] jiff::Error),
}

pub(super) fn to_rows(history: &History) -> store::History {
    let version = |record: &VersionRecord| store::Version {
        hash: record.hash.to_string(),
        version: record.version.clone(),
        file: record.file.clone(),
        sidecar: record.sidecar.clone(),
        loaded_at_ms: record.loaded_at.as_millisecond(),
    };
    let pin = |pin: Pin| store::Pin { chosen: pin.chosen.to_string(), instead_of: pin.instead_of.to_string() };
    store::History {
        versions: history.versions.iter().map(version).collect(),
        live: history.live.map(|hash| hash.to_string()),
        pin: history.pin.map(pin),
    }
}

pub(super) fn from_rows(rows: store::History) -> Result<History, ReadRowError> {
    let version = |row: store::Version| {
        Ok::<_, ReadRowError>(VersionRecord {
            hash: row.hash.parse()?,
            version: row.version,
            file: row.file,
            sidecar: row.sidecar,
            loaded_at: Timestamp::from_millisecond(row.loaded_at_ms)?,
        })
    };
    let pin = |pin: store::Pin| {
        Ok::<_, ParseHashError>(Pin { chosen: pin.chosen.parse()?, instead_of: pin.instead_of.parse()? })
    };
    Ok(History {
        versions: rows.versions.into_iter().map(version).collect::<Result<_, _>>()?,
        live: rows.live.map(|hash| hash.parse::<ContentHash>()).transpose()?,
        pin: rows.pin.map(pin).transpose()?,
    })
}
