//! Attacks on a token's claims, all of them signed with the host's own key.

use serde_json::{Value, json};

use super::Thief;
use crate::harness::unix_seconds;

#[test]
fn every_claim_must_be_there() {
    let thief = Thief::new();
    for name in ["iss", "aud", "sub", "exp", "iat", "jti", "sid", "client_id", "roles", "scope"] {
        thief.check_claims(|claims| drop(claims.as_object_mut().expect("an object").remove(name)));
        thief.check_claims(|claims| claims[name] = Value::Null);
    }
}

#[test]
fn a_date_is_an_integer_of_seconds() {
    let thief = Thief::new();
    let now = unix_seconds();
    for name in ["exp", "iat", "nbf"] {
        for date in [
            json!(now.to_string()),
            json!(1_700_000_000.5),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(true),
            json!([now]),
            json!({}),
            json!(""),
        ] {
            thief.check_claims(|claims| claims[name] = date);
        }
        // What no serde_json value can hold is written by hand.
        for date in [
            "1e400",
            "-1e400",
            "1.7e9",
            "1700000000.0",
            "99999999999999999999999999",
            "-0",
            "0x65",
            "01700000000",
            "+1700000000",
            "NaN",
            "Infinity",
        ] {
            let mut claims = thief.claims.clone();
            claims[name] = json!("DATE");
            let claims = claims.to_string().replace("\"DATE\"", date);
            thief.check_refused(&thief.forge.sign(&thief.forge.header().to_string(), &claims));
        }
    }
}

#[test]
fn a_token_has_its_time_and_no_other() {
    let thief = Thief::new();
    let now = unix_seconds();
    for (issued, expires) in [
        // Over.
        (now - 700, now - 100),
        (0, 0),
        (now - 10, 0),
        // Ended before it began.
        (now, now - 10),
        // Good for longer than any token of this host.
        (now, now + 3700),
        (now, now + 10 * 365 * 86_400),
        // From the future.
        (now + 120, now + 600),
        (now + 86_400, now + 86_400 + 600),
    ] {
        thief.check_claims(|claims| (claims["iat"], claims["exp"]) = (json!(issued), json!(expires)));
    }
    for not_before in [now + 120, now + 86_400] {
        thief.check_claims(|claims| claims["nbf"] = json!(not_before));
    }
    // What is a little wrong because two clocks differ is believed.
    let mut claims = thief.claims.clone();
    (claims["iat"], claims["nbf"]) = (json!(now + 15), json!(now + 15));
    thief.server.check_believed(&thief.forge.token(&claims));
}

#[test]
fn issuer_and_audience_are_compared_letter_by_letter() {
    let thief = Thief::new();
    for name in ["iss", "aud"] {
        for other in [
            json!("Backplane"),
            json!("backplane "),
            json!("backplane\u{0}"),
            json!("https://backplane.example"),
            json!("other"),
            json!(""),
            json!([]),
            json!(["other"]),
            json!({}),
            json!(1),
        ] {
            thief.check_claims(|claims| claims[name] = other);
        }
    }
    thief.check_claims(|claims| claims["iss"] = json!(["backplane"]));
    let mut claims = thief.claims.clone();
    claims["aud"] = json!(["other", "backplane"]);
    thief.server.check_believed(&thief.forge.token(&claims));
}

#[test]
fn a_claim_has_its_type() {
    let thief = Thief::new();
    for name in ["sub", "jti", "sid", "client_id"] {
        let long = "x".repeat(256);
        for value in
            [json!(""), json!(1), json!(["u1"]), json!({"$gt": ""}), json!("a\nb"), json!("a\u{0}"), json!(long)]
        {
            thief.check_claims(|claims| claims[name] = value);
        }
    }
    // Somebody of another issuer's.
    thief.check_claims(|claims| claims["sub"] = json!("https://id.example|alice"));
    for roles in [json!("admin"), json!([1]), json!([["admin"]]), json!(["a b"]), json!([""]), json!({})] {
        thief.check_claims(|claims| claims["roles"] = roles);
    }
    for scope in [json!(["a"]), json!("a  b"), json!(" a"), json!("a\tb"), json!(1)] {
        thief.check_claims(|claims| claims["scope"] = scope);
    }
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    let thief = Thief::new();
    let claims = thief.claims.to_string();
    for twice in [
        r#""exp":9999999999"#,
        r#""sub":"admin""#,
        r#""s\u0075b":"admin""#,
        r#""roles":["admin"]"#,
        r#""iss":"backplane""#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":1,"a":1}]"#,
    ] {
        let claims = claims.replacen('{', &format!("{{{twice},"), 1);
        thief.check_refused(&thief.forge.sign(&thief.forge.header().to_string(), &claims));
    }
}

#[test]
fn claims_that_are_no_object_are_refused() {
    let thief = Thief::new();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    for text in ["", "null", "[]", "1", "\"x\"", "{", "{}{}", "{\"iss\":", "\u{feff}{}", "{}", "not JSON", &deep] {
        thief.check_refused(&thief.forge.sign(&thief.forge.header().to_string(), text));
        thief.check_refused(&thief.forge.sign(text, &thief.claims.to_string()));
    }
}
