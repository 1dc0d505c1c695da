//! Media types (RFC 9110 §8.3.1): two tokens with a slash between them, and parameters.

const BYTES_MAX: usize = 128;

/// Returns whether a text is a media type, with parameters or without.
pub(super) fn is_media_type(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let (subtype, parameters) = split_token(rest);
    text.len() <= BYTES_MAX
        && split_token(kind) == (kind, "")
        && !kind.is_empty()
        && !subtype.is_empty()
        && are_parameters(parameters)
}

/// Reads `*( OWS ";" OWS [ parameter ] )` (RFC 9110 §5.6.6).
fn are_parameters(mut text: &str) -> bool {
    loop {
        text = text.trim_start_matches([' ', '\t']);
        if text.is_empty() {
            return true;
        }
        let Some(rest) = text.strip_prefix(';') else { return false };
        let (name, rest) = split_token(rest.trim_start_matches([' ', '\t']));
        text = match (name, rest.strip_prefix('=')) {
            ("", None) => rest,
            ("", Some(_)) | (_, None) => return false,
            (_, Some(value)) => match split_value(value) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
}

/// Returns what follows the token or the quoted string that a text begins with.
fn split_value(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(split_token(text)).filter(|(value, _)| !value.is_empty()).map(|(_, rest)| rest);
    };
    let mut chars = quoted.chars();
    while let Some(next) = chars.next() {
        match next {
            '"' => return Some(chars.as_str()),
            '\\' => drop(chars.next()?),
            '\t' => {}
            _ if next.is_ascii_control() => return None,
            _ => {}
        }
    }
    None
}

fn split_token(text: &str) -> (&str, &str) {
    let is_outside = |c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(is_outside).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::is_media_type;

    #[test]
    fn tells_media_types_from_what_is_none() {
        for text in
            ["a/b", "text/plain;charset=utf-8", "text/plain ; a=\"b;\\\"c\" ; d=e", "text/plain;", "a/b+json;;c=d"]
        {
            assert!(is_media_type(text), "{text}");
        }
        let too_long = format!("text/{}", "a".repeat(124));
        for text in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a /b",
            "a/b c",
            "a/b; c",
            "a/b; =c",
            "a/b; c=",
            "a/b; c=\"d",
            "a/b; c=\"\n\"",
            "ä/b",
            &too_long,
        ] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
