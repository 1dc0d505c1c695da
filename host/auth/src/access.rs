//! What a route requires of its caller, and whether a caller fulfils it.
//!
//! An operator's requirement is joined to a plugin's and can only make it stricter: what would let more callers in is
//! refused with the reason, not quietly dropped. This module does not know routes, nor how a refusal is told.

use crate::{names::Names, principal::Principal};

/// Who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// A verified caller.
    SignedIn {
        /// The caller must hold one of these; none is asked for when empty.
        roles_any: Names,
        /// The credential must carry all of these.
        scopes_all: Names,
    },
}

/// Whether a caller may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// May pass.
    Allow,
    /// Nobody knows who calls, and somebody must.
    Unauthenticated,
    /// The caller is known, and lacks a role or a scope.
    Forbidden,
}

/// How an operator's requirement would let in more callers than the plugin does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TightenError {
    /// The operator would open what the plugin closes.
    #[error("the plugin asks for a signed-in caller: a requirement may be stricter than the plugin's, never `public`")]
    Public,
    /// The operator would let in a role that the plugin does not.
    #[error("the plugin lets in {allowed} and not `{role}`: name some of those, or none")]
    Role {
        /// What the operator named.
        role: String,
        /// What the plugin named, as a list.
        allowed: String,
    },
}

impl Access {
    /// Any verified caller.
    pub fn signed_in() -> Self {
        Self::SignedIn { roles_any: Names::default(), scopes_all: Names::default() }
    }

    /// Joins the requirement of a plugin (`self`) with the operator's: the result asks for both.
    ///
    /// # Errors
    /// When the operator's requirement names somebody whom the plugin keeps out.
    pub fn tighten(&self, operator: &Self) -> Result<Self, TightenError> {
        match (self, operator) {
            (Self::Public, _) => Ok(operator.clone()),
            (Self::SignedIn { .. }, Self::Public) => Err(TightenError::Public),
            (
                Self::SignedIn { roles_any, scopes_all },
                Self::SignedIn { roles_any: operator_roles, scopes_all: operator_scopes },
            ) => {
                let roles_any = tighten_roles(roles_any, operator_roles)?;
                Ok(Self::SignedIn { roles_any, scopes_all: scopes_all.union(operator_scopes) })
            }
        }
    }

    /// Says whether `caller` may pass.
    pub fn decide(&self, caller: Option<&Principal>) -> Decision {
        match (self, caller) {
            (Self::Public, _) => Decision::Allow,
            (Self::SignedIn { .. }, None) => Decision::Unauthenticated,
            (Self::SignedIn { roles_any, scopes_all }, Some(caller)) => {
                let has_role = roles_any.is_empty() || roles_any.intersects(caller.roles());
                match has_role && scopes_all.is_subset(caller.scopes()) {
                    true => Decision::Allow,
                    false => Decision::Forbidden,
                }
            }
        }
    }
}

fn tighten_roles(plugin: &Names, operator: &Names) -> Result<Names, TightenError> {
    if operator.is_empty() {
        return Ok(plugin.clone());
    }
    if plugin.is_empty() || operator.is_subset(plugin) {
        return Ok(operator.clone());
    }
    let role = operator.iter().find(|role| !plugin.contains(role)).unwrap_or_default().to_owned();
    let allowed = plugin.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
    Err(TightenError::Role { role, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::{PrincipalKind, PrincipalParts};

    fn names(scope: &str) -> Names {
        Names::from_scope(scope).expect("names")
    }

    fn signed_in(roles: &str, scopes: &str) -> Access {
        Access::SignedIn { roles_any: names(roles), scopes_all: names(scopes) }
    }

    fn caller(roles: &str, scopes: &str) -> Principal {
        Principal::new(PrincipalParts {
            subject: "u1".into(),
            kind: PrincipalKind::User,
            roles: names(roles),
            scopes: names(scopes),
            session: None,
            claims: "{}".into(),
        })
    }

    #[test]
    fn decides_by_one_role_and_every_scope() {
        #[track_caller]
        fn check(access: &Access, caller: Option<&Principal>, expected: Decision) {
            assert_eq!(access.decide(caller), expected, "{access:?} {caller:?}");
        }
        check(&Access::Public, None, Decision::Allow);
        check(&Access::Public, Some(&caller("", "")), Decision::Allow);
        check(&Access::signed_in(), None, Decision::Unauthenticated);
        check(&Access::signed_in(), Some(&caller("", "")), Decision::Allow);
        check(&signed_in("clerk admin", ""), None, Decision::Unauthenticated);
        check(&signed_in("clerk admin", ""), Some(&caller("admin", "")), Decision::Allow);
        check(&signed_in("clerk admin", ""), Some(&caller("guest", "clerk")), Decision::Forbidden);
        check(&signed_in("", "a b"), Some(&caller("", "a b c")), Decision::Allow);
        check(&signed_in("", "a b"), Some(&caller("a b", "a")), Decision::Forbidden);
        check(&signed_in("admin", "a"), Some(&caller("admin", "")), Decision::Forbidden);
        check(&signed_in("admin", "a"), Some(&caller("", "a")), Decision::Forbidden);
    }

    #[test]
    fn an_operator_makes_a_requirement_stricter() {
        #[track_caller]
        fn check(plugin: &Access, operator: &Access, expected: &Access) {
            assert_eq!(plugin.tighten(operator).as_ref(), Ok(expected));
        }
        check(&Access::Public, &Access::Public, &Access::Public);
        check(&Access::Public, &signed_in("admin", "a"), &signed_in("admin", "a"));
        check(&Access::signed_in(), &signed_in("admin", ""), &signed_in("admin", ""));
        check(&signed_in("clerk admin", "a"), &signed_in("admin", "b"), &signed_in("admin", "a b"));
        check(&signed_in("clerk", "a"), &Access::signed_in(), &signed_in("clerk", "a"));
    }

    #[test]
    fn an_operator_cannot_let_more_callers_in() {
        assert_eq!(Access::signed_in().tighten(&Access::Public), Err(TightenError::Public));
        let error = signed_in("clerk admin", "").tighten(&signed_in("admin guest", "")).expect_err("widens");
        assert_eq!(
            error.to_string(),
            "the plugin lets in `admin`, `clerk` and not `guest`: name some of those, or none"
        );
    }

    /// Whoever passes the joined requirement passes each of the two.
    #[test]
    fn what_is_joined_is_never_weaker_than_either() {
        let sets = ["", "a", "b", "a b", "c"];
        let mut all = vec![Access::Public];
        all.extend(sets.iter().flat_map(|roles| sets.iter().map(|scopes| signed_in(roles, scopes))));
        let mut callers = vec![None];
        callers.extend(sets.iter().flat_map(|roles| sets.iter().map(|scopes| Some(caller(roles, scopes)))));
        for plugin in &all {
            for operator in &all {
                let Ok(joined) = plugin.tighten(operator) else { continue };
                for caller in &callers {
                    let passes = |access: &Access| access.decide(caller.as_ref()) == Decision::Allow;
                    assert_eq!(
                        passes(&joined),
                        passes(plugin) && passes(operator),
                        "{plugin:?} {operator:?} {caller:?}"
                    );
                }
            }
        }
    }
}
