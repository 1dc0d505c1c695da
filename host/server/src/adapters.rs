//! Where two crates meet that do not know each other: the runtime and identity ask through their ports, and what stands
//! behind them answers.
//!
//! There is nothing here but translation. What a quota is, and which call gets which keyspace, is decided elsewhere.

mod api_keys;
mod jwks;
mod keyspace;
mod reading;
mod sessions;
mod translate;
mod translate_identity;

pub(crate) use self::translate_identity::{family, key_change, refresh_token, revocation, signing_key, to_names};
pub use self::{
    api_keys::ApiKeys,
    jwks::{JwksOverHttp, PrepareJwksError},
    keyspace::{PluginState, Recorded, ReplyRecord},
    reading::Reading,
    sessions::{Found, Granted, SessionError, Sessions, SignIn, get_granted},
    translate_identity::DamagedRow,
};
