//! One hash: Argon2id (RFC 9106) in a PHC string.
//!
//! A string that asks for more memory or passes than any operator would set is not computed: it is not one of ours.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use ring::rand::SystemRandom;

use crate::random::random_bytes;

/// OWASP's Password Storage Cheat Sheet, first choice with one lane: 19 MiB, two passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The most that a stored string may ask for.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// RFC 9106 §3.1 recommends 16 bytes.
const SALT_BYTES: usize = 16;

/// There was no salt, or no memory.
#[derive(Debug)]
pub(super) struct Failed;

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It is the password; `is_outdated` when it should be hashed again.
    Same { is_outdated: bool },
    /// It is another password.
    Different,
    /// The string is not a hash of ours.
    Unreadable,
}

/// Hashes; blocks for some tens of milliseconds.
pub(super) fn hash(password: &[u8], random: &SystemRandom) -> Result<String, Failed> {
    let salt = random_bytes::<SALT_BYTES>(random).map_err(|_no_randomness| Failed)?;
    // Parameters and salt are right by construction; what is left to fail is the memory.
    let hashed = argon2().hash_password_with_salt(password, &salt).map_err(|_out_of_memory| Failed)?;
    Ok(hashed.to_string())
}

/// Compares; blocks as long as hashing.
pub(super) fn compare(password: &[u8], stored: &str) -> Comparison {
    let Ok(stored) = PasswordHash::new(stored) else { return Comparison::Unreadable };
    let Ok(params) = Params::try_from(&stored) else { return Comparison::Unreadable };
    let is_ours = stored.algorithm == argon2::ARGON2ID_IDENT
        && stored.version == Some(Version::V0x13.into())
        && params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= PASSES_MAX
        && params.p_cost() <= LANES_MAX;
    if !is_ours {
        return Comparison::Unreadable;
    }
    let wanted = (MEMORY_KIB, PASSES, LANES);
    match argon2().verify_password(password, &stored) {
        Ok(()) => Comparison::Same { is_outdated: (params.m_cost(), params.t_cost(), params.p_cost()) != wanted },
        Err(_) => Comparison::Different,
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_parameters_and_a_new_salt_each_time() {
        let random = SystemRandom::new();
        let hashes = [(); 2].map(|()| hash(b"correct horse", &random).expect("hashes"));
        assert!(hashes[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hashes[0]);
        assert_ne!(hashes[0], hashes[1]);
        assert_eq!(compare(b"correct horse", &hashes[0]), Comparison::Same { is_outdated: false });
        assert_eq!(compare(b"correct horse ", &hashes[0]), Comparison::Different);
        assert_eq!(compare(b"", &hashes[0]), Comparison::Different);
    }

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -e`.
    #[test]
    fn reads_a_hash_of_the_reference_implementation_and_asks_for_a_new_one() {
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(compare(b"password", stored), Comparison::Same { is_outdated: true });
        assert_eq!(compare(b"passwore", stored), Comparison::Different);
    }

    #[test]
    fn computes_nothing_that_is_not_ours() {
        let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for head in [
            "$argon2i$v=19$m=65536,t=2,p=1$",
            "$argon2d$v=19$m=65536,t=2,p=1$",
            "$argon2id$v=16$m=65536,t=2,p=1$",
            "$argon2id$m=65536,t=2,p=1$",
            "$argon2id$v=19$m=4194304,t=2,p=1$",
            "$argon2id$v=19$m=65536,t=1000,p=1$",
            "$argon2id$v=19$m=65536,t=2,p=200$",
            "$scrypt$ln=16,r=8,p=1$",
            "",
        ] {
            assert_eq!(compare(b"password", &format!("{head}{tail}")), Comparison::Unreadable, "{head}");
        }
    }
}
