//! The cryptography behind `jsonwebtoken`: ring, and of ring only what this crate uses.
//!
//! jsonwebtoken 11 brings no ring backend and panics at its first use when none is installed. A [`Provider`] is the
//! proof that ours is installed and has passed its self-test; whatever signs or verifies asks for one. Shared-secret
//! algorithms are not in it at all, so a token that names one cannot be verified by mistake (RFC 8725 §3.1, §3.2).
//! It does not know keys, claims or rules.

mod ring_backend;
mod self_test;

use std::sync::OnceLock;

/// Proof that signatures can be made and checked in this process.
#[derive(Debug, Clone, Copy)]
pub struct Provider(());

/// Why signatures cannot be made or checked in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Somebody installed another provider before; there can be one in a process.
    #[error("another cryptography provider is installed in this process already")]
    Taken,
    /// A signature that must verify does not, or one that must not does.
    #[error("the self-test of {0} signatures failed: this build or this machine must not be trusted")]
    SelfTest(&'static str),
}

static INSTALLED: OnceLock<Result<Provider, InstallError>> = OnceLock::new();

impl Provider {
    /// Installs the provider and tests it, the first time; afterwards tells what came of that.
    ///
    /// # Errors
    /// When another provider is installed, or the self-test fails.
    pub fn install() -> Result<Self, InstallError> {
        *INSTALLED.get_or_init(|| {
            ring_backend::RING.install_default().map_err(|_other| InstallError::Taken)?;
            self_test::run()?;
            Ok(Self(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_once_and_says_so_ever_after() {
        assert!(Provider::install().is_ok());
        assert!(Provider::install().is_ok());
        assert!(ring_backend::RING.install_default().is_err());
    }
}
