//! Knows who calls.
//!
//! The way of a request: [`Authenticator`] turns the value of an `Authorization` header into a [`Principal`],
//! [`Access`] says whether that principal may pass. The way of a sign-in: [`SignInThrottle`] lets the attempt
//! through, [`PasswordHashing`] checks the password, [`RefreshTokens`] opens a session, [`TokenIssuer`] signs the
//! access token with the active key of the [`KeyRing`]. Whoever comes too often is held off by a [`RateLimiter`].
//!
//! Time comes in as [`UnixMs`] and random bytes as [`SystemRandom`]. Where something has to be stored or fetched
//! there is a small port, a trait of this crate: [`FindApiKey`], [`RefreshStore`], [`FetchJwks`]. No secret is in any
//! type's `Debug` or `Display`.
//!
//! This crate does not know HTTP, SQL, WebAssembly, or where a setting comes from.

mod access;
mod api_key;
mod authenticate;
mod bucket;
mod claims;
mod external;
mod json;
mod jws;
mod key_ring;
mod names;
mod origin;
mod password;
mod principal;
mod provider;
mod random;
mod rate;
mod refresh;
mod revocations;
mod secret_text;
#[cfg(test)]
mod secrets_stay_secret;
mod setup_token;
#[cfg(test)]
mod testing;
mod throttle;
mod time;
mod token;
mod verify;

use std::{future::Future, pin::Pin};

pub use ring::rand::SystemRandom;
pub use secrecy::{ExposeSecret, SecretString};

pub use self::{
    access::{Access, Decision, TightenError},
    api_key::{API_KEY_PREFIX, ApiKeyError, FindApiKey, FindApiKeyError, NewApiKey, StoredApiKey, create_api_key},
    authenticate::{AuthenticateError, Authenticator, AuthenticatorParts},
    external::{
        AcceptedTypes, ClaimRule, ExternalAlgorithm, ExternalIssuer, FetchJwks, FetchJwksError, InvalidIssuer,
        JWKS_BYTES_MAX,
    },
    key_ring::{
        InvalidKeyRow, KeyChange, KeyRing, KeyState, MasterKey, MasterKeyError, PlanKeysError, RotationPolicy,
        StoredKey,
    },
    names::{InvalidName, NAME_BYTES_MAX, Names},
    origin::origin_of,
    password::{
        CheckedPassword, ChoosePasswordError, HashPasswordError, HashedPassword, PASSWORD_BYTES_MAX,
        PASSWORD_BYTES_MIN, PasswordCheck, PasswordHashing, PasswordRules, VerifyPasswordError, WeakPassword,
        hash_password,
    },
    principal::{Principal, PrincipalKind, PrincipalParts},
    provider::{InstallError, Provider},
    random::NoRandomness,
    rate::{Rate, RateLimiter, RatePeriod, TooOften},
    refresh::{
        Family, NewRefreshToken, NewSession, Opening, REFRESH_TOKEN_PREFIX, RefreshError, RefreshPolicy, RefreshRow,
        RefreshStore, RefreshStoreError, RefreshTokens, Rotated, RotationRequest, RotationResult,
    },
    revocations::{Revocation, Revocations, Revoked},
    setup_token::{SETUP_TOKEN_PREFIX, SetupToken},
    throttle::{Attempt, Delayed, SignInThrottle, ThrottleLimits},
    time::UnixMs,
    token::{
        ACCESS_TOKEN_LIFETIME, ACCESS_TOKEN_LIFETIME_MAX, AccessGrant, AccessToken, IssueError, TokenIssuer, TokenNames,
    },
    verify::{LEEWAY, TOKEN_BYTES_MAX, VerifyError},
};

/// What a port's method returns: a future on the heap, so that the port is a plain object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
