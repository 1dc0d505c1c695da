//! ring as a backend of `jsonwebtoken`: ES256 to sign with, and ES256, EdDSA, RS256 and PS256 to verify.
//!
//! Every other algorithm is refused here, whatever a caller asks for. RSA keys have 2048 to 8192 bits.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Signer, Verifier},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};

pub(super) static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

fn unsupported<T>() -> Result<T> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

struct Es256Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::ES256 || key.family() != algorithm.family() {
        return unsupported();
    }
    // The interface takes no source of randomness; every source of this process is the operating system's.
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes(), &random)
        .map_err(|_rejected| ErrorKind::InvalidEcdsaKey)?;
    Ok(Box::new(Es256Signer { key, random }))
}

impl Signer<Vec<u8>> for Es256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let signature = self.key.sign(&self.random, message).map_err(|_unspecified| SignatureError::new())?;
        Ok(signature.as_ref().to_vec())
    }
}

impl JwtSigner for Es256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let is_supported = matches!(algorithm, Algorithm::ES256 | Algorithm::EdDSA | Algorithm::RS256 | Algorithm::PS256);
    if !is_supported || key.family() != algorithm.family() {
        return unsupported();
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        match self.algorithm {
            Algorithm::ES256 => self.verify_point(&ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::EdDSA => self.verify_point(&ED25519, message, signature),
            Algorithm::RS256 => self.verify_rsa(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::PS256 => self.verify_rsa(&RSA_PSS_2048_8192_SHA256, message, signature),
            _ => Err(SignatureError::new()),
        }
    }
}

impl RingVerifier {
    fn verify_point(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> std::result::Result<(), SignatureError> {
        let key = self.key.try_get_as_bytes().map_err(|_not_a_point| SignatureError::new())?;
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_forged| SignatureError::new())
    }

    fn verify_rsa(
        &self,
        algorithm: &'static RsaParameters,
        message: &[u8],
        signature: &[u8],
    ) -> std::result::Result<(), SignatureError> {
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.key.kind() else { return Err(SignatureError::new()) };
        RsaPublicKeyComponents { n, e }.verify(algorithm, message, signature).map_err(|_forged| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
