//! Every way that is known to fool a JWT verifier, tried on this one (RFC 8725 §2, and what libraries were caught with).
//!
//! Each case names the refusal that it expects, so that a case cannot pass because of a typing error elsewhere in it.
//! Cases that a thief of the signing key could make are signed with the real key: then only the rule under test stands.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
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

/// Checks what changed claims come to.
#[track_caller]
fn check_claims(change: impl FnOnce(&mut Value), expected: Result<(), VerifyError>) {
    let mut claims = claims();
    change(&mut claims);
    check_signed(HEADER, &claims.to_string(), expected);
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
        let header = HEADER.replace("KID", kid);
        let expected = if kid == "KID\\u0000" { HEADER.replace("KID", "KID\\u0000") } else { header };
        check_signed(&expected, &claims().to_string(), Err(VerifyError::UnknownKey));
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
fn every_claim_must_be_there() {
    for name in ["iss", "aud", "sub", "exp", "iat", "jti", "sid", "client_id", "roles", "scope"] {
        let remove = |claims: &mut Value| drop(claims.as_object_mut().expect("an object").remove(name));
        check_claims(remove, Err(VerifyError::MissingClaim(name)));
        let null = |claims: &mut Value| claims[name] = Value::Null;
        check_claims(null, Err(VerifyError::InvalidClaim(name)));
    }
}

#[test]
fn a_date_is_an_integer_of_seconds() {
    let now = NOW.seconds();
    for name in ["exp", "iat", "nbf"] {
        for date in [
            json!(now.to_string()),
            json!(1_700_000_000.0),
            json!(1_700_000_000.5),
            json!(-1),
            json!(-1e9),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(253_402_300_800_i64),
            json!(true),
            json!([now]),
            json!({}),
            json!(""),
        ] {
            check_claims(|claims| claims[name] = date, Err(VerifyError::InvalidClaim(name)));
        }
        // What no serde_json value can hold is written by hand.
        for (date, expected) in [
            ("1e400", VerifyError::Malformed),
            ("1.7e9", VerifyError::InvalidClaim(name)),
            ("1700000000.0", VerifyError::InvalidClaim(name)),
            ("99999999999999999999999999", VerifyError::InvalidClaim(name)),
            ("-0", VerifyError::InvalidClaim(name)),
            ("0x65", VerifyError::Malformed),
            ("01700000000", VerifyError::Malformed),
            ("+1700000000", VerifyError::Malformed),
            ("NaN", VerifyError::Malformed),
            ("Infinity", VerifyError::Malformed),
        ] {
            let mut claims = claims();
            claims[name] = json!("DATE");
            check_signed(HEADER, &claims.to_string().replace("\"DATE\"", date), Err(expected));
        }
    }
}

#[test]
fn times_are_kept_within_thirty_seconds() {
    let now = NOW.seconds();
    #[track_caller]
    fn check(name: &str, date: i64, expected: Result<(), VerifyError>) {
        check_claims(|claims| claims[name] = json!(date), expected);
    }
    check("iat", now + 30, Ok(()));
    check("iat", now + 31, Err(VerifyError::IssuedInTheFuture));
    check("nbf", now + 30, Ok(()));
    check("nbf", now + 31, Err(VerifyError::NotYetValid));
    check("nbf", 0, Ok(()));
    let expired = |exp: i64| move |claims: &mut Value| (claims["iat"], claims["exp"]) = (json!(exp - 600), json!(exp));
    check_claims(expired(now - 29), Ok(()));
    check_claims(expired(now - 30), Err(VerifyError::Expired));
    check("exp", 0, Err(VerifyError::Expired));
    // Good for longer than any token of this host, and ended before it began.
    check("exp", now + 3600, Ok(()));
    check("exp", now + 3601, Err(VerifyError::InvalidClaim("exp")));
    check_claims(
        |claims| (claims["iat"], claims["exp"]) = (json!(now + 10), json!(now + 9)),
        Err(VerifyError::InvalidClaim("exp")),
    );
}

#[test]
fn issuer_and_audience_are_compared_letter_by_letter() {
    for issuer in
        ["https://host.example/", "HTTPS://host.example", "https://host.example.evil", "http://host.example", "x"]
    {
        check_claims(|claims| claims["iss"] = json!(issuer), Err(VerifyError::Issuer));
    }
    for issuer in [json!(["https://host.example"]), json!({}), json!(1), json!(""), json!("https://host.example\u{0}")]
    {
        check_claims(|claims| claims["iss"] = issuer, Err(VerifyError::InvalidClaim("iss")));
    }
    for audience in [json!("Backplane"), json!("backplane "), json!("other"), json!(["other"]), json!("")] {
        check_claims(|claims| claims["aud"] = audience, Err(VerifyError::Audience));
    }
    for audience in [json!([]), json!({}), json!(1), json!(["backplane", 1]), json!([["backplane"]])] {
        check_claims(|claims| claims["aud"] = audience, Err(VerifyError::InvalidClaim("aud")));
    }
    check_claims(|claims| claims["aud"] = json!(["other", "backplane"]), Ok(()));
}

#[test]
fn a_claim_has_its_type() {
    for name in ["sub", "jti", "sid", "client_id"] {
        for value in [
            json!(""),
            json!(1),
            json!(["u1"]),
            json!({"$gt": ""}),
            json!("a\nb"),
            json!("a\u{0}"),
            json!("x".repeat(256)),
        ] {
            check_claims(|claims| claims[name] = value, Err(VerifyError::InvalidClaim(name)));
        }
    }
    check_claims(|claims| claims["sub"] = json!("https://id.example|alice"), Err(VerifyError::InvalidClaim("sub")));
    for roles in [
        json!("admin"),
        json!([1]),
        json!([["admin"]]),
        json!(["a b"]),
        json!([""]),
        json!({}),
        json!(["x".repeat(65)]),
    ] {
        check_claims(|claims| claims["roles"] = roles, Err(VerifyError::InvalidClaim("roles")));
    }
    for scope in [json!(["a"]), json!("a  b"), json!(" a"), json!("a\tb"), json!(1)] {
        check_claims(|claims| claims["scope"] = scope, Err(VerifyError::InvalidClaim("scope")));
    }
    check_claims(|claims| (claims["roles"], claims["scope"]) = (json!([]), json!("")), Ok(()));
}

/// The zero signature of CVE-2022-21449, and other numbers that are no signature (FIPS 186-5 §6.4.2).
#[test]
fn a_signature_of_special_numbers_is_refused() {
    let host = Host::new();
    let token = host.token();
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let real = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let (r, s) = real.split_at(32);
    let (zero, one) = ([0; 32], {
        let mut one = [0; 32];
        one[31] = 1;
        one
    });
    let order = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let all = [255; 32];
    for (r, s) in [
        (&zero[..], &zero[..]),
        (&zero, s),
        (r, &zero),
        (&one, &one),
        (&zero, &one),
        (&one, &zero),
        (&order, &order),
        (r, &order),
        (&order, s),
        (&all, &all),
        (s, r),
    ] {
        let forged = URL_SAFE_NO_PAD.encode([r, s].concat());
        check_token(&host, &format!("{signed}.{forged}"), VerifyError::Signature);
    }
}

#[test]
fn a_signature_in_another_form_is_refused() {
    let host = Host::new();
    let token = host.token();
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let real = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    // ASN.1, as X.509 has it: numbers with a sign byte where the first bit is set (RFC 7518 §3.4 has no such form).
    let integer = |number: &[u8]| {
        let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if number[0] & 0x80 != 0 { vec![0] } else { Vec::new() };
        let length = u8::try_from(sign.len() + number.len()).expect("short");
        [vec![2, length], sign, number].concat()
    };
    let body = [integer(&real[..32]), integer(&real[32..])].concat();
    let der = [vec![0x30, u8::try_from(body.len()).expect("short")], body].concat();
    let padded = [vec![0; 16], real[..32].to_vec(), vec![0; 16], real[32..].to_vec()].concat();
    let forms: [&[u8]; 8] = [
        &der,
        &real[..63],
        &real[..32],
        &real[1..],
        &[&real[..], &[0]].concat(),
        &padded,
        &[&real[..], &real[..]].concat(),
        &[0],
    ];
    for form in forms {
        check_token(&host, &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(form)), VerifyError::Signature);
    }
}

#[test]
fn base64url_has_one_spelling() {
    let host = Host::new();
    // Until a signature has both a character that differs between the alphabets and unused bits in its last one.
    let token = std::iter::repeat_with(|| host.token())
        .find(|token| token.rsplit('.').next().is_some_and(|part| part.contains(['-', '_'])))
        .expect("soon");
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    for other in [STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes), URL_SAFE.encode(&bytes)] {
        check_token(&host, &format!("{header}.{payload}.{other}"), VerifyError::Signature);
    }
    // The last character of 64 bytes has four bits that mean nothing, and must be zero.
    let last = signature.chars().last().expect("a character");
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|other| *other != last) {
        let changed = format!("{}{other}", &signature[..signature.len() - 1]);
        check_token(&host, &format!("{header}.{payload}.{changed}"), VerifyError::Signature);
    }
    for pad in ["=", "==", "A", "AA", "AAAA"] {
        check_token(&host, &format!("{header}.{payload}.{signature}{pad}"), VerifyError::Signature);
    }
    for (header, payload) in [
        (format!("{header}="), payload.to_owned()),
        (header.to_owned(), format!("{payload}=")),
        (header.to_owned(), format!("{payload}==")),
        (format!("{header}+"), payload.to_owned()),
        (format!("{header}/"), payload.to_owned()),
    ] {
        check_token(&host, &format!("{header}.{payload}.{signature}"), VerifyError::Malformed);
    }
}

#[test]
fn white_space_and_dots_change_everything() {
    let host = Host::new();
    let token = host.token();
    for space in [" ", "\t", "\n", "\r\n", "\0", "\u{a0}", "\u{feff}"] {
        for changed in
            [format!("{space}{token}"), format!("{token}{space}"), token.replacen('.', &format!(".{space}"), 1)]
        {
            assert!(host.verify(&changed, NOW).is_err(), "{changed:?}");
        }
    }
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for changed in [
        format!("{token}."),
        format!("{token}.."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{payload}.{signature}"),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        header.to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        String::new(),
    ] {
        assert!(host.verify(&changed, NOW).is_err(), "{changed:?}");
    }
}

#[test]
fn a_token_in_another_serialization_is_refused() {
    let host = Host::new();
    let token = host.token();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let flat = json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    let general =
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}).to_string();
    for other in [flat, general, format!("{header}.{payload}.{signature}.{signature}.{signature}")] {
        check_token(&host, &other, VerifyError::Malformed);
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

#[test]
fn claims_that_are_no_object_are_refused() {
    for claims in
        ["", "null", "[]", "1", "\"x\"", "{", "{}{}", "{\"iss\":", "\u{feff}{}", "{\"a\":\"\\ud800\"}", "not JSON"]
    {
        check_signed(HEADER, claims, Err(VerifyError::Malformed));
    }
    check_signed(HEADER, "{}", Err(VerifyError::MissingClaim("iss")));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(2500), "]".repeat(2500));
    check_signed(HEADER, &deep, Err(VerifyError::Malformed));
    for header in ["", "null", "[]", "{", "\"x\"", "not JSON"] {
        check_signed(header, &claims().to_string(), Err(VerifyError::Malformed));
    }
}

#[test]
fn a_truncated_token_is_refused_wherever_it_ends() {
    let host = Host::new();
    let token = host.token();
    for end in 0..token.len() {
        assert!(host.verify(&token[..end], NOW).is_err(), "{end}");
        assert!(host.verify(&token[end + 1..], NOW).is_err(), "{end}");
    }
}

#[test]
fn a_token_over_the_limit_is_not_looked_at() {
    let host = Host::new();
    let mut long = claims();
    long["x"] = json!("x".repeat(8 * 1024));
    let token = host.sign(&host.header().to_string(), &long.to_string());
    check_token(&host, &token, VerifyError::TooLong);
    check_token(&host, &"A".repeat(TOKEN_BYTES_MAX + 1), VerifyError::TooLong);
    check_token(&host, &"A".repeat(TOKEN_BYTES_MAX), VerifyError::Malformed);
    check_token(&host, &".".repeat(10 << 20), VerifyError::TooLong);
}

#[test]
fn a_token_of_another_host_is_refused() {
    let (host, other) = (Host::new(), Host::new());
    check_token(&host, &other.token(), VerifyError::UnknownKey);
    // The same key id on another host's signature.
    let header = host.header().to_string();
    check_token(&host, &other.sign(&header, &claims().to_string()), VerifyError::Signature);
}

#[test]
fn parts_of_two_tokens_do_not_fit_together() {
    let host = Host::new();
    let (one, other) = (host.token(), host.sign(&host.header().to_string(), &claims().to_string()));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (parts(&one), parts(&other));
    check_token(&host, &format!("{}.{}.{}", one[0], other[1], one[2]), VerifyError::Signature);
    check_token(&host, &format!("{}.{}.{}", one[0], one[1], other[2]), VerifyError::Signature);
}
