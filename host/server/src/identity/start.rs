//! How identity comes to life: cryptography that passes its self-test, the master key, signing keys, revocations.
//!
//! Whatever is missing fails the start and says what to do: a server that cannot tell who calls must not serve.

use std::{num::NonZero, path::PathBuf, sync::Arc, time::Duration};

use backplane_auth::{
    ACCESS_TOKEN_LIFETIME_MAX, Authenticator, AuthenticatorParts, HashPasswordError, InstallError, InvalidIssuer,
    InvalidKeyRow, KeyRing, MasterKey, MasterKeyError, NoRandomness, PasswordHashing, PasswordRules, Provider,
    RefreshPolicy, Revocations, RotationPolicy, SecretString, SignInThrottle, SystemRandom, ThrottleLimits,
    TokenIssuer, TokenNames,
};
use backplane_store::{
    Store, StoreError,
    identity::{audit::NewEntry, users},
};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::{
    ADMIN_ROLE, Identity,
    keys::{KeysError, SigningKeys},
    setup::Setup,
    trail,
};
use crate::{
    adapters::{ApiKeys, JwksOverHttp, PrepareJwksError, Reading},
    clock::Clock,
    config::{AuthConfig, Config},
};

/// Name of the master key's file in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";

/// Queries of accounts, keys and the audit trail at a time.
const QUERIES_MAX: usize = 2;

/// What happens to signing keys that do not open with the master key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnreadableKeys {
    /// The server does not start.
    #[default]
    Refuse,
    /// They are revoked, and another one signs.
    Revoke,
}

/// Why identity did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartIdentityError {
    /// Signatures cannot be made or checked.
    #[error(transparent)]
    Provider(#[from] InstallError),
    /// There is no master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The variable does not hold a key.
    #[error("BACKPLANE_MASTER_KEY is no master key")]
    MasterKeyVariable(#[source] MasterKeyError),
    /// The signing keys were made under another master key.
    #[error(
        "failed to open the signing keys: bring back the master key, or start once with --replace-keys, which voids \
         every access token"
    )]
    UnreadableKeys(#[source] InvalidKeyRow),
    /// The signing keys cannot be read or made.
    #[error("failed to read the signing keys")]
    Keys(#[source] KeysError),
    /// Passwords cannot be hashed.
    #[error("failed to prepare the hashing of passwords")]
    Passwords(#[from] HashPasswordError),
    /// No outside issuer can be asked for its keys.
    #[error(transparent)]
    Jwks(#[from] PrepareJwksError),
    /// An outside issuer is not one.
    #[error(transparent)]
    Issuer(#[from] InvalidIssuer),
    /// The set-up token needs randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The database cannot be read.
    #[error("failed to read accounts and revocations")]
    Store(#[from] StoreError),
    /// A thread that may block ended early.
    #[error("failed to prepare identity")]
    Broken,
}

impl From<KeysError> for StartIdentityError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Invalid(row) => Self::UnreadableKeys(row),
            error => Self::Keys(error),
        }
    }
}

impl Identity {
    /// Starts identity over an open store. The token is for whoever sets the server up, while nobody administers it.
    ///
    /// # Errors
    /// When a part is missing, with what to do about it.
    pub async fn start(
        config: &Config,
        store: Arc<Store>,
        clock: Clock,
        unreadable: UnreadableKeys,
    ) -> Result<(Self, Option<SecretString>), StartIdentityError> {
        let (auth, random) = (&config.auth, SystemRandom::new());
        let provider = Provider::install()?;
        let reading = Reading::new(Arc::clone(&store), QUERIES_MAX);
        let (master, passwords) = prepare(config, random.clone()).await?;
        let ring = Arc::new(KeyRing::new(provider, master, RotationPolicy::default(), random.clone()));
        let revocations = Arc::new(Revocations::new(token_lifetime_max(auth)));
        let names = TokenNames { issuer: auth.issuer.clone(), audience: auth.audience.clone() };
        let parts = AuthenticatorParts {
            ring: Arc::clone(&ring),
            names: names.clone(),
            external: auth.external.values().map(|external| external.to_issuer()).collect::<Result<_, _>>()?,
            fetch_jwks: Arc::new(JwksOverHttp::new(&auth.external)?),
            find_api_key: Arc::new(ApiKeys { store: Arc::clone(&store), reading: reading.clone() }),
            revocations: Arc::clone(&revocations),
        };
        let (setup, token) = open_setup(&reading, &random).await?;
        let issuer =
            TokenIssuer::new(Arc::clone(&ring), Arc::clone(&revocations), random.clone(), names, auth.access_token_ttl);
        let identity = Self {
            authenticator: Authenticator::new(provider, parts),
            keys: SigningKeys::new(ring, Arc::clone(&store), reading.clone()),
            issuer,
            access_token_ttl: auth.access_token_ttl,
            refresh_policy: refresh_policy(auth),
            passwords,
            password_rules: PasswordRules::default(),
            throttle: SignInThrottle::new(throttle_limits(auth)),
            revocations,
            revocations_seen: Mutex::new(0),
            setup,
            random,
            store,
            reading,
            clock,
        };
        identity.open_keys(unreadable).await?;
        identity.learn_revocations().await?;
        Ok((identity, token))
    }

    async fn open_keys(&self, unreadable: UnreadableKeys) -> Result<(), KeysError> {
        let now = self.clock.unix_ms();
        if unreadable == UnreadableKeys::Revoke {
            let (kind, action, result) = ("command".to_owned(), "key.revoke".to_owned(), trail::OK.to_owned());
            let entry = NewEntry { at_ms: now.0, kind, action, result, ..NewEntry::default() };
            for kid in self.keys.revoke_unreadable(now, &entry).await? {
                tracing::warn!(kid, "a signing key that does not open with the master key was revoked");
            }
        }
        self.keys.load().await?;
        self.keys.rotate_if_due(now).await
    }
}

/// Reads the master key and makes the pool that hashes, on a thread that may block.
async fn prepare(config: &Config, random: SystemRandom) -> Result<(MasterKey, PasswordHashing), StartIdentityError> {
    let config = config.clone();
    let prepare = move || Ok((load_master_key(&config, &random)?, PasswordHashing::new(random)?));
    spawn_blocking(prepare).await.map_err(|_panicked| StartIdentityError::Broken)?
}

/// Reads the master key, and makes it where it is kept in a file that is not there. Blocks.
///
/// # Errors
/// When the file cannot be used, or what is given is no key.
pub fn load_master_key(config: &Config, random: &SystemRandom) -> Result<MasterKey, StartIdentityError> {
    match &config.auth.master_key {
        Some(text) => MasterKey::from_base64(&text.0).map_err(StartIdentityError::MasterKeyVariable),
        None => Ok(MasterKey::from_file(&master_key_file(config), random)?),
    }
}

/// Returns where the master key is kept, when it is kept in a file.
pub fn master_key_file(config: &Config) -> PathBuf {
    config.auth.master_key_file.clone().unwrap_or_else(|| config.data.join(MASTER_KEY_FILE))
}

async fn open_setup(
    reading: &Reading,
    random: &SystemRandom,
) -> Result<(Setup, Option<SecretString>), StartIdentityError> {
    let has_administrator = reading.read(|connection| users::has_administrator(connection, ADMIN_ROLE)).await?;
    if has_administrator {
        return Ok((Setup::closed(), None));
    }
    let (setup, token) = Setup::open(random)?;
    Ok((setup, Some(token)))
}

/// Returns how long any token that is believed can be good.
fn token_lifetime_max(auth: &AuthConfig) -> Duration {
    auth.external.values().map(|external| external.token_ttl_max).fold(ACCESS_TOKEN_LIFETIME_MAX, Duration::max)
}

fn refresh_policy(auth: &AuthConfig) -> RefreshPolicy {
    RefreshPolicy { lifetime: auth.session_ttl, idle: auth.session_idle_ttl, grace: auth.refresh_grace }
}

fn throttle_limits(auth: &AuthConfig) -> ThrottleLimits {
    let per_minute = |attempts| NonZero::new(attempts).unwrap_or(NonZero::<u32>::MIN);
    ThrottleLimits {
        account_per_minute: per_minute(auth.account_attempts_per_minute),
        address_per_minute: per_minute(auth.address_attempts_per_minute),
    }
}
