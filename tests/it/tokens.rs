//! Every way that is known to fool a host about a token, over HTTP (RFC 8725 §2, RFC 6750, and what others fell for).
//!
//! Each token is tried on a route that needs a caller and on one that does not: a credential that is not believed opens
//! nothing and is no stranger's request either. What a thief of the signing key could make is signed with that key, so
//! that only the rule under test stands.

mod claims;
mod form;
mod header;
mod headers;

use serde_json::Value;

use crate::harness::{Connection, Forge, Server, claims_of};

/// A server, and somebody who has its key.
struct Thief {
    server: Server,
    forge: Forge,
    /// A token that the server issued.
    issued: String,
    /// What stands in it.
    claims: Value,
}

impl Thief {
    #[track_caller]
    fn new() -> Self {
        let server = Server::start(&[]);
        let issued = server.sign_up("ada", "clerk", "orders:read").access;
        let (forge, claims) = (Forge::of(&server.data()), claims_of(&issued));
        let thief = Self { server, forge, issued, claims };
        // With nothing wrong the forgery is perfect: what is refused below is refused for what is wrong with it.
        thief.server.check_believed(&thief.forge.token(&thief.claims));
        thief
    }

    /// Tries a token that must not be believed, whatever bytes it has.
    #[track_caller]
    fn check_refused(&self, token: &str) {
        for path in ["/api/auth/me", "/api/status"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
            let answer = Connection::exchange(&self.server, request);
            assert_eq!(answer.status, 401, "{} for {token}", answer.text());
            answer.check_invalid_token();
            assert!(token.len() < 20 || !answer.text().contains(token), "the token is repeated: {}", answer.text());
        }
    }

    /// Signs a header, in which `KID` stands for the key's id, and the claims of the server's own token.
    #[track_caller]
    fn check_header(&self, header: &str) {
        let header = header.replace("KID", self.forge.kid());
        self.check_refused(&self.forge.sign(&header, &self.claims.to_string()));
    }

    /// Signs changed claims.
    #[track_caller]
    fn check_claims(&self, change: impl FnOnce(&mut Value)) {
        let mut claims = self.claims.clone();
        change(&mut claims);
        self.check_refused(&self.forge.token(&claims));
    }
}

impl Drop for Thief {
    /// However a test goes on: the host is well, and what it wrote holds no token.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.check_believed(&self.issued);
            self.server.check_health();
            let log = self.server.log().join("\n");
            assert!(!log.contains(&self.issued), "a token is in the log: {log}");
        }
    }
}
