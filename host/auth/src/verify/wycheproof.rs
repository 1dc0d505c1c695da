//! The signatures of Project Wycheproof, through the provider and the way that a token's signature goes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::provider::Provider;

/// What was counted, so that an empty set is noticed.
#[derive(Default)]
struct Count {
    valid: usize,
    invalid: usize,
}

impl Count {
    fn check(
        &mut self,
        key: &DecodingKey,
        algorithm: Algorithm,
        case: (&[u8], &[u8]),
        expected: TestResult,
        what: &str,
    ) {
        let (message, signature) = case;
        let verifies = crypto::verify(&URL_SAFE_NO_PAD.encode(signature), message, key, algorithm).unwrap_or(false);
        match expected {
            TestResult::Valid => {
                assert!(verifies, "{what}");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!verifies, "{what}");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> DecodingKey {
    // The vectors write numbers with a sign byte, JSON Web Keys do not (RFC 7518 §6.3.1).
    let unsigned = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    DecodingKey::from_rsa_raw_components(&unsigned(modulus), &unsigned(exponent))
}

#[test]
fn es256() {
    Provider::install().expect("installs");
    let mut count = Count::default();
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).expect("vectors");
    for group in set.test_groups {
        let key = DecodingKey::from_ec_der(&group.key.key);
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            count.check(&key, Algorithm::ES256, (&test.msg, &test.sig), test.result, &what);
        }
    }
    assert!(count.valid > 100 && count.invalid > 50, "{} {}", count.valid, count.invalid);
}

/// The same signatures in ASN.1: none is a signature of a token.
#[test]
fn es256_in_asn1_is_refused() {
    Provider::install().expect("installs");
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).expect("vectors");
    for group in set.test_groups {
        let key = DecodingKey::from_ec_der(&group.key.key);
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            let case = (test.msg.as_ref(), test.sig.as_ref());
            Count::default().check(&key, Algorithm::ES256, case, TestResult::Invalid, &what);
        }
    }
}

#[test]
fn ed25519() {
    Provider::install().expect("installs");
    let mut count = Count::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("vectors");
    for group in set.test_groups {
        let key = DecodingKey::from_ed_der(&group.key.pk);
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            count.check(&key, Algorithm::EdDSA, (&test.msg, &test.sig), test.result, &what);
        }
    }
    assert!(count.valid > 50 && count.invalid > 30, "{} {}", count.valid, count.invalid);
}

#[test]
fn rs256() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256};
    Provider::install().expect("installs");
    let mut count = Count::default();
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256] {
        for group in rsa_pkcs1_verify::TestSet::load(name).expect("vectors").test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.check(&key, Algorithm::RS256, (&test.msg, &test.sig), test.result, &what);
            }
        }
    }
    assert!(count.valid > 10 && count.invalid > 300, "{} {}", count.valid, count.invalid);
}

#[test]
fn ps256() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
    };
    Provider::install().expect("installs");
    let mut count = Count::default();
    for name in [RsaPss2048Sha256Mgf1SaltLen32, RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32] {
        for group in rsa_pss_verify::TestSet::load(name).expect("vectors").test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.check(&key, Algorithm::PS256, (&test.msg, &test.sig), test.result, &what);
            }
        }
    }
    assert!(count.valid > 100 && count.invalid > 100, "{} {}", count.valid, count.invalid);
}
