//! Attacks on the form: the signature's numbers, spellings of base64url, dots, white space, lengths, parts exchanged.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::*;

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
    let order = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
                   \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
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
