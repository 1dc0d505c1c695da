//! Answers who calls, on routes that ask for each kind of caller.

#[backplane_sdk::plugin]
mod identity {
    use backplane_sdk::prelude::*;
    use serde::Serialize;

    /// A caller as the guest sees it.
    #[derive(Serialize)]
    struct Caller {
        /// Identity.
        subject: String,
        /// Roles, in the order in which they came.
        roles: Vec<String>,
        /// Scopes, by the claim.
        scopes: Vec<String>,
        /// All claims.
        claims: serde_json::Value,
    }

    /// All that reached the guest.
    #[derive(Serialize)]
    struct Seen {
        /// Who calls, if somebody does.
        caller: Option<Caller>,
        /// Headers in order.
        headers: Vec<(String, String)>,
    }

    fn see(principal: Principal) -> Result<Caller> {
        let (scopes, claims) = (principal.scopes(), principal.parse_claims()?);
        let Principal { subject, roles, .. } = principal;
        Ok(Caller { subject, roles, scopes, claims })
    }

    /// Answers anybody.
    #[get("/public", public)]
    fn show_public(principal: Option<Principal>) -> Result<Json<Option<Caller>>> {
        principal.map(see).transpose().map(Json)
    }

    /// Answers any verified caller.
    #[get("/signed-in")]
    fn show_signed_in(principal: Principal) -> Result<Json<Caller>> {
        see(principal).map(Json)
    }

    /// Answers a caller with one of the roles.
    #[get("/roles", roles("clerk", "admin"))]
    fn show_roles(principal: Principal) -> Result<Json<Caller>> {
        see(principal).map(Json)
    }

    /// Answers a caller with the scope.
    #[get("/scopes", scopes("notes:read"))]
    fn show_scopes(principal: Principal) -> Result<Json<Caller>> {
        see(principal).map(Json)
    }

    /// Answers a caller with one of the roles and both scopes.
    #[get("/both", roles("clerk", "admin"), scopes("notes:read", "notes:write"))]
    fn show_both(principal: Principal) -> Result<Json<Caller>> {
        see(principal).map(Json)
    }

    /// Answers a caller that the handler lets in.
    #[get("/decided", public)]
    fn show_decided(principal: Principal) -> Result<Json<Caller>> {
        principal.require_role("admin")?;
        principal.require_scope("notes:write")?;
        see(principal).map(Json)
    }

    /// Answers everything that reached it, of a request that asks for all that could carry a credential.
    #[any(
        "/seen",
        public,
        headers("accept", "user-agent", "x-api-key", "x-forwarded-for", "x-principal", "x-token", "www-authenticate")
    )]
    fn show_seen(principal: Option<Principal>, headers: Headers) -> Result<Json<Seen>> {
        let caller = principal.map(see).transpose()?;
        let headers = headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Json(Seen { caller, headers }))
    }
}
