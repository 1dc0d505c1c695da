//! `[auth]`: who is believed, for how long, and how fast passwords can be tried.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use backplane_auth::{
    ACCESS_TOKEN_LIFETIME, ACCESS_TOKEN_LIFETIME_MAX, ExposeSecret as _, RefreshPolicy, SecretString,
};

use super::{external::ExternalConfig, reader::Reader};

/// Settings of identity.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthConfig {
    /// `iss` of the server's own tokens. Default `backplane`.
    pub issuer: String,
    /// `aud` of the server's own tokens. Default `backplane`.
    pub audience: String,
    /// How long an access token is good. Default 10 min.
    pub access_token_ttl: Duration,
    /// From a sign-in to the end of its session, however busy it is. Default 30 days.
    pub session_ttl: Duration,
    /// From one refresh of a session to the next at most. Default 7 days.
    pub session_idle_ttl: Duration,
    /// How long the answer to a refresh can be asked for again when it was lost. Default 10 s.
    pub refresh_grace: Duration,
    /// File with the key that signing keys are encrypted with. Default `master.key` in the data folder.
    pub master_key_file: Option<PathBuf>,
    /// That key itself, 32 bytes as base64, from `BACKPLANE_MASTER_KEY` only; the file is not used then.
    pub master_key: Option<MasterKeyText>,
    /// Sign-ins to one account in one minute, right or wrong. Default 10.
    pub account_attempts_per_minute: u32,
    /// Sign-ins from one address in one minute, right or wrong. Default 30.
    pub address_attempts_per_minute: u32,
    /// Outside issuers whose tokens are believed, by the names that the operator gives them. Default none.
    pub external: BTreeMap<String, ExternalConfig>,
}

/// A master key as text. It is never shown.
#[derive(Clone)]
pub struct MasterKeyText(pub SecretString);

impl PartialEq for MasterKeyText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for MasterKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeyText(..)")
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        let RefreshPolicy { lifetime, idle, grace } = RefreshPolicy::default();
        Self {
            issuer: "backplane".to_owned(),
            audience: "backplane".to_owned(),
            access_token_ttl: ACCESS_TOKEN_LIFETIME,
            session_ttl: lifetime,
            session_idle_ttl: idle,
            refresh_grace: grace,
            master_key_file: None,
            master_key: None,
            account_attempts_per_minute: 10,
            address_attempts_per_minute: 30,
            external: BTreeMap::new(),
        }
    }
}

impl AuthConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let minute = Duration::from_mins(1);
        let session = minute..=Duration::from_hours(366 * 24);
        let master_key = reader.take_master_key().map(MasterKeyText);
        let mut auth = reader.section("auth");
        let mut config = Self {
            issuer: auth.get("issuer", default.issuer),
            audience: auth.get("audience", default.audience),
            access_token_ttl: auth.within(
                "access_token_ttl",
                default.access_token_ttl,
                Duration::from_secs(5)..=ACCESS_TOKEN_LIFETIME_MAX,
            ),
            session_ttl: auth.within("session_ttl", default.session_ttl, session.clone()),
            session_idle_ttl: auth.within("session_idle_ttl", default.session_idle_ttl, session),
            refresh_grace: auth.within("refresh_grace", default.refresh_grace, Duration::ZERO..=minute),
            master_key_file: auth.optional("master_key_file"),
            master_key,
            account_attempts_per_minute: auth.within(
                "account_attempts_per_minute",
                default.account_attempts_per_minute,
                1..=100_000,
            ),
            address_attempts_per_minute: auth.within(
                "address_attempts_per_minute",
                default.address_attempts_per_minute,
                1..=100_000,
            ),
            external: BTreeMap::new(),
        };
        for (key, name) in [("issuer", &config.issuer), ("audience", &config.audience)] {
            if name.len() > 255 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                auth.refuse(key, format!("{name:?} cannot stand in a token: write 1 to 255 letters, digits and signs"));
            }
        }
        auth.at_most("session_idle_ttl", &config.session_idle_ttl, "session_ttl", &config.session_ttl);
        let external = auth.take_table("external");
        auth.close();
        config.external = ExternalConfig::read_all(reader, external);
        config
    }
}
