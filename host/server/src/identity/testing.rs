//! Callers for tests.

use std::sync::Arc;

use backplane_auth::{Names, Principal, PrincipalKind, PrincipalParts};

/// Makes somebody who is signed in.
pub(crate) fn caller(subject: &str, roles: &[&str]) -> Arc<Principal> {
    Arc::new(Principal::new(PrincipalParts {
        subject: subject.into(),
        kind: PrincipalKind::User,
        roles: Names::new(roles).expect("names"),
        scopes: Names::default(),
        session: Some("s1".into()),
        claims: "{}".into(),
    }))
}
