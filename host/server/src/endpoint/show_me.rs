//! `GET /api/auth/me`: who the caller is.

use axum::Json;
use backplane_auth::Principal;
use backplane_store::{StoreError, identity::users};
use serde::Serialize;

use crate::{
    app::AppState,
    identity::{store_failed, trail::Caller},
    problem::ApiResult,
};

/// The answer.
#[derive(Debug, Serialize)]
pub struct Me {
    /// The id: an account's, or `<issuer>|<subject>`.
    subject: String,
    /// Of the account; nothing for a caller of an outside issuer.
    name: Option<String>,
    /// `user`, `api-key` or `external`.
    kind: &'static str,
    roles: Vec<String>,
    scopes: Vec<String>,
    /// The session, where the credential has one.
    session: Option<String>,
}

/// Says who the server takes the caller for.
///
/// # Errors
/// `identity_unavailable` when the account cannot be read.
pub async fn show_me(app: AppState, Caller(caller): Caller) -> ApiResult<Json<Me>> {
    let name = find_name(&app, caller.subject()).await.map_err(store_failed)?;
    Ok(Json(view(&caller, name)))
}

async fn find_name(app: &AppState, subject: &str) -> Result<Option<String>, StoreError> {
    let subject = subject.to_owned();
    let user = app.identity.read(move |connection| users::find(connection, &subject)).await?;
    Ok(user.map(|user| user.name))
}

fn view(caller: &Principal, name: Option<String>) -> Me {
    let list = |names: &backplane_auth::Names| names.iter().map(str::to_owned).collect();
    Me {
        subject: caller.subject().to_owned(),
        name,
        kind: caller.kind().as_str(),
        roles: list(caller.roles()),
        scopes: list(caller.scopes()),
        session: caller.session().map(str::to_owned),
    }
}
