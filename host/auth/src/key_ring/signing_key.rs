//! One signing key: made, wrapped, opened again.
//!
//! A wrapped key is one byte of version, a random nonce of 96 bits, and the PKCS#8 document under AES-256-GCM with the
//! key's id as associated data (NIST SP 800-38D §8.2.2). It opens only under the same master key and the same id.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use zeroize::Zeroizing;

use super::{KeyState, StoredKey, master_key::MasterKey};
use crate::{
    jws::VerifyingKey,
    random::{NoRandomness, random_bytes},
    time::UnixMs,
};

/// The algorithm of every key of this host (RFC 7518 §3.4).
pub(crate) const ALGORITHM_NAME: &str = "ES256";
const WRAPPING_VERSION: u8 = 1;
/// A point of P-256, uncompressed: a byte 4, then both coordinates (SEC 1 §2.3.3).
const COORDINATE_BYTES: usize = 32;

/// A key that can sign.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) encoding: EncodingKey,
    pub(crate) verifying: VerifyingKey,
    pub(super) x: String,
    pub(super) y: String,
}

impl SigningKey {
    fn from_pkcs8(pkcs8: &[u8], random: &SystemRandom) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random).ok()?;
        let point = pair.public_key().as_ref();
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(COORDINATE_BYTES)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let verifying = VerifyingKey { algorithm: Algorithm::ES256, key: DecodingKey::from_ec_der(point) };
        let encoding = EncodingKey::from_ec_der(pkcs8);
        Some(Self { kid: thumbprint(&x, &y), encoding, verifying, x, y })
    }

    /// Opens a row; nothing when it was wrapped under another master key, or is not the key that it says.
    pub(super) fn open(row: &StoredKey, master: &MasterKey) -> Option<Self> {
        if row.algorithm != ALGORITHM_NAME {
            return None;
        }
        let pkcs8 = unwrap(master, &row.kid, &row.wrapped)?;
        Self::from_pkcs8(&pkcs8, &SystemRandom::new()).filter(|key| key.kid == row.kid)
    }
}

/// Makes a new key, as a row.
pub(super) fn create_row(
    master: &MasterKey,
    random: &SystemRandom,
    state: KeyState,
    now: UnixMs,
) -> Result<StoredKey, NoRandomness> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).map_err(|_unspecified| NoRandomness)?;
    let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
    let key = SigningKey::from_pkcs8(&pkcs8, random).expect("ring reads the key that it has just made");
    let wrapped = wrap(master, &key.kid, &pkcs8, random)?;
    Ok(StoredKey { kid: key.kid, algorithm: ALGORITHM_NAME.to_owned(), wrapped, state, changed_at: now })
}

/// Returns the thumbprint of a P-256 key: SHA-256 over its required members in order (RFC 7638 §3).
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

fn wrap(master: &MasterKey, kid: &str, pkcs8: &[u8], random: &SystemRandom) -> Result<Vec<u8>, NoRandomness> {
    let nonce = random_bytes::<NONCE_LEN>(random)?;
    let mut sealed = Zeroizing::new(pkcs8.to_vec());
    let tag = sealing_key(master)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(kid), &mut sealed)
        .expect("a key of some hundred bytes is not too long for AES-GCM");
    Ok([&[WRAPPING_VERSION], nonce.as_slice(), sealed.as_slice(), tag.as_ref()].concat())
}

fn unwrap(master: &MasterKey, kid: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = wrapped.strip_prefix(&[WRAPPING_VERSION])?.split_first_chunk::<NONCE_LEN>()?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = sealing_key(master).open_in_place(nonce, Aad::from(kid), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

fn sealing_key(master: &MasterKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, master.expose()).expect("a master key has the 32 bytes of AES-256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(master: &MasterKey) -> StoredKey {
        create_row(master, &SystemRandom::new(), KeyState::Active, UnixMs(0)).expect("a key")
    }

    fn master() -> MasterKey {
        MasterKey::generate(&SystemRandom::new()).expect("a key")
    }

    #[test]
    fn opens_what_it_wrapped() {
        let master = master();
        let row = row(&master);
        let key = SigningKey::open(&row, &master).expect("opens");
        assert_eq!(key.kid, row.kid);
        assert_eq!(row.kid.len(), 43);
    }

    #[test]
    fn opens_nothing_under_another_master_key_or_id() {
        let master = master();
        let (row, other) = (row(&master), row(&master));
        assert!(SigningKey::open(&row, &self::master()).is_none());
        assert!(SigningKey::open(&StoredKey { kid: other.kid, ..row.clone() }, &master).is_none());
        assert!(SigningKey::open(&StoredKey { wrapped: other.wrapped, ..row.clone() }, &master).is_none());
        assert!(SigningKey::open(&StoredKey { algorithm: "RS256".into(), ..row }, &master).is_none());
    }

    #[test]
    fn opens_nothing_with_a_flipped_bit_or_a_missing_byte() {
        let master = master();
        let row = row(&master);
        for at in 0..row.wrapped.len() {
            let mut wrapped = row.wrapped.clone();
            wrapped[at] ^= 1;
            assert!(SigningKey::open(&StoredKey { wrapped, ..row.clone() }, &master).is_none(), "byte {at}");
            let wrapped = row.wrapped[..at].to_vec();
            assert!(SigningKey::open(&StoredKey { wrapped, ..row.clone() }, &master).is_none(), "length {at}");
        }
    }

    /// Whoever has the master key could wrap a key under any id; an id names the key that it is the thumbprint of.
    #[test]
    fn opens_no_key_under_an_id_that_is_not_its_thumbprint() {
        let (master, random) = (master(), SystemRandom::new());
        let (row, other) = (row(&master), row(&master));
        let pkcs8 = unwrap(&master, &row.kid, &row.wrapped).expect("opens");
        let wrapped = wrap(&master, &other.kid, &pkcs8, &random).expect("wraps");
        assert!(SigningKey::open(&StoredKey { wrapped, ..other }, &master).is_none());
    }

    #[test]
    fn wraps_the_same_key_differently_each_time() {
        let (master, random) = (master(), SystemRandom::new());
        let twice = [(); 2].map(|()| wrap(&master, "kid", b"secret", &random).expect("wraps"));
        assert_ne!(twice[0], twice[1]);
        assert!(!twice[0].windows(6).any(|part| part == b"secret"));
    }

    /// The example of RFC 7517 appendix A.1, whose thumbprint RFC 7638 defines and other libraries agree on.
    #[test]
    fn thumbprint_is_the_standards() {
        let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        assert_eq!(thumbprint(x, y), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }
}
