//! Who may call a route, as the plugin says it.
//!
//! A role or a scope is a scope token of RFC 6749, section 3.3, of at most 64 bytes. That is the rule of `Names` in
//! `host/auth/src/names.rs`, which this crate does not know: a name that no caller can ever hold would close its route
//! for good, so it is refused here. This module does not know who holds what, nor what the operator asks for besides.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ManifestError, read};

/// Most roles, and most scopes, that one route names.
const NAMES_MAX: usize = 32;
/// Longest role or scope in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Who may call a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Anybody.
    Public,
    /// Any verified caller.
    #[default]
    SignedIn,
    /// A verified caller that holds one of the roles and all of the scopes. One of the lists may be empty, and asks for
    /// nothing then.
    #[serde(untagged)]
    Restricted {
        /// One of them is needed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
        /// All of them are needed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
    },
}

/// The form with lists. A field that is not known here could ask for what this host would not check, so it is refused,
/// where other unknown fields are warned about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restricted {
    roles: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
}

impl Access {
    /// Reads what stands at `place` of the manifest.
    pub(super) fn read(place: &str, value: Value) -> Result<Self, ManifestError> {
        match &value {
            Value::String(text) if text == "public" => Ok(Self::Public),
            Value::String(text) if text == "signed-in" => Ok(Self::SignedIn),
            Value::Object(_) => restricted(place, read(place.to_owned(), value)?),
            _ => {
                let reason = "must be \"public\", \"signed-in\", or an object with `roles`, `scopes` or both";
                Err(ManifestError::invalid(place, reason))
            }
        }
    }
}

fn restricted(place: &str, lists: Restricted) -> Result<Access, ManifestError> {
    let Restricted { roles, scopes } = lists;
    if roles.is_none() && scopes.is_none() {
        let reason = "names neither `roles` nor `scopes`: write \"signed-in\" where any verified caller may call";
        return Err(ManifestError::invalid(place, reason));
    }
    let roles = check_names(format!("{place}.roles"), roles)?;
    let scopes = check_names(format!("{place}.scopes"), scopes)?;
    Ok(Access::Restricted { roles, scopes })
}

fn check_names(place: String, names: Option<Vec<String>>) -> Result<Vec<String>, ManifestError> {
    let Some(names) = names else { return Ok(Vec::new()) };
    if names.is_empty() || names.len() > NAMES_MAX {
        return Err(ManifestError::invalid(place, format!("must hold 1 to {NAMES_MAX} names, or be left out")));
    }
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(ManifestError::invalid(
            place,
            format!(
                "holds {name:?}: a name has 1 to {NAME_BYTES_MAX} letters, digits and signs, no space, `\"` or `\\`"
            ),
        )),
        None => Ok(names),
    }
}

/// Returns whether `name` is a scope token (RFC 6749, section 3.3) of a sensible length.
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check(value: Value, roles: &[&str], scopes: &[&str]) {
        let expected = Access::Restricted { roles: texts(roles), scopes: texts(scopes) };
        assert_eq!(Access::read("access", value.clone()), Ok(expected.clone()));
        // What an operator is shown is what the plugin wrote.
        assert_eq!(serde_json::to_value(expected).ok(), Some(value));
    }

    #[track_caller]
    fn check_refusal(value: Value, says: &str) {
        let error = Access::read("access", value).expect_err("this is no access").to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn reads_roles_scopes_and_both() {
        check(json!({ "roles": ["clerk", "admin"] }), &["clerk", "admin"], &[]);
        check(json!({ "scopes": ["orders:read"] }), &[], &["orders:read"]);
        check(json!({ "roles": ["clerk"], "scopes": ["a", "b"] }), &["clerk"], &["a", "b"]);
        check(json!({ "roles": ["!#[]~"], "scopes": ["x".repeat(64)] }), &["!#[]~"], &[&"x".repeat(64)]);
    }

    #[test]
    fn refuses_what_would_close_or_open_a_route_by_mistake() {
        for value in [json!("anyone"), json!("PUBLIC"), json!(""), json!(true), json!(null), json!(["clerk"])] {
            check_refusal(value, "`access` must be \"public\", \"signed-in\", or an object");
        }
        check_refusal(json!({}), "names neither `roles` nor `scopes`");
        check_refusal(json!({ "roles": [] }), "`access.roles` must hold 1 to 32 names");
        check_refusal(json!({ "roles": ["clerk"], "scopes": [] }), "`access.scopes` must hold 1 to 32 names");
        check_refusal(json!({ "roles": vec!["clerk"; 33] }), "1 to 32");
        check_refusal(json!({ "roles": ["clerk"], "groups": ["staff"] }), "unknown field `groups`");
        check_refusal(json!({ "roles": "clerk" }), "`access` is not valid");
        check_refusal(json!({ "scopes": [1] }), "`access` is not valid");
    }

    #[test]
    fn refuses_names_that_nobody_can_hold() {
        for name in ["", " ", "a b", "a\tb", "a\"b", "a\\b", "ä", "a\0", "a\u{7f}", &"x".repeat(65)] {
            check_refusal(json!({ "roles": ["clerk", name] }), "`access.roles` holds");
            check_refusal(json!({ "scopes": [name] }), "no space");
        }
    }

    #[test]
    fn the_schema_asks_for_the_same() {
        let schema: Value = serde_json::from_str(include_str!("../../../../wit/manifest.schema.json")).expect("JSON");
        let names = &schema["$defs"]["names"];
        assert_eq!((&names["minItems"], &names["maxItems"]), (&json!(1), &json!(NAMES_MAX)));
        assert_eq!(names["items"]["pattern"], json!(format!(r"^[!#-\[\]-~]{{1,{NAME_BYTES_MAX}}}$")));
        let in_pattern = |c: char| c == '!' || ('#'..='[').contains(&c) || (']'..='~').contains(&c);
        for c in '\0'..='\u{100}' {
            assert_eq!(is_name(&c.to_string()), in_pattern(c), "{c:?}");
        }
        let [forms, lists] = [0, 1].map(|at| &schema["$defs"]["access"]["oneOf"][at]);
        assert_eq!(forms["enum"], json!(["public", "signed-in"]));
        assert_eq!((&lists["minProperties"], &lists["additionalProperties"]), (&json!(1), &json!(false)));
        let fields =
            lists["properties"].as_object().map(|fields| fields.keys().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(fields, Some(vec!["roles", "scopes"]));
    }
}
