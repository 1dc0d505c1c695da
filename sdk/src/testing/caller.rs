//! Callers for tests. On a host nobody but the host makes one.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::context::Principal;

impl Principal {
    /// Makes a caller with some roles, and without scopes and claims, for tests.
    pub fn new<'a>(subject: impl Into<String>, roles: impl IntoIterator<Item = &'a str>) -> Self {
        let mut roles: Vec<String> = roles.into_iter().map(String::from).collect();
        roles.sort_unstable();
        roles.dedup();
        Self { subject: subject.into(), roles, claims: "{}".into() }
    }

    /// Sets what the caller's credential may be used for, for tests.
    ///
    /// # Panics
    /// When a scope is empty or has a space in it: no credential can carry it.
    #[must_use]
    pub fn with_scopes<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scopes: Vec<&str> = scopes.into_iter().collect();
        let all_fit = scopes.iter().all(|scope| !scope.is_empty() && !scope.contains(' '));
        assert!(all_fit, "a scope has no space, and is not empty: {scopes:?}");
        scopes.sort_unstable();
        scopes.dedup();
        self.with_claims(&Map::from_iter([("scope".to_owned(), Value::from(scopes.join(" ")))]))
    }

    /// Adds claims, in place of those of the same names, for tests. `scope` is one of them, where it is given.
    ///
    /// # Panics
    /// When the value is not a JSON object.
    #[must_use]
    pub fn with_claims(self, claims: &impl Serialize) -> Self {
        let added = serde_json::to_value(claims).and_then(serde_json::from_value::<Map<String, Value>>);
        let added = added.expect("claims in a test are a struct or a map, which is a JSON object");
        let mut all: Map<String, Value> =
            serde_json::from_str(&self.claims).expect("a caller's claims are a JSON object, from `Principal::new` on");
        all.extend(added);
        Self { claims: Value::from(all).to_string(), ..self }
    }
}
