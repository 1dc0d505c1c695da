//! Which passwords may be chosen: length, and not what everybody tries first (NIST SP 800-63B §3.1.1, ASVS 5.0 §6.2).
//!
//! No rule asks for kinds of characters. The rules are for choosing: a password that was chosen before a rule still
//! signs in.

use std::{collections::HashSet, sync::LazyLock};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Fewest bytes of a password that an operator can ask for.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Most bytes of a password; what is longer is not hashed.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// The 4,000 passwords of at least eight characters that are found most often in leaks, in lower case, one a line: a
/// part of the list of zxcvbn 4.5 (MIT licence, copyright 2012-2016 Dan Wheeler and Dropbox, Inc.).
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// It has too few bytes.
    #[error("the password is too short: it needs at least {bytes_min} bytes")]
    TooShort {
        /// How many it needs.
        bytes_min: usize,
    },
    /// It has more than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("the password is too long: it may have {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// It is among the passwords that everybody tries first.
    #[error("the password is one of the most common ones")]
    Common,
    /// It is the name of the account, or a part of it.
    #[error("the password is the name of the account")]
    AccountName,
}

/// The rules for choosing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    bytes_min: usize,
}

/// A password that may be chosen.
#[derive(Debug)]
pub struct CheckedPassword<'a>(&'a SecretString);

impl Default for PasswordRules {
    fn default() -> Self {
        Self::new(PASSWORD_BYTES_MIN)
    }
}

impl PasswordRules {
    /// Asks for at least `bytes_min` bytes, itself at least [`PASSWORD_BYTES_MIN`] and at most [`PASSWORD_BYTES_MAX`].
    pub fn new(bytes_min: usize) -> Self {
        Self { bytes_min: bytes_min.clamp(PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX) }
    }

    /// Says whether the owner of `account` may choose `password`.
    ///
    /// # Errors
    /// When it is too short, too long, or among the first that somebody would try.
    pub fn check<'a>(&self, password: &'a SecretString, account: &str) -> Result<CheckedPassword<'a>, WeakPassword> {
        let text = password.expose_secret();
        if text.len() < self.bytes_min {
            return Err(WeakPassword::TooShort { bytes_min: self.bytes_min });
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(WeakPassword::TooLong);
        }
        let folded = Zeroizing::new(text.to_lowercase());
        if COMMON.contains(folded.as_str()) {
            return Err(WeakPassword::Common);
        }
        let account = account.to_lowercase();
        let local_part = account.split('@').next().unwrap_or_default();
        if *folded == account || *folded == local_part {
            return Err(WeakPassword::AccountName);
        }
        Ok(CheckedPassword(password))
    }
}

impl CheckedPassword<'_> {
    pub(super) fn secret(&self) -> &SecretString {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: PasswordRules, password: &str) -> Option<WeakPassword> {
        rules.check(&SecretString::from(password), "ada.lovelace@engine.example").err()
    }

    #[test]
    fn counts_bytes() {
        let rules = PasswordRules::default();
        assert_eq!(check(rules, "s0 shOrt"), None);
        assert_eq!(check(rules, "s0 shrt"), Some(WeakPassword::TooShort { bytes_min: 8 }));
        assert_eq!(check(rules, "öäüß"), None);
        assert_eq!(check(rules, &"x7".repeat(64)), None);
        assert_eq!(check(rules, &format!("{}x", "x7".repeat(64))), Some(WeakPassword::TooLong));
        assert_eq!(check(PasswordRules::new(0), "1234567"), Some(WeakPassword::TooShort { bytes_min: 8 }));
        assert_eq!(check(PasswordRules::new(15), "s0 shOrt a pass"), None);
        assert_eq!(check(PasswordRules::new(15), "s0 shOrt"), Some(WeakPassword::TooShort { bytes_min: 15 }));
    }

    #[test]
    fn refuses_what_everybody_tries_first() {
        for password in ["password", "Password", "PASSWORD", "password1", "12345678", "qwertyuiop", "iloveyou"] {
            assert_eq!(check(PasswordRules::default(), password), Some(WeakPassword::Common), "{password}");
        }
    }

    #[test]
    fn refuses_the_name_of_the_account() {
        for password in ["Ada.Lovelace@engine.example", "ada.lovelace"] {
            assert_eq!(check(PasswordRules::default(), password), Some(WeakPassword::AccountName), "{password}");
        }
        assert_eq!(check(PasswordRules::default(), "ada.lovelace analytical"), None);
    }

    #[test]
    fn the_list_has_lines_that_a_rule_does_not_catch_already() {
        assert!(COMMON.len() >= 3000, "{}", COMMON.len());
        for line in COMMON.iter() {
            assert!((PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&line.len()), "{line}");
            assert_eq!(*line, line.to_lowercase());
        }
    }
}
