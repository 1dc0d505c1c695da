//! Random bytes from the operating system, or a typed refusal.
//!
//! Nothing here falls back to a weaker source.

use ring::rand::{SecureRandom as _, SystemRandom};

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

pub(crate) fn random_bytes<const N: usize>(random: &SystemRandom) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
    Ok(bytes)
}
