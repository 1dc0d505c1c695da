//! Accounts, what signing in to one brings, and requests of somebody in particular.

use std::time::Duration;

use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, Server, Stopwatch, wait_until};

/// How soon what was revoked is believed no more. The promise is a second; a busy machine gets a little more.
const REVOKED_WITHIN: Duration = Duration::from_secs(3);

/// What a sign-in brings.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    /// Opens routes for ten minutes.
    pub(crate) access: String,
    /// Brings the next one.
    pub(crate) refresh: String,
}

impl SignIn {
    /// Reads the answer to a sign-in or a refresh, which must be one.
    #[track_caller]
    pub(crate) fn read(answer: &Answer) -> Self {
        assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        let brought = answer.json();
        assert_eq!(brought["token_type"], "Bearer", "{brought}");
        assert_eq!(brought["expires_in"], 600, "{brought}");
        let [access, refresh] = ["access_token", "refresh_token"].map(|name| {
            let token = brought[name].as_str().unwrap_or_else(|| panic!("no {name} in {brought}"));
            token.to_owned()
        });
        Self { access, refresh }
    }
}

impl Server {
    /// Prepares a request with a token or an API key.
    pub(crate) fn request_as(&self, credential: &str, method: &str, path: &str) -> RequestBuilder {
        self.strangers_request(method, path).bearer_auth(credential)
    }

    /// Sends a GET with a token or an API key.
    #[track_caller]
    pub(crate) fn get_as(&self, credential: &str, path: &str) -> Answer {
        self.receive(self.request_as(credential, "GET", path))
    }

    /// Sends JSON with a token or an API key.
    #[track_caller]
    pub(crate) fn send_as(&self, credential: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.receive(self.request_as(credential, method, path).json(body))
    }

    /// Sends JSON as the administrator.
    #[track_caller]
    pub(crate) fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.receive(self.request(method, path).json(body))
    }

    /// Posts JSON as nobody in particular.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.receive(self.strangers_request("POST", path).json(body))
    }

    /// Makes an account with these roles and scopes, separated by spaces, and the usual password.
    #[track_caller]
    pub(crate) fn add_user(&self, name: &str, roles: &str, scopes: &str) -> Value {
        let [roles, scopes] = [roles, scopes].map(|names| names.split_whitespace().collect::<Vec<_>>());
        let user = json!({"name": name, "password": PASSWORD, "roles": roles, "scopes": scopes});
        let answer = self.send_json("POST", "/api/users", &user);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// Changes an account.
    #[track_caller]
    pub(crate) fn change_user(&self, name: &str, change: &Value) {
        let answer = self.send_json("PATCH", &format!("/api/users/{name}"), change);
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
    }

    /// Signs in with the usual password.
    #[track_caller]
    pub(crate) fn sign_in(&self, name: &str) -> SignIn {
        SignIn::read(&self.try_sign_in(name, PASSWORD))
    }

    /// Tries to sign in.
    #[track_caller]
    pub(crate) fn try_sign_in(&self, name: &str, password: &str) -> Answer {
        self.post("/api/auth/login", &json!({"name": name, "password": password}))
    }

    /// Makes an account and signs in to it.
    #[track_caller]
    pub(crate) fn sign_up(&self, name: &str, roles: &str, scopes: &str) -> SignIn {
        self.add_user(name, roles, scopes);
        self.sign_in(name)
    }

    /// Uses a refresh token.
    #[track_caller]
    pub(crate) fn refresh(&self, refresh: &str) -> Answer {
        self.post("/api/auth/refresh", &json!({"refresh_token": refresh}))
    }

    /// Checks that a credential is believed, and returns who the server says it is.
    #[track_caller]
    pub(crate) fn check_believed(&self, credential: &str) -> Value {
        let answer = self.get_as(credential, "/api/auth/me");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Checks that a credential is not believed, however public the route.
    #[track_caller]
    pub(crate) fn check_not_believed(&self, credential: &str) {
        for path in ["/api/auth/me", "/api/status"] {
            self.get_as(credential, path).check_invalid_token();
        }
    }

    /// Checks that a credential is believed no more as soon as it must be.
    #[track_caller]
    pub(crate) fn check_soon_not_believed(&self, credential: &str) {
        let watch = Stopwatch::start();
        wait_until("a credential to be believed no more", || self.get_as(credential, "/api/auth/me").status != 200);
        assert!(watch.elapsed() < REVOKED_WITHIN, "{:?}", watch.elapsed());
        self.check_not_believed(credential);
    }
}

impl Answer {
    /// Checks that this is what a credential that is not believed gets (RFC 6750 §3.1).
    #[track_caller]
    pub(crate) fn check_invalid_token(&self) {
        self.check_problem(401, "invalid_token");
        self.check_challenge("error=\"invalid_token\"");
    }

    /// Checks that this asks for a credential, and says that in its challenge.
    #[track_caller]
    pub(crate) fn check_challenge(&self, parameter: &str) {
        let challenge = self.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {self:?}"));
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert!(challenge.contains(parameter), "no `{parameter}` in {challenge}");
    }

    /// Checks that this asks for a credential where there was none (RFC 6750 §3).
    #[track_caller]
    pub(crate) fn check_unauthenticated(&self) {
        self.check_problem(401, "unauthenticated");
        self.check_challenge("");
        let challenge = self.header("www-authenticate").unwrap_or_default();
        assert!(!challenge.contains("error"), "nothing was wrong with a credential: {challenge}");
    }
}
