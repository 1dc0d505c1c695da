//! Attacks on the claims, all of them signed with the real key.

use serde_json::{Value, json};

use super::*;

/// Checks what changed claims come to.
#[track_caller]
fn check_claims(change: impl FnOnce(&mut Value), expected: Result<(), VerifyError>) {
    let mut claims = claims();
    change(&mut claims);
    check_signed(HEADER, &claims.to_string(), expected);
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
