//! Where two crates meet that do not know each other: the runtime, the dispatcher of events and identity ask through
//! their ports, and what stands behind them answers.
//!
//! There is nothing here but translation. What a quota is, and which call gets which keyspace, is decided elsewhere.

mod api_keys;
mod delivered;
mod event_log;
mod jwks;
mod keyspace;
mod progress;
mod reading;
mod sessions;
mod subscribers;
mod translate;
mod translate_events;
mod translate_identity;

pub(crate) use self::translate_events::{event, published, topics};
pub(crate) use self::translate_identity::{family, key_change, refresh_token, revocation, signing_key, to_names};
pub use self::{
    api_keys::ApiKeys,
    event_log::StoredEvents,
    jwks::{JwksOverHttp, PrepareJwksError},
    keyspace::{PluginState, Recorded, ReplyRecord},
    progress::StoredProgress,
    reading::Reading,
    sessions::{Found, Granted, SessionError, Sessions, SignIn, get_granted},
    subscribers::LivePlugins,
    translate_events::DamagedEventRow,
    translate_identity::DamagedRow,
};
