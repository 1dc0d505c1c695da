//! Every way that is known to fool a JWT verifier, tried on this one (RFC 8725 §2, and what libraries fell for).
//!
//! Each case names the refusal that it expects, so that a case cannot pass because of a typing error elsewhere in it.
//! Cases that a thief of the signing key could make are signed with the real key: then only the rule under test stands.

mod claims;
mod form;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Host, NOW, claims};

/// Checks what a token that is signed with the host's key comes to.
#[track_caller]
fn check_signed(header: &str, claims: &str, expected: Result<(), VerifyError>) {
    let host = Host::new();
    let kid = host.ring.active_kid().expect("a key");
    let token = host.sign(&header.replace("KID", &kid), claims);
    assert_eq!(host.verify(&token, NOW).map(drop), expected, "{header} {claims}");
}

#[track_caller]
fn check_header(header: &Value, expected: VerifyError) {
    check_signed(&header.to_string(), &claims().to_string(), Err(expected));
}

#[track_caller]
fn check_token(host: &Host, token: &str, expected: VerifyError) {
    assert_eq!(host.verify(token, NOW).map(drop), Err(expected), "{token}");
}

const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"KID"}"#;

#[test]
fn a_token_of_this_host_is_believed() {
    let host = Host::new();
    let verified = host.verify(&host.token(), NOW).expect("believed");
    let principal = verified.principal;
    assert_eq!((principal.subject(), principal.kind(), principal.session()), ("u1", PrincipalKind::User, Some("s1")));
    assert_eq!(principal.roles().to_scope(), "admin clerk");
    assert_eq!(principal.scopes().to_scope(), "orders:read orders:write");
    assert_eq!((verified.issued, verified.expires), (NOW.seconds(), NOW.seconds() + 600));
    check_signed(HEADER, &claims().to_string(), Ok(()));
}

#[test]
fn an_unsecured_token_is_refused_however_none_is_spelled() {
    let host = Host::new();
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for none in ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "\\u006eone", "none\\u0000"] {
        let header = HEADER.replace("KID", &host.ring.active_kid().expect("a key"));
        let header = URL_SAFE_NO_PAD.encode(header.replace("ES256", none));
        check_token(&host, &format!("{header}.{payload}."), VerifyError::Malformed);
        check_token(&host, &format!("{header}.{payload}"), VerifyError::Malformed);
        check_token(&host, &format!("{header}.{payload}.AA"), VerifyError::Algorithm);
        let real = host.token();
        let signature = real.rsplit('.').next().expect("a signature");
        check_token(&host, &format!("{header}.{payload}.{signature}"), VerifyError::Algorithm);
    }
}

#[test]
fn an_algorithm_that_the_key_is_not_for_is_refused() {
    for algorithm in [
        "HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "es256", "ES256 ",
        "A",
    ] {
        check_header(&json!({"alg": algorithm, "typ": "at+jwt", "kid": "KID"}), VerifyError::Algorithm);
    }
    for algorithm in [json!(null), json!(["ES256"]), json!({"ES256": 1}), json!(256), json!(true)] {
        check_header(&json!({"alg": algorithm, "typ": "at+jwt", "kid": "KID"}), VerifyError::Header);
    }
    check_header(&json!({"typ": "at+jwt", "kid": "KID"}), VerifyError::Header);
}

/// The public key is public: as an HMAC secret, in whatever form somebody has it, it must open nothing.
#[test]
fn a_public_key_is_no_shared_secret() {
    let host = Host::new();
    let jwks = host.ring.jwks();
    let set: Value = serde_json::from_str(&jwks).expect("JSON");
    let jwk = &set["keys"][0];
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("text")).expect("base64url");
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let der_head =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let der = [der_head.as_slice(), &point].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let texts = [jwk.to_string(), jwks.to_string(), pem.clone(), pem.trim().to_owned(), pem.replace('\n', "\r\n")];
    let mut secrets: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    secrets.extend([point, der, coordinate("x"), Vec::new()]);
    let kid = host.ring.active_kid().expect("a key");
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        for header in
            [json!({"alg": name, "typ": "at+jwt", "kid": kid}), json!({"alg": "ES256", "typ": "at+jwt", "kid": kid})]
        {
            for secret in &secrets {
                let (header_part, payload) = (header.to_string(), claims().to_string());
                let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header_part), URL_SAFE_NO_PAD.encode(payload));
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
                let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
                let refused = host.verify(&token, NOW).map(drop);
                assert!(
                    matches!(refused, Err(VerifyError::Algorithm | VerifyError::Signature)),
                    "{header} {refused:?}"
                );
            }
        }
    }
}

#[test]
fn a_key_id_is_a_name_in_memory_and_nothing_else() {
    let long = "A".repeat(65);
    for kid in [
        "../../../../../../dev/null",
        "/etc/passwd",
        "file:///dev/null",
        "https://attacker.example/key",
        "' OR '1'='1",
        "x' UNION SELECT 'AAAA' -- ",
        "KID\\u0000",
        "\\u0000",
        "",
        " KID",
        "KID ",
        "KID.",
        "k\\u00e9y",
        "0",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &long,
    ] {
        check_signed(&HEADER.replace("KID", kid), &claims().to_string(), Err(VerifyError::UnknownKey));
    }
    for kid in [json!(null), json!(7), json!(["KID"]), json!({"$ne": null}), json!(true)] {
        check_header(&json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}), VerifyError::Header);
    }
    check_header(&json!({"alg": "ES256", "typ": "at+jwt"}), VerifyError::UnknownKey);
    let megabyte = "A".repeat(1 << 20);
    check_header(&json!({"alg": "ES256", "typ": "at+jwt", "kid": megabyte}), VerifyError::TooLong);
}

#[test]
fn a_header_brings_no_key_and_asks_for_nothing() {
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    for (name, value) in [
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("jwk", jwk),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("epk", json!({})),
        ("p2c", json!(2_000_000_000)),
        ("nonce", json!("x")),
        ("url", json!("https://attacker.example")),
        ("Alg", json!("none")),
        ("exp", json!(0)),
        ("", json!("")),
    ] {
        let mut header: Value = serde_json::from_str(HEADER).expect("JSON");
        header[name] = value;
        check_header(&header, VerifyError::Header);
    }
}

#[test]
fn a_header_or_claim_that_stands_twice_is_refused() {
    let claims = claims().to_string();
    for header in [
        r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","\u0061lg":"ES256","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"KID","kid":"KID"}"#,
    ] {
        check_signed(header, &claims, Err(VerifyError::Malformed));
    }
    for twice in [
        r#""exp":9999999999"#,
        r#""sub":"admin""#,
        r#""s\u0075b":"admin""#,
        r#""roles":["root"]"#,
        r#""iss":"https://host.example""#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":1,"a":1}]"#,
    ] {
        let claims = claims.replacen('{', &format!("{{{twice},"), 1);
        check_signed(HEADER, &claims, Err(VerifyError::Malformed));
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    for other in
        ["JWT", "jwt", "at+JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "", "dpop+jwt", "logout+jwt", "id_token"]
    {
        check_header(&json!({"alg": "ES256", "typ": other, "kid": "KID"}), VerifyError::Type);
    }
    check_header(&json!({"alg": "ES256", "kid": "KID"}), VerifyError::Type);
    for other in [json!(null), json!(["at+jwt"]), json!(1)] {
        check_header(&json!({"alg": "ES256", "typ": other, "kid": "KID"}), VerifyError::Header);
    }
}

#[test]
fn a_nested_token_is_refused() {
    let host = Host::new();
    let inner = host.token();
    check_signed(HEADER, &inner, Err(VerifyError::Malformed));
    check_signed(HEADER, &json!(inner).to_string(), Err(VerifyError::Malformed));
    check_header(&json!({"alg": "ES256", "typ": "at+jwt", "cty": "JWT", "kid": "KID"}), VerifyError::Header);
}
