//! Who may do what with events of which topics.
//!
//! Administrators may everything. Anybody else may what a rule of the operator's allows: a rule is about topics, and about
//! a pattern where all that the pattern matches is among them. This module does not know what is done.

use backplane_auth::{Access, Decision, Principal};
use backplane_events::{Pattern, Shape, Topic};

use crate::{
    config::TopicRule,
    identity::{ADMIN_ROLE, challenge},
    problem::{ApiError, ApiResult},
};

/// Lets a caller pass who may do something with events of a topic.
///
/// # Errors
/// `forbidden`, or `insufficient_scope` where a scope is all that is missing.
pub fn require_topic(rules: &[TopicRule], caller: &Principal, topic: &Topic) -> ApiResult<()> {
    require(rules, caller, topic.as_str(), |rule| rule.matches(topic))
}

/// Lets a caller pass who may do something with events of all topics that a pattern matches.
///
/// # Errors
/// As [`require_topic`].
pub fn require_pattern(rules: &[TopicRule], caller: &Principal, pattern: &Pattern) -> ApiResult<()> {
    require(rules, caller, pattern.as_str(), |rule| covers(rule, pattern))
}

/// Returns whether a caller may do something with events of all topics that a pattern matches.
pub fn may_pattern(rules: &[TopicRule], caller: &Principal, pattern: &Pattern) -> bool {
    require_pattern(rules, caller, pattern).is_ok()
}

fn require(
    rules: &[TopicRule],
    caller: &Principal,
    topics: &str,
    is_about: impl Fn(&Pattern) -> bool,
) -> ApiResult<()> {
    if caller.roles().contains(ADMIN_ROLE) {
        return Ok(());
    }
    let about = || rules.iter().filter(|rule| is_about(&rule.topics));
    if about().any(|rule| rule.requires.decide(Some(caller)) == Decision::Allow) {
        return Ok(());
    }
    // Where the caller has the role of a rule, what it lacks is a scope.
    let scopes = about().find_map(|rule| match &rule.requires {
        Access::SignedIn { roles_any, scopes_all } if roles_any.is_empty() || roles_any.intersects(caller.roles()) => {
            Some(scopes_all)
        }
        _ => None,
    });
    Err(scopes.map_or_else(|| lacks_rule(topics), challenge::insufficient_scope))
}

fn lacks_rule(topics: &str) -> ApiError {
    challenge::forbidden(format!("no rule under `[events]` allows this caller to do this with events of `{topics}`"))
}

/// Returns whether `outer` matches everything that `inner` matches.
fn covers(outer: &Pattern, inner: &Pattern) -> bool {
    let is_below = |topic: &str, parent: &str| topic.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'));
    match (outer.shape(), inner.shape()) {
        (Shape::All, _) => true,
        (_, Shape::All) | (Shape::Exact(_), Shape::Below(_)) => false,
        (Shape::Exact(outer), Shape::Exact(inner)) => outer == inner,
        (Shape::Below(parent), Shape::Exact(topic)) => is_below(topic, parent),
        (Shape::Below(parent), Shape::Below(inner)) => inner == parent || is_below(inner, parent),
    }
}

#[cfg(test)]
mod tests {
    use backplane_auth::{Names, PrincipalKind, PrincipalParts};

    use super::*;

    fn names(names: &[&str]) -> Names {
        Names::new(names).expect("names")
    }

    fn caller(roles: &[&str], scopes: &[&str]) -> Principal {
        Principal::new(PrincipalParts {
            subject: "u1".into(),
            kind: PrincipalKind::User,
            roles: names(roles),
            scopes: names(scopes),
            session: None,
            claims: "{}".into(),
        })
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    fn rule(topics: &str, roles: &[&str], scopes: &[&str]) -> TopicRule {
        let requires = Access::SignedIn { roles_any: names(roles), scopes_all: names(scopes) };
        TopicRule { topics: pattern(topics), requires }
    }

    #[track_caller]
    fn check(rules: &[TopicRule], caller: &Principal, topics: &str, expected: Option<&str>) {
        let refused = require_pattern(rules, caller, &pattern(topics)).err();
        assert_eq!(refused.as_ref().map(ApiError::code), expected, "{topics}");
        if let Ok(topic) = Topic::new(topics) {
            let refused = require_topic(rules, caller, &topic).err();
            assert_eq!(refused.as_ref().map(ApiError::code), expected, "{topics}");
        }
    }

    #[test]
    fn administrators_may_everything_and_others_nothing_by_themselves() {
        check(&[], &caller(&["admin"], &[]), "*", None);
        check(&[], &caller(&["clerk"], &[]), "orders", Some("forbidden"));
    }

    #[test]
    fn a_rule_allows_what_it_is_about() {
        let rules =
            [rule("orders.*", &["clerk", "robot"], &[]), rule("orders.eu.*", &[], &["eu"]), rule("open", &[], &[])];
        let (clerk, guest, european) = (caller(&["clerk"], &[]), caller(&["guest"], &[]), caller(&["guest"], &["eu"]));
        for topics in ["orders.created", "orders.*", "orders.eu.*", "orders.eu.created", "open"] {
            check(&rules, &clerk, topics, None);
        }
        for topics in ["orders", "*", "payments.*", "open.*"] {
            check(&rules, &clerk, topics, Some("forbidden"));
        }
        check(&rules, &guest, "orders.created", Some("forbidden"));
        check(&rules, &guest, "orders.eu.created", Some("insufficient_scope"));
        check(&rules, &european, "orders.eu.created", None);
        check(&rules, &european, "orders.eu.*", None);
        check(&rules, &european, "orders.*", Some("forbidden"));
    }

    #[test]
    fn a_pattern_covers_what_it_matches_all_of() {
        let all = ["*", "a", "a.*", "a.b", "a.b.*", "b"];
        let covered = |outer: &str| all.into_iter().filter(|inner| covers(&pattern(outer), &pattern(inner))).collect();
        let check =
            |outer: &str, expected: &[&str]| assert_eq!(Vec::<&str>::from_iter::<Vec<_>>(covered(outer)), expected);
        check("*", &all);
        check("a", &["a"]);
        check("a.*", &["a.*", "a.b", "a.b.*"]);
        check("a.b.*", &["a.b.*"]);
    }
}
