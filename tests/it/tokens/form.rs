//! Attacks on a token's form: the signature's numbers and spelling, parts that are missing, exchanged or too long.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::Thief;
use crate::harness::{Connection, Forge};

/// Returns what is signed, and the signature's bytes.
fn take_apart(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').expect("a token has a signature");
    (signed, URL_SAFE_NO_PAD.decode(signature).expect("it is base64url"))
}

/// The zero signature of CVE-2022-21449, and other numbers that are no signature (FIPS 186-5 §6.4.2).
#[test]
fn a_signature_of_special_numbers_is_refused() {
    let thief = Thief::new();
    let (signed, real) = take_apart(&thief.issued);
    let (r, s) = real.split_at(32);
    let (zero, one) = ([0; 32], {
        let mut one = [0; 32];
        one[31] = 1;
        one
    });
    let order = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
                   \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let all = [255; 32];
    for (r, s) in [
        (&zero[..], &zero[..]),
        (&zero, s),
        (r, &zero),
        (&one, &one),
        (&zero, &one),
        (&order, &order),
        (r, &order),
        (&order, s),
        (&all, &all),
        (s, r),
    ] {
        thief.check_refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([r, s].concat())));
    }
}

#[test]
fn a_signature_in_another_form_is_refused() {
    let thief = Thief::new();
    let (signed, real) = take_apart(&thief.issued);
    // ASN.1, as X.509 has it: numbers with a sign byte where the first bit is set (RFC 7518 §3.4 has no such form).
    let integer = |number: &[u8]| {
        let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if number[0] & 0x80 != 0 { vec![0] } else { Vec::new() };
        let length = u8::try_from(sign.len() + number.len()).expect("short");
        [vec![2, length], sign, number].concat()
    };
    let body = [integer(&real[..32]), integer(&real[32..])].concat();
    let der = [vec![0x30, u8::try_from(body.len()).expect("short")], body].concat();
    for form in [&der[..], &real[..63], &real[1..], &[&real[..], &[0]].concat(), &[&real[..], &real[..]].concat(), &[]]
    {
        thief.check_refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(form)));
    }
    for (at, bit) in [(0, 1), (31, 0x80), (32, 1), (63, 1)] {
        let mut flipped = real.clone();
        flipped[at] ^= bit;
        thief.check_refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(flipped)));
    }
    thief.check_refused(&format!("{signed}.{}", URL_SAFE.encode(&real)));
    // In the other alphabet it reads the same only where it has none of the four characters.
    let other = STANDARD_NO_PAD.encode(&real);
    if other.contains(['+', '/']) {
        thief.check_refused(&format!("{signed}.{other}"));
    }
    for end in ["=", "A", "AAAA"] {
        thief.check_refused(&format!("{}{end}", thief.issued));
    }
}

#[test]
fn parts_that_are_missing_empty_or_too_many_are_refused() {
    let thief = Thief::new();
    let [header, payload, signature] = thief.issued.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for changed in [
        format!("{}.", thief.issued),
        format!(".{}", thief.issued),
        format!("{}.{signature}", thief.issued),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{payload}.{signature}"),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        header.to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        "a".to_owned(),
    ] {
        thief.check_refused(&changed);
    }
}

#[test]
fn a_truncated_token_is_refused_wherever_it_ends() {
    let thief = Thief::new();
    for end in (1..thief.issued.len()).step_by(7) {
        thief.check_refused(&thief.issued[..end]);
        thief.check_refused(&thief.issued[end..]);
    }
}

#[test]
fn parts_of_two_tokens_do_not_fit_together() {
    let thief = Thief::new();
    let other = thief.server.sign_up("eve", "clerk", "").access;
    let [one, other] = [&thief.issued, &other].map(|token| token.split('.').map(str::to_owned).collect::<Vec<_>>());
    thief.check_refused(&[&*one[0], &*other[1], &*one[2]].join("."));
    thief.check_refused(&[&*one[0], &*one[1], &*other[2]].join("."));
}

#[test]
fn a_token_of_another_host_is_refused() {
    let thief = Thief::new();
    for kid in ["stranger", thief.forge.kid()] {
        thief.check_refused(&Forge::stranger(kid).token(&thief.claims));
    }
}

#[test]
fn a_token_that_is_too_long_is_refused_before_it_is_looked_at() {
    let thief = Thief::new();
    let mut claims = thief.claims.clone();
    claims["x"] = json!("x".repeat(8 << 10));
    thief.check_refused(&thief.forge.token(&claims));
    thief.check_refused(&"A".repeat(8 << 10));
    thief.check_refused(&format!("{}.{}.{}", "A".repeat(10_000), "A".repeat(10_000), "A".repeat(10_000)));
    thief.check_refused(&".".repeat(30_000));
    // A megabyte, in the key's id and as it is: no header is so long.
    let huge = json!({"alg": "ES256", "typ": "at+jwt", "kid": "A".repeat(1 << 20)}).to_string();
    for token in [thief.forge.sign(&huge, &thief.claims.to_string()), "A".repeat(1 << 20)] {
        let mut connection = Connection::open(&thief.server);
        connection
            .send(format!("GET /api/auth/me HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"));
        let answer = connection.try_read_answer();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 431), "{answer:?}");
    }
}

#[test]
fn a_token_in_another_serialization_is_no_token() {
    let thief = Thief::new();
    let [header, payload, signature] = thief.issued.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let flat = json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    let answer = Connection::exchange(
        &thief.server,
        format!("GET /api/auth/me HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {flat}\r\n\r\n"),
    );
    answer.check_problem(400, "invalid_request");
}
