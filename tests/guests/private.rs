//! Answers only to those who say who they are.

#[backplane_sdk::plugin]
mod private {
    use backplane_sdk::prelude::*;

    /// Answers any verified caller.
    #[get("/")]
    fn show(principal: Principal) -> String {
        principal.subject
    }

    /// Answers a caller with the role.
    #[get("/ledger", roles("clerk"))]
    fn show_ledger(principal: Principal) -> String {
        principal.subject
    }

    /// Answers anybody, and says whether somebody is signed in.
    #[get("/lobby", public)]
    fn show_lobby(principal: Option<Principal>) -> String {
        principal.map_or_else(|| "a stranger".into(), |principal| principal.subject)
    }
}
