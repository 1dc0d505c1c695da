//! Key sets of outside issuers, over HTTP.
//!
//! A key set is fetched from the address that the operator wrote and from no other: no redirect is followed and no
//! proxy of the environment used. A fetch takes five seconds and the bytes of a key set at most. Certificates are
//! checked against those that the operating system trusts.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use backplane_auth::{BoxFuture, FetchJwks, FetchJwksError, JWKS_BYTES_MAX};
use http::{StatusCode, header::ACCEPT};
use reqwest::{Client, redirect::Policy};

use crate::config::ExternalConfig;

/// From the beginning of a fetch to its end.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches key sets.
pub struct JwksOverHttp {
    /// Nothing where no issuer is configured.
    client: Option<Client>,
    /// Addresses by issuer.
    urls: HashMap<String, String>,
}

/// Key sets cannot be fetched at all.
#[derive(Debug, thiserror::Error)]
#[error("failed to prepare HTTPS for the key sets of outside issuers: the system needs its `ca-certificates`")]
pub struct PrepareJwksError(#[source] reqwest::Error);

/// Why one was not fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer is not configured")]
    Unknown,
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {JWKS_BYTES_MAX} bytes")]
    TooLong,
}

impl JwksOverHttp {
    /// Prepares for the issuers in `external`, and asks none of them yet.
    ///
    /// # Errors
    /// When the operating system has no certificates to trust.
    pub fn new(external: &BTreeMap<String, ExternalConfig>) -> Result<Self, PrepareJwksError> {
        let urls: HashMap<_, _> =
            external.values().map(|external| (external.issuer.clone(), external.jwks_url.clone())).collect();
        let client = if urls.is_empty() { None } else { Some(client(&urls).map_err(PrepareJwksError)?) };
        Ok(Self { client, urls })
    }

    async fn fetch(&self, issuer: &str) -> Result<Vec<u8>, FetchError> {
        let (Some(client), Some(url)) = (&self.client, self.urls.get(issuer)) else { return Err(FetchError::Unknown) };
        let media_types = "application/jwk-set+json, application/json";
        let mut response = client.get(url).header(ACCEPT, media_types).send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > JWKS_BYTES_MAX {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl FetchJwks for JwksOverHttp {
    fn fetch_jwks<'a>(&'a self, issuer: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchJwksError>> {
        Box::pin(async move { self.fetch(issuer).await.map_err(|error| FetchJwksError(Box::new(error))) })
    }
}

fn client(urls: &HashMap<String, String>) -> reqwest::Result<Client> {
    // The first to install one in this process wins, and they are all this one.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .timeout(FETCH_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .user_agent(concat!("backplane/", env!("CARGO_PKG_VERSION")));
    match urls.values().any(|url| url.starts_with("https:")) {
        true => builder.build(),
        // Nothing to trust, nothing to look for: a machine without certificates may have an issuer on itself.
        false => builder.tls_certs_only([]).build(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const ISSUER: &str = "http://127.0.0.1/";

    /// Answers one request with `answer` and what follows it, and fetches it.
    async fn fetch(answer: &str, body_bytes: usize) -> Result<Vec<u8>, FetchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("http://{}/jwks", listener.local_addr().expect("an address"));
        let external = ExternalConfig {
            issuer: ISSUER.into(),
            jwks_url: url,
            audiences: Vec::new(),
            algorithms: Vec::new(),
            unmarked_tokens: false,
            token_ttl_max: Duration::ZERO,
            rules: Vec::new(),
        };
        let jwks = JwksOverHttp::new(&BTreeMap::from([("company".to_owned(), external)])).expect("a client");
        let answer = [answer.as_bytes(), &vec![b'x'; body_bytes]].concat();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.expect("a request");
            // Whoever has seen enough goes away.
            let _gone = stream.write_all(&answer).await;
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let fetched = jwks.fetch(ISSUER).await;
        let request = server.await.expect("no panic");
        assert!(request.starts_with("GET /jwks HTTP/1.1\r\n"), "{request}");
        fetched
    }

    #[tokio::test]
    async fn fetches_a_key_set() {
        let body = fetch("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"keys\":[]}", 0).await.expect("fetched");
        assert_eq!(body, b"{\"keys\":[]}");
    }

    #[tokio::test]
    async fn follows_no_redirect() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(fetch(answer, 0).await, Err(FetchError::Status(StatusCode::FOUND))));
    }

    #[tokio::test]
    async fn stops_at_the_longest_key_set_also_where_the_length_was_not_announced() {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        assert_eq!(fetch(head, JWKS_BYTES_MAX).await.expect("fetched").len(), JWKS_BYTES_MAX);
        assert!(matches!(fetch(head, JWKS_BYTES_MAX + 1).await, Err(FetchError::TooLong)));
    }

    #[tokio::test]
    async fn asks_nobody_else() {
        let jwks = JwksOverHttp::new(&BTreeMap::new()).expect("nothing to prepare");
        assert!(matches!(jwks.fetch("https://id.example").await, Err(FetchError::Unknown)));
    }
}
