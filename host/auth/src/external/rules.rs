//! From the claims of an outside token to roles and scopes of this host.
//!
//! Only what a rule names is given: an issuer that invents a group gives nobody anything.

use serde_json::Value;

use crate::{claims::Claims, names::Names};

/// Who has this claim has these roles and scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRule {
    /// Where the claim stands, as a JSON pointer (RFC 6901): `/groups`, `/realm_access/roles`.
    pub claim: String,
    /// What it must be, or what must be in it: the whole text, one text of an array, or one word of `/scope`.
    pub value: String,
    /// What the caller then is.
    pub roles: Names,
    /// What the caller's token may then be used for.
    pub scopes: Names,
}

impl ClaimRule {
    pub(super) fn map(rules: &[Self], claims: &Claims) -> (Names, Names) {
        let matching = rules.iter().filter(|rule| rule.matches(claims));
        matching.fold((Names::default(), Names::default()), |(roles, scopes), rule| {
            (roles.union(&rule.roles), scopes.union(&rule.scopes))
        })
    }

    fn matches(&self, claims: &Claims) -> bool {
        match claims.at(&self.claim) {
            Some(Value::String(scope)) if self.claim == "/scope" => scope.split(' ').any(|word| word == self.value),
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(values)) => values.iter().any(|value| value.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(claim: &str, value: &str) -> ClaimRule {
        let (roles, scopes) = (Names::new(["clerk"]).expect("a name"), Names::default());
        ClaimRule { claim: claim.into(), value: value.into(), roles, scopes }
    }

    #[test]
    fn matches_texts_and_members_and_words_of_the_scope() {
        let claims = Claims::parse(
            r#"{"group":"staff","groups":["a","staff"],"realm":{"roles":["staff"]},"https://x/y":["staff"],
                "scope":"read staff","n":7,"deep":[["staff"]],"words":"read staff"}"#,
        )
        .expect("JSON");
        for pointer in ["/group", "/groups", "/realm/roles", "/https:~1~1x~1y", "/scope"] {
            assert!(rule(pointer, "staff").matches(&claims), "{pointer}");
        }
        for pointer in ["", "group", "/", "/none", "/realm", "/realm/none", "/n", "/deep", "/words", "/groups/0/x"] {
            assert!(!rule(pointer, "staff").matches(&claims), "{pointer}");
        }
        assert!(!rule("/group", "Staff").matches(&claims));
        assert!(!rule("/n", "7").matches(&claims));
    }

    #[test]
    fn gives_what_every_matching_rule_gives() {
        let claims = Claims::parse(r#"{"groups":["a","b"]}"#).expect("JSON");
        let admin = Names::new(["admin"]).expect("a name");
        let rules = [
            rule("/groups", "a"),
            ClaimRule { roles: admin.clone(), scopes: admin, ..rule("/groups", "b") },
            ClaimRule { roles: Names::new(["root"]).expect("a name"), ..rule("/groups", "c") },
        ];
        let (roles, scopes) = ClaimRule::map(&rules, &claims);
        assert_eq!((roles.to_scope().as_str(), scopes.to_scope().as_str()), ("admin clerk", "admin"));
    }
}
