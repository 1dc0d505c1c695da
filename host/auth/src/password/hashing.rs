//! Hashing beside the requests: bounded, on threads that give way, and the same work for everybody.
//!
//! A hash has a thread to itself, which costs a thousandth of the hash to make. The operating system lets it compute while
//! nobody else wants to (`manner`). One processor is left to requests all the same: a hash takes the caches and the
//! memory's bandwidth with it, which no priority gives back.
//!
//! A place is held from the start of a hash to its end, also when its caller is gone: a client that disconnects does
//! not free a processor that still computes.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, oneshot};

use super::{
    manner::Manners,
    phc::{self, Comparison},
    rules::{CheckedPassword, PASSWORD_BYTES_MAX, PasswordRules, WeakPassword},
};
use crate::random::random_bytes;

/// Most callers that wait for a place.
const WAITING_MAX: usize = 64;

/// A password as it is stored: a PHC string.
#[derive(Clone)]
pub struct HashedPassword(pub String);

/// What came of a sign-in's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is right. When `rehash_needed`, it was hashed with other parameters than today's: hash and store it again.
    Right {
        /// Whether to hash it again.
        rehash_needed: bool,
    },
    /// It is wrong, or there is nobody.
    Wrong,
}

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashPasswordError {
    /// Too many wait already: 503, come back.
    #[error("too many passwords are being checked")]
    Busy,
    /// There is no salt, or no memory.
    #[error("the password could not be hashed")]
    Failed,
}

/// Why a password was not chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChoosePasswordError {
    /// It is among the first that somebody would try.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// It was not hashed.
    #[error(transparent)]
    Hash(#[from] HashPasswordError),
}

/// Why a password was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyPasswordError {
    /// Too many wait already: 503, come back.
    #[error("too many passwords are being checked")]
    Busy,
    /// What is stored is not a hash of ours: the account needs a new password.
    #[error("the stored password is not an Argon2id hash within bounds")]
    UnreadableHash,
    /// The check broke off.
    #[error("the password could not be checked")]
    Failed,
}

/// Hashes the password that the owner of `account` chooses, beside nobody else's: for a command. Blocks.
///
/// # Errors
/// When it may not be chosen, or hashing fails.
pub fn hash_password(
    password: &SecretString,
    account: &str,
    random: &SystemRandom,
) -> Result<HashedPassword, ChoosePasswordError> {
    let checked = PasswordRules::default().check(password, account)?;
    let hashed = phc::hash(checked.secret().expose_secret().as_bytes(), random);
    Ok(HashedPassword(hashed.map_err(|phc::Failed| HashPasswordError::Failed)?))
}

/// The pool that hashes.
#[derive(Debug)]
pub struct PasswordHashing {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    manners: Manners,
    random: SystemRandom,
    /// What is compared with when there is nobody: the hash of a password that nobody knows.
    nobody: HashedPassword,
}

/// A caller that waits, counted until it goes.
struct Waiting<'a>(&'a AtomicUsize);

impl PasswordHashing {
    /// Hashes on one thread less than there are processors, and on one at least. Blocks for one hash.
    ///
    /// # Errors
    /// When hashing fails: there is no randomness, or no memory.
    pub fn new(random: SystemRandom) -> Result<Self, HashPasswordError> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_places(processors.saturating_sub(1).max(1), random)
    }

    fn with_places(places: usize, random: SystemRandom) -> Result<Self, HashPasswordError> {
        let unknown = random_bytes::<32>(&random).map_err(|_no_randomness| HashPasswordError::Failed)?;
        let nobody = phc::hash(&unknown, &random).map_err(|phc::Failed| HashPasswordError::Failed)?;
        let nobody = HashedPassword(nobody);
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { places, waiting: AtomicUsize::new(0), manners: Manners::default(), random, nobody })
    }

    /// Hashes a password that may be chosen.
    ///
    /// # Errors
    /// When too many wait already, or hashing fails.
    ///
    /// # Cancel safety
    /// A hash that was begun runs to its end and holds its place until then.
    pub async fn hash(&self, password: &CheckedPassword<'_>) -> Result<HashedPassword, HashPasswordError> {
        let (password, random) = (password.secret().clone(), self.random.clone());
        let hashed = self.run(move || phc::hash(password.expose_secret().as_bytes(), &random)).await;
        match hashed {
            Ok(Ok(text)) => Ok(HashedPassword(text)),
            Ok(Err(phc::Failed)) | Err(Refused::Broken) => Err(HashPasswordError::Failed),
            Err(Refused::Busy) => Err(HashPasswordError::Busy),
        }
    }

    /// Checks a password against what is stored; `None` is somebody who does not exist, and costs the same.
    ///
    /// # Errors
    /// When too many wait already, or what is stored cannot be read.
    ///
    /// # Cancel safety
    /// A check that was begun runs to its end and holds its place until then.
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&HashedPassword>,
    ) -> Result<PasswordCheck, VerifyPasswordError> {
        // Nobody could choose it, whoever exists.
        if password.expose_secret().len() > PASSWORD_BYTES_MAX {
            return Ok(PasswordCheck::Wrong);
        }
        let exists = stored.is_some();
        let (password, HashedPassword(stored)) = (password.clone(), stored.unwrap_or(&self.nobody).clone());
        match self.run(move || phc::compare(password.expose_secret().as_bytes(), &stored)).await {
            Ok(Comparison::Same { is_outdated }) if exists => Ok(PasswordCheck::Right { rehash_needed: is_outdated }),
            Ok(Comparison::Same { .. } | Comparison::Different) => Ok(PasswordCheck::Wrong),
            Ok(Comparison::Unreadable) => Err(VerifyPasswordError::UnreadableHash),
            Err(Refused::Broken) => Err(VerifyPasswordError::Failed),
            Err(Refused::Busy) => Err(VerifyPasswordError::Busy),
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_taken) => {
                let _waiting = Waiting::enter(&self.waiting).ok_or(Refused::Busy)?;
                Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| Refused::Busy)?
            }
        };
        let (done, ended) = oneshot::channel();
        let manners = self.manners.clone();
        let hash = move || {
            let result = manners.run(work);
            // Before the answer: who hears it finds the place free.
            drop(place);
            drop(done.send(result));
        };
        thread::Builder::new().name("password".to_owned()).spawn(hash).map_err(|_no_thread| Refused::Broken)?;
        ended.await.map_err(|_panicked| Refused::Broken)
    }
}

enum Refused {
    Busy,
    /// It panicked, or there was no thread for it.
    Broken,
}

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        let one_more = |count: usize| (count < WAITING_MAX).then_some(count + 1);
        waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedPassword(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn hashing(places: usize) -> Arc<PasswordHashing> {
        Arc::new(PasswordHashing::with_places(places, SystemRandom::new()).expect("randomness"))
    }

    async fn hash(hashing: &PasswordHashing, password: &str) -> HashedPassword {
        let password = SecretString::from(password);
        let checked = PasswordRules::default().check(&password, "ada").expect("strong");
        hashing.hash(&checked).await.expect("hashes")
    }

    #[tokio::test]
    async fn knows_the_right_password() {
        let hashing = hashing(1);
        let stored = hash(&hashing, "correct horse").await;
        let check = async |password: &str, stored: Option<&HashedPassword>| {
            hashing.verify(&SecretString::from(password), stored).await
        };
        assert_eq!(check("correct horse", Some(&stored)).await, Ok(PasswordCheck::Right { rehash_needed: false }));
        assert_eq!(check("Correct horse", Some(&stored)).await, Ok(PasswordCheck::Wrong));
        assert_eq!(check("correct horse", None).await, Ok(PasswordCheck::Wrong));
        assert_eq!(check(&"x".repeat(129), Some(&stored)).await, Ok(PasswordCheck::Wrong));
        let unreadable = HashedPassword("plain".into());
        assert_eq!(check("plain", Some(&unreadable)).await, Err(VerifyPasswordError::UnreadableHash));
        let old = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let old = HashedPassword(old.into());
        assert_eq!(check("password", Some(&old)).await, Ok(PasswordCheck::Right { rehash_needed: true }));
    }

    #[tokio::test]
    async fn a_command_hashes_what_the_pool_knows() {
        let (random, password) = (SystemRandom::new(), SecretString::from("correct horse"));
        let stored = hash_password(&password, "ada", &random).expect("strong");
        let known = hashing(1).verify(&password, Some(&stored)).await;
        assert_eq!(known, Ok(PasswordCheck::Right { rehash_needed: false }));
        let weak = hash_password(&SecretString::from("password"), "ada", &random);
        assert!(matches!(weak, Err(ChoosePasswordError::Weak(WeakPassword::Common))));
    }

    /// The work is the same because the parameters are: a comparison with nobody's hash is a whole one.
    #[tokio::test]
    async fn somebody_who_does_not_exist_costs_as_much() {
        let hashing = hashing(1);
        let stored = hash(&hashing, "correct horse").await;
        let parameters = |phc: &str| phc.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(parameters(&hashing.nobody.0), parameters(&stored.0));
        assert!(parameters(&stored.0).is_some_and(|text| text.contains("m=19456,t=2,p=1")));
    }

    #[tokio::test]
    async fn refuses_when_too_many_wait() {
        let hashing = hashing(1);
        let (release, held) = mpsc::channel::<()>();
        let holder = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.run(move || held.recv().is_ok()).await.is_ok() })
        };
        while hashing.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let hashing = Arc::clone(&hashing);
                tokio::spawn(async move { hashing.run(|| ()).await.is_ok() })
            })
            .collect();
        while hashing.waiting.load(Ordering::SeqCst) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let refused = hashing.verify(&SecretString::from("x"), None).await;
        assert_eq!(refused, Err(VerifyPasswordError::Busy));
        release.send(()).expect("the holder waits");
        assert!(holder.await.expect("no panic"));
        for one in waiting {
            assert!(one.await.expect("no panic"));
        }
        assert_eq!((hashing.waiting.load(Ordering::SeqCst), hashing.places.available_permits()), (0, 1));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_frees_its_place_when_the_work_ends_and_not_before() {
        let hashing = hashing(1);
        let (release, held) = mpsc::channel::<()>();
        let caller = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.run(move || held.recv().is_ok()).await.is_ok() })
        };
        while hashing.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        caller.abort();
        assert!(caller.await.is_err());
        assert_eq!(hashing.places.available_permits(), 0);
        drop(release);
        assert!(hashing.run(|| ()).await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_frees_its_place() {
        let hashing = hashing(1);
        assert!(matches!(hashing.run(|| panic!("on purpose")).await, Err(Refused::Broken)));
        assert!(hashing.run(|| ()).await.is_ok());
    }
}
