//! Identity over a real store: what a token says when accounts change, and what other processes change.

use std::sync::Arc;

use backplane_auth::{Names, Principal, SecretString};
use backplane_store::{
    CommandStore, Store, StoreOptions,
    identity::{
        PasswordHash,
        audit::{self, AuditQuery, Entry},
        users::{self, NewUser, UserChange},
    },
};
use http::HeaderValue;
use serde_json::Value;

use super::*;
use crate::{config::Config, identity::trail::Origin};

const PASSWORD: &str = "correct horse battery";

struct Server {
    identity: Identity,
    setup_token: Option<SecretString>,
    store: Arc<Store>,
    // The last: the store is closed before its folder goes.
    data: tempfile::TempDir,
}

fn config(data: &tempfile::TempDir) -> Config {
    let mut config = Config { data: data.path().to_owned(), ..Config::default() };
    config.auth.account_attempts_per_minute = 1_000;
    config.auth.address_attempts_per_minute = 1_000;
    config
}

async fn start_in(data: tempfile::TempDir, config: Config) -> Result<Server, StartIdentityError> {
    let store = Store::open(StoreOptions::new(data.path().join("backplane.sqlite"))).expect("opens");
    let (clock, unreadable) = (Clock::SYSTEM, UnreadableKeys::Refuse);
    let (identity, setup_token) = Identity::start(&config, Arc::clone(&store), clock, unreadable).await?;
    Ok(Server { identity, setup_token, store, data })
}

async fn start() -> Server {
    let data = tempfile::tempdir().expect("a directory");
    let config = config(&data);
    start_in(data, config).await.expect("starts")
}

fn origin() -> Origin {
    Origin::of(&http::Extensions::new())
}

fn secret(text: &str) -> SecretString {
    text.into()
}

fn names(scope: &str) -> Names {
    Names::from_scope(scope).expect("names")
}

/// What a client has of an answer.
struct Session {
    access: String,
    refresh: SecretString,
    scope: String,
}

fn read(tokens: &Tokens) -> Session {
    let answer = serde_json::to_value(tokens).expect("JSON");
    let text = |key: &str| answer[key].as_str().expect("a text").to_owned();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&Value::from("Bearer"), &Value::from(600)));
    Session { access: text("access_token"), refresh: text("refresh_token").into(), scope: text("scope") }
}

impl Server {
    async fn add_user(&self, name: &str, roles: &str, scopes: &str) -> String {
        let password_hash = self.identity.hash_password(&secret(PASSWORD), name).await.expect("strong");
        let subject = accounts::create_subject(Clock::SYSTEM);
        let (name, roles, scopes) = (name.to_owned(), roles.to_owned(), scopes.to_owned());
        let user = NewUser { subject: subject.clone(), name, password_hash, roles, scopes, created_at_ms: 1 };
        self.store.write(move |connection| users::create(connection, &user)).await.expect("made");
        subject
    }

    /// Changes an account as a command does, in another process.
    fn change(&self, subject: &str, change: &UserChange) {
        let mut store = CommandStore::open(self.store.path()).expect("opens");
        let now = Clock::SYSTEM.unix_ms().0;
        store.write(|connection| users::update(connection, subject, change, ADMIN_ROLE, now)).expect("changed");
    }

    async fn sign_in_for(&self, name: &str, scopes: Option<&str>) -> ApiResult<Session> {
        let (name, password, scopes) = (name.to_owned(), secret(PASSWORD), scopes.map(names));
        let tokens = self.identity.sign_in(Credentials { name, password, scopes }, &origin()).await?;
        Ok(read(&tokens))
    }

    async fn sign_in(&self, name: &str) -> Session {
        self.sign_in_for(name, None).await.expect("signed in")
    }

    async fn refresh(&self, token: &SecretString) -> ApiResult<Session> {
        Ok(read(&self.identity.refresh(token, &origin()).await?))
    }

    async fn who(&self, credential: &str) -> ApiResult<Arc<Principal>> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {credential}")).expect("a header");
        headers.insert(AUTHORIZATION, value);
        let found = self.identity.authenticate(&headers, Clock::SYSTEM.unix_ms()).await?;
        Ok(found.expect("the request has a credential"))
    }

    fn trail(&self) -> Vec<Entry> {
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        self.store.read(|connection| audit::list(connection, &query)).expect("read")
    }

    fn last_entry(&self) -> (Option<String>, String, String) {
        let entry = self.trail().into_iter().next().expect("an entry");
        (entry.actor_name, entry.action, entry.result)
    }
}

fn code<T>(result: ApiResult<T>) -> String {
    result.err().map(|error| error.code().to_owned()).unwrap_or_default()
}

fn entry(actor: Option<&str>, action: &str, result: &str) -> (Option<String>, String, String) {
    (actor.map(str::to_owned), action.to_owned(), result.to_owned())
}

#[tokio::test]
async fn whoever_has_the_set_up_token_administers_the_server_and_nobody_after() {
    let server = start().await;
    let token = server.setup_token.clone().expect("a token");
    let set_up = async |token: &SecretString, name: &str, password: &str| {
        let (token, name, password) = (token.clone(), name.to_owned(), secret(password));
        server.identity.set_up(FirstAdministrator { token, name, password }, &origin()).await
    };
    assert_eq!(code(set_up(&secret("bps_wrong"), "ada", PASSWORD).await), "invalid_setup_token");
    assert_eq!(code(set_up(&token, "ada", "password").await), "weak_password");
    assert_eq!(code(set_up(&token, "Ada", PASSWORD).await), "invalid_request");
    let session = read(&set_up(&token, "ada", PASSWORD).await.expect("set up"));
    assert!(server.who(&session.access).await.expect("believed").roles().contains(ADMIN_ROLE));
    assert_eq!(code(set_up(&token, "eve", PASSWORD).await), "invalid_setup_token");
    let actions: Vec<_> = server.trail().into_iter().map(|entry| (entry.action, entry.actor_name)).collect();
    let ada = Some("ada".to_owned());
    assert_eq!(actions, [("login".to_owned(), ada.clone()), ("setup".to_owned(), ada)]);
}

#[tokio::test]
async fn an_administrator_whom_another_process_makes_ends_the_set_up() {
    let server = start().await;
    let token = server.setup_token.clone().expect("a token");
    server.add_user("ada", ADMIN_ROLE, "").await;
    let (name, password) = ("eve".to_owned(), secret(PASSWORD));
    let refused = server.identity.set_up(FirstAdministrator { token, name, password }, &origin()).await;
    assert_eq!(code(refused), "invalid_setup_token");
    server.identity.look().await.expect("looked");
    assert!(!server.identity.setup.is_open());
}

#[tokio::test]
async fn strangers_and_locked_accounts_are_refused_alike_and_written_down() {
    let server = start().await;
    let subject = server.add_user("ada", "", "").await;
    server.change(&subject, &UserChange { disabled: Some(true), ..UserChange::default() });
    assert_eq!(code(server.sign_in_for("ada", None).await), "invalid_credentials");
    assert_eq!(server.last_entry(), entry(Some("ada"), "login", "invalid_credentials"));
    assert_eq!(code(server.sign_in_for("my secret, typed as the name", None).await), "invalid_credentials");
    assert_eq!(server.last_entry(), entry(None, "login", "invalid_credentials"));
    assert!(!format!("{:?}", server.trail()).contains("secret"));
}

#[tokio::test]
async fn a_session_may_do_less_than_its_account_and_never_more() {
    let server = start().await;
    let subject = server.add_user("ada", "clerk", "orders:read orders:write").await;
    assert_eq!(code(server.sign_in_for("ada", Some("orders:delete")).await), "invalid_request");
    let whole = server.sign_in("ada").await;
    assert_eq!(whole.scope, "orders:read orders:write");
    let narrow = server.sign_in_for("ada", Some("orders:read")).await.expect("signed in");
    let caller = server.who(&narrow.access).await.expect("believed");
    assert_eq!((caller.scopes(), caller.roles()), (&names("orders:read"), &names("clerk")));
    let narrow = server.refresh(&narrow.refresh).await.expect("refreshed");
    assert_eq!(narrow.scope, "orders:read");
    // What the account loses, the session loses, and gets back with it.
    server.change(&subject, &UserChange { scopes: Some("orders:write".into()), ..UserChange::default() });
    assert_eq!(server.refresh(&narrow.refresh).await.expect("refreshed").scope, "");
    assert_eq!(server.refresh(&whole.refresh).await.expect("refreshed").scope, "orders:write");
}

#[tokio::test]
async fn what_another_process_takes_from_an_account_is_out_with_the_next_look() {
    let server = start().await;
    let subject = server.add_user("ada", "clerk", "").await;
    let session = server.sign_in("ada").await;
    server.who(&session.access).await.expect("believed");
    server.change(&subject, &UserChange { roles: Some(String::new()), ..UserChange::default() });
    server.identity.look().await.expect("looked");
    assert_eq!(code(server.who(&session.access).await), "invalid_token");
    let refreshed = server.refresh(&session.refresh).await.expect("the session goes on");
    assert!(server.who(&refreshed.access).await.expect("believed").roles().is_empty());
}

#[tokio::test]
async fn a_sign_in_in_the_second_of_a_change_is_believed_and_says_what_is_so_now() {
    let server = start().await;
    let subject = server.add_user("ada", "clerk", "").await;
    let session = server.sign_in("ada").await;
    let mut refresh = session.refresh;
    for roles in ["a", "b", "c"] {
        server.change(&subject, &UserChange { roles: Some(roles.into()), ..UserChange::default() });
        server.identity.look().await.expect("looked");
        let session = server.refresh(&refresh).await.expect("refreshed");
        let caller = server.who(&session.access).await.expect("believed");
        assert_eq!(caller.roles(), &names(roles));
        refresh = session.refresh;
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_session_at_once() {
    let server = start().await;
    server.add_user("ada", "", "").await;
    let first = server.sign_in("ada").await;
    let second = server.refresh(&first.refresh).await.expect("refreshed");
    let third = server.refresh(&second.refresh).await.expect("refreshed");
    server.who(&third.access).await.expect("believed");
    assert_eq!(code(server.refresh(&first.refresh).await), "invalid_refresh_token");
    assert_eq!(server.last_entry(), entry(Some("ada"), "refresh", "invalid_refresh_token"));
    assert_eq!(code(server.who(&third.access).await), "invalid_token");
    assert_eq!(code(server.refresh(&third.refresh).await), "invalid_refresh_token");
}

#[tokio::test]
async fn a_locked_account_refreshes_nothing() {
    let server = start().await;
    let subject = server.add_user("ada", "", "").await;
    let session = server.sign_in("ada").await;
    server.change(&subject, &UserChange { disabled: Some(true), ..UserChange::default() });
    assert_eq!(code(server.refresh(&session.refresh).await), "invalid_refresh_token");
}

#[tokio::test]
async fn a_password_that_changed_while_it_was_checked_opens_no_session() {
    let server = start().await;
    let subject = server.add_user("ada", "", "").await;
    let found = server.identity.read(move |connection| users::find(connection, &subject)).await.expect("read");
    let before = found.expect("the account");
    let other = server.identity.hash_password(&secret("another fine one"), "ada").await.expect("strong");
    server.change(&before.subject, &UserChange { password_hash: Some(other), ..UserChange::default() });
    let sign_in = crate::adapters::SignIn { checked: before.password_hash.clone(), rehashed: None, scopes: None };
    let refused = server.identity.open_session(&before, sign_in, &origin()).await;
    assert_eq!(code(refused), "invalid_credentials");
}

#[tokio::test]
async fn a_password_is_hashed_again_when_it_was_hashed_otherwise() {
    let server = start().await;
    let subject = server.add_user("ada", "", "").await;
    // With 8 MiB, as an earlier server or another program had it.
    let old = "$argon2id$v=19$m=8192,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$FdL8IRWh6nXNKrRyTIByxITX3JWvjmHo2f6R8bjmFjc";
    let old = PasswordHash(old.to_owned());
    server.change(&subject, &UserChange { password_hash: Some(old.clone()), ..UserChange::default() });
    let session = server.sign_in("ada").await;
    let found = server.store.read(|connection| users::find(connection, &subject)).expect("read");
    let hash = found.expect("the account").password_hash;
    assert!(hash != old && hash.0.contains("m=19456"), "hashed as today");
    // It is the same password: no session ends by it.
    server.refresh(&session.refresh).await.expect("refreshed");
    server.sign_in("ada").await;
}

#[tokio::test]
async fn keys_outlive_the_process_and_tokens_with_them() {
    let server = start().await;
    server.add_user("ada", ADMIN_ROLE, "").await;
    let session = server.sign_in("ada").await;
    let Server { identity, store, data, .. } = server;
    drop(identity);
    store.close();
    drop(store);
    let config = config(&data);
    let server = start_in(data, config).await.expect("starts again");
    assert!(server.setup_token.is_none());
    assert_eq!(server.who(&session.access).await.expect("believed").roles(), &names(ADMIN_ROLE));
}

#[tokio::test]
async fn another_master_key_opens_nothing_and_says_what_to_do() {
    let Server { identity, store, data, .. } = start().await;
    drop(identity);
    store.close();
    drop(store);
    std::fs::remove_file(data.path().join(MASTER_KEY_FILE)).expect("removed");
    let config = config(&data);
    let error = start_in(data, config).await.err().expect("refused");
    assert!(matches!(error, StartIdentityError::UnreadableKeys(_)), "{error}");
    assert!(error.to_string().contains("--replace-keys"), "{error}");
}

#[tokio::test]
async fn a_request_has_one_credential_or_none() {
    let server = start().await;
    let now = Clock::SYSTEM.unix_ms();
    let mut headers = HeaderMap::new();
    assert!(server.identity.authenticate(&headers, now).await.expect("nobody").is_none());
    headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
    assert_eq!(code(server.identity.authenticate(&headers, now).await), "invalid_token");
    headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
    assert_eq!(code(server.identity.authenticate(&headers, now).await), "invalid_request");
}
