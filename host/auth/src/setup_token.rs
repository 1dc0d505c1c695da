//! The token that stands in for the first administrator until there is one.
//!
//! Whoever starts the server sees it once. Here is only its digest, which is compared in constant time. How long it is
//! good, and what it is good for, is not known here.

use ring::{digest, rand::SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::{
    random::NoRandomness,
    secret_text::{create_secret, parse_secret},
};

/// What every set-up token begins with.
pub const SETUP_TOKEN_PREFIX: &str = "bps_";

/// A set-up token, as whoever is asked for it remembers it.
#[derive(Debug, Clone)]
pub struct SetupToken {
    digest: [u8; 32],
}

impl SetupToken {
    /// Makes a token: what is shown once, and what is remembered.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn create(random: &SystemRandom) -> Result<(SecretString, Self), NoRandomness> {
        let text = create_secret(SETUP_TOKEN_PREFIX, random)?;
        let digest = digest_of(&text).expect("a token that was just made is spelled right");
        Ok((text, Self { digest }))
    }

    /// Returns whether `presented` is the token.
    pub fn matches(&self, presented: &SecretString) -> bool {
        digest_of(presented).is_some_and(|digest| digest.ct_eq(&self.digest).into())
    }
}

fn digest_of(text: &SecretString) -> Option<[u8; 32]> {
    let secret = parse_secret(text.expose_secret(), SETUP_TOKEN_PREFIX)?;
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_itself_and_no_other() {
        let [(text, token), (other, _)] = [(); 2].map(|()| SetupToken::create(&SystemRandom::new()).expect("a token"));
        assert!(text.expose_secret().starts_with("bps_"));
        assert!(token.matches(&text));
        let longer = format!("{}A", text.expose_secret());
        for wrong in [other.expose_secret(), "", "bps_", &longer] {
            assert!(!token.matches(&SecretString::from(wrong)), "{wrong}");
        }
    }
}
