//! What the provider must be able to do before it is trusted: the examples of the standards, and a fresh key.
//!
//! Each published signature must verify, and must not once a bit of it or of its message is another.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::InstallError;

/// A published signature.
struct Example {
    name: &'static str,
    algorithm: Algorithm,
    key: fn() -> jsonwebtoken::errors::Result<DecodingKey>,
    message: &'static str,
    signature: &'static str,
}

const EXAMPLES: &[Example] = &[
    // RFC 7515 appendix A.3.
    Example {
        name: "ES256",
        algorithm: Algorithm::ES256,
        key: || {
            DecodingKey::from_ec_components(
                "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            )
        },
        message: "eyJhbGciOiJFUzI1NiJ9.\
                  eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    },
    // RFC 8037 appendix A.4.
    Example {
        name: "EdDSA",
        algorithm: Algorithm::EdDSA,
        key: || DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        message: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    },
    // RFC 7515 appendix A.2.
    Example {
        name: "RS256",
        algorithm: Algorithm::RS256,
        key: || {
            DecodingKey::from_rsa_components(
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
                 T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
                 dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
                 GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
                "AQAB",
            )
        },
        message: "eyJhbGciOiJSUzI1NiJ9.\
                  eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        signature: "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj\
                    Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7\
                    K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np\
                    6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    },
];

pub(super) fn run() -> Result<(), InstallError> {
    for example in EXAMPLES {
        let fault = InstallError::SelfTest(example.name);
        let key = (example.key)().map_err(|_rejected| fault)?;
        check(example, &key).ok_or(fault)?;
    }
    sign_and_verify().ok_or(InstallError::SelfTest("fresh ES256"))
}

fn check(example: &Example, key: &DecodingKey) -> Option<()> {
    let verifies = |message: &[u8], signature: &str| {
        crypto::verify(signature, message, key, example.algorithm).is_ok_and(|verifies| verifies)
    };
    let mut other_message = example.message.as_bytes().to_vec();
    *other_message.last_mut()? ^= 1;
    let other_signature: String = example.signature.chars().rev().collect();
    let message = example.message.as_bytes();
    let holds = verifies(message, example.signature)
        && !verifies(&other_message, example.signature)
        && !verifies(message, &other_signature)
        && !verifies(message, "");
    holds.then_some(())
}

fn sign_and_verify() -> Option<()> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).ok()?;
    let key = DecodingKey::from_ec_der(pair.public_key().as_ref());
    let message = b"self-test";
    let signature = crypto::sign(message, &EncodingKey::from_ec_der(pkcs8.as_ref()), Algorithm::ES256).ok()?;
    let verifies = |message: &[u8]| crypto::verify(&signature, message, &key, Algorithm::ES256).unwrap_or(false);
    (verifies(message) && !verifies(b"self-tesu")).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn notices_a_signature_that_does_not_verify() {
        Provider::install().expect("installs");
        let example = &EXAMPLES[0];
        let key = (example.key)().expect("a key");
        assert!(check(example, &key).is_some());
        let wrong = Example { signature: EXAMPLES[1].signature, ..*example };
        assert!(check(&wrong, &key).is_none());
    }

    #[test]
    fn knows_no_shared_secret() {
        Provider::install().expect("installs");
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert!(crypto::sign(b"", &EncodingKey::from_secret(&[1; 32]), algorithm).is_err());
            assert!(crypto::verify("", b"", &DecodingKey::from_secret(&[1; 32]), algorithm).is_err());
        }
    }
}
