//! Attacks on a token's header: the algorithm, the key's id, keys that the token brings, its type.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::hmac;
use serde_json::{Value, json};

use super::Thief;

#[test]
fn an_unsecured_token_is_refused_however_none_is_spelled() {
    let thief = Thief::new();
    let payload = URL_SAFE_NO_PAD.encode(thief.claims.to_string());
    let signature = thief.issued.rsplit('.').next().expect("a signature");
    for none in ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "\\u006eone", "none\\u0000"] {
        let header = format!(r#"{{"alg":"{none}","typ":"at+jwt","kid":"{}"}}"#, thief.forge.kid());
        let header = URL_SAFE_NO_PAD.encode(header);
        for end in ["", ".", ".AA", &format!(".{signature}")] {
            thief.check_refused(&format!("{header}.{payload}{end}"));
        }
    }
}

#[test]
fn an_algorithm_that_the_key_is_not_for_is_refused() {
    let thief = Thief::new();
    for algorithm in [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "es256",
        "ES256 ",
    ] {
        thief.check_header(&format!(r#"{{"alg":"{algorithm}","typ":"at+jwt","kid":"KID"}}"#));
    }
    for algorithm in ["null", r#"["ES256"]"#, r#"{"ES256":1}"#, "256", "true"] {
        thief.check_header(&format!(r#"{{"alg":{algorithm},"typ":"at+jwt","kid":"KID"}}"#));
    }
    thief.check_header(r#"{"typ":"at+jwt","kid":"KID"}"#);
}

/// The public key is public: as an HMAC secret, in whatever form somebody has it, it must open nothing.
#[test]
fn the_public_key_is_no_shared_secret() {
    let thief = Thief::new();
    let jwks = thief.server.get("/.well-known/jwks.json").text();
    let point = thief.forge.point().to_vec();
    let der_head =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let der = [der_head.as_slice(), &point].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let mut secrets: Vec<Vec<u8>> =
        [thief.forge.jwk().to_string(), jwks, pem.clone(), pem.trim().to_owned()].map(String::into_bytes).into();
    secrets.extend([point[1..33].to_vec(), point, der, Vec::new(), b"secret".to_vec()]);
    let algorithms = [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    for (name, algorithm) in algorithms {
        for (named, secret) in secrets.iter().flat_map(|secret| [(name, secret), ("ES256", secret), ("RS256", secret)])
        {
            let header = json!({"alg": named, "typ": "at+jwt", "kid": thief.forge.kid()}).to_string();
            let parts = [header, thief.claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
            let signed = parts.join(".");
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
            thief.check_refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)));
        }
    }
}

#[test]
fn a_key_id_is_a_name_and_nothing_else() {
    let thief = Thief::new();
    let [long, longer] = [65, 3000].map(|length| "A".repeat(length));
    for kid in [
        "../../../../../../dev/null",
        "/etc/passwd",
        "master.key",
        "file:///dev/null",
        "http://127.0.0.1:1/key",
        "' OR '1'='1",
        "x' UNION SELECT 'AAAA' -- ",
        "KID\\u0000",
        "\\u0000",
        "",
        " KID",
        "KID ",
        "k\\u00e9y",
        "0",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &long,
        &longer,
    ] {
        thief.check_header(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#));
    }
    for kid in ["null", "7", r#"["KID"]"#, r#"{"$ne":null}"#, "true"] {
        thief.check_header(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":{kid}}}"#));
    }
    thief.check_header(r#"{"alg":"ES256","typ":"at+jwt"}"#);
}

#[test]
fn a_token_brings_no_key_of_its_own_and_asks_for_nothing() {
    let thief = Thief::new();
    let own = crate::harness::Forge::stranger("own");
    let set = json!({"keys": [own.jwk()]});
    let with = |name: &str, value: &Value| {
        let mut header = json!({"alg": "ES256", "typ": "at+jwt", "kid": thief.forge.kid()});
        header[name] = value.clone();
        header
    };
    for (name, value) in [
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("jwk", own.jwk()),
        ("jwks", set),
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
        ("Alg", json!("none")),
        ("exp", json!(0)),
        ("", json!("")),
    ] {
        let header = with(name, &value);
        // With the host's key, with the key that the token brings, and with that one under its own id.
        thief.check_refused(&thief.forge.sign(&header.to_string(), &thief.claims.to_string()));
        thief.check_refused(&own.sign(&header.to_string(), &thief.claims.to_string()));
        let header = with("kid", &json!("own"));
        thief.check_refused(&own.sign(&header.to_string(), &thief.claims.to_string()));
    }
}

#[test]
fn a_parameter_that_stands_twice_is_refused() {
    let thief = Thief::new();
    for header in [
        r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","\u0061lg":"ES256","typ":"at+jwt","kid":"KID"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"KID","kid":"KID"}"#,
    ] {
        thief.check_header(header);
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    let thief = Thief::new();
    for other in ["JWT", "jwt", "at+JWT", "application/at+jwt", "at+jwt ", "", "dpop+jwt", "logout+jwt", "id_token"] {
        thief.check_header(&format!(r#"{{"alg":"ES256","typ":"{other}","kid":"KID"}}"#));
    }
    for other in ["null", r#"["at+jwt"]"#, "1"] {
        thief.check_header(&format!(r#"{{"alg":"ES256","typ":{other},"kid":"KID"}}"#));
    }
    thief.check_header(r#"{"alg":"ES256","kid":"KID"}"#);
}

#[test]
fn a_nested_token_is_refused() {
    let thief = Thief::new();
    let header = thief.forge.header().to_string();
    thief.check_refused(&thief.forge.sign(&header, &thief.issued));
    thief.check_refused(&thief.forge.sign(&header, &json!(thief.issued).to_string()));
    let nested = json!({"alg": "ES256", "typ": "at+jwt", "cty": "JWT", "kid": thief.forge.kid()}).to_string();
    thief.check_refused(&thief.forge.sign(&nested, &thief.issued));
}
