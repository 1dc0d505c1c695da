//! Who calls: identity, roles, scopes, claims.
//!
//! The host has verified all of it, and has enforced what the route's attribute asks for before the handler runs. What
//! is here is for the decisions that only a handler can take: whose order this is, and what more one of them may see.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Context;
pub use crate::bindings::http::backplane::plugin::context::Principal;
use crate::extract::{Call, Extract, ExtractOptional};
use crate::{Problem, Result};

/// The one claim that has a meaning here: scopes with spaces between them (RFC 9068 §2.2.3, RFC 8693 §4.2).
#[derive(Default, Deserialize)]
struct ScopeClaim<'a> {
    #[serde(borrow, default)]
    scope: Cow<'a, str>,
}

impl Principal {
    /// Returns whether the caller holds a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Refuses a caller that does not hold a role.
    ///
    /// A route that only some may call says so in its attribute, `roles("admin")`: then the host refuses, an operator
    /// sees it, and nothing has run. This is for what depends on the request.
    ///
    /// # Errors
    /// The problem `forbidden` of status 403.
    pub fn require_role(&self, role: &str) -> Result<()> {
        match self.has_role(role) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("this needs the role `{role}`"))),
        }
    }

    /// Returns what the caller's credential may be used for, by the claim `scope`.
    pub fn scopes(&self) -> Vec<String> {
        names(&self.scope()).map(String::from).collect()
    }

    /// Returns whether the caller's credential may be used for `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        names(&self.scope()).any(|held| held == scope)
    }

    /// Refuses a caller whose credential may not be used for `scope`.
    ///
    /// As with [`require_role`](Self::require_role), a route says `scopes("orders:read")` where it can.
    ///
    /// # Errors
    /// The problem `insufficient_scope` of status 403 (RFC 6750 §3.1).
    pub fn require_scope(&self, scope: &str) -> Result<()> {
        match self.has_scope(scope) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("this needs the scope `{scope}`")).with_code("insufficient_scope")),
        }
    }

    /// Reads the claims into a type that names the expected ones; others are left aside. An argument
    /// [`Claims<T>`](Claims) does the same.
    ///
    /// # Errors
    /// The problem `forbidden` of status 403 when the claims do not fit: this caller's credential does not say what the
    /// plugin asks for.
    pub fn parse_claims<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.claims)
            .map_err(|error| Problem::forbidden(format!("the caller's claims do not fit: {error}")))
    }

    /// Returns the claim `scope`. One that is no text allows nothing.
    fn scope(&self) -> Cow<'_, str> {
        serde_json::from_str::<ScopeClaim<'_>>(&self.claims).unwrap_or_default().scope
    }
}

fn names(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ').filter(|name| !name.is_empty())
}

/// The verified caller; the problem `unauthenticated` of status 401 when there is none.
impl Extract for Principal {
    fn extract(call: &mut Call) -> Result<Self> {
        Self::extract_optional(call)?
            .ok_or_else(|| Problem::new(401, "unauthenticated", "this needs a signed-in caller"))
    }
}

impl ExtractOptional for Principal {
    fn extract_optional(_: &mut Call) -> Result<Option<Self>> {
        Ok(Context.caller())
    }
}

/// The caller's claims as a type that names the expected ones.
///
/// A caller whose claims do not fit is answered with 403 `forbidden`, nobody with 401 `unauthenticated`. Which claims
/// there are depends on who issued the caller's credential: an access token of the host has those of RFC 9068, an API
/// key has `scope`, and a token of an outside issuer has what that issuer writes.
///
/// ```
/// #[backplane_sdk::plugin]
/// mod invoices {
///     use backplane_sdk::prelude::*;
///     use serde::Deserialize;
///
///     #[derive(Deserialize)]
///     struct Customer {
///         tenant: String,
///     }
///
///     /// Lists the invoices of the caller's own company.
///     #[get("/", scopes("invoices:read"))]
///     fn list_invoices(Claims(customer): Claims<Customer>) -> String {
///         format!("invoices of {}", customer.tenant)
///     }
/// }
///
/// use backplane_sdk::{Principal, testing};
/// let ada = Principal::new("ada", []).with_scopes(["invoices:read"]);
/// let of_acme = ada.clone().with_claims(&serde_json::json!({ "tenant": "acme" }));
/// assert_eq!(testing::get("/").caller(of_acme).send::<invoices::Plugin>().text(), "invoices of acme");
/// assert_eq!(testing::get("/").caller(ada).send::<invoices::Plugin>().status(), 403);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned> Extract for Claims<T> {
    fn extract(call: &mut Call) -> Result<Self> {
        Principal::extract(call)?.parse_claims().map(Claims)
    }
}

impl<T: DeserializeOwned> ExtractOptional for Claims<T> {
    fn extract_optional(_: &mut Call) -> Result<Option<Self>> {
        Context.caller().map(|caller| caller.parse_claims().map(Claims)).transpose()
    }
}
