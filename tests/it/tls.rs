//! TLS on the listener: both protocols, a certificate that is renewed, and what cannot be one.

use std::{fs, net::SocketAddr, path::PathBuf};

use reqwest::{
    Certificate, Version,
    blocking::{Client, ClientBuilder, Response},
};
use tempfile::TempDir;

use crate::harness::{Server, Setup, wait_until};

/// What a health check answers for a server that serves: a flag, the length, and `SERVING` in its field.
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 8, 1];

/// A certificate and its key, in files.
struct Files {
    folder: TempDir,
    certificate: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let mut files = Self { folder, certificate: String::new(), key: String::new() };
        files.renew();
        files
    }

    /// Writes another certificate into the files.
    fn renew(&mut self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name is all it needs");
        (self.certificate, self.key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(self.path("key.pem"), &self.key).expect("the folder takes files");
        fs::write(self.path("cert.pem"), &self.certificate).expect("the folder takes files");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn setup(&self) -> Setup {
        let [certificate, key] = [self.path("cert.pem"), self.path("key.pem")];
        Setup::new().plugins(&["hello"]).config(&format!(
            "[http]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
            certificate.display(),
            key.display()
        ))
    }

    /// Makes a client that trusts this certificate alone.
    fn client(&self, server: &Server) -> ClientBuilder {
        let address: SocketAddr = server.address().parse().expect("an address");
        let trusted = Certificate::from_pem(self.certificate.as_bytes()).expect("a certificate");
        Client::builder().tls_certs_only([trusted]).resolve("localhost", address).no_proxy()
    }
}

fn url(server: &Server, path: &str) -> String {
    let (_, port) = server.address().rsplit_once(':').expect("an address has a port");
    format!("https://localhost:{port}{path}")
}

fn ask(client: &Client, server: &Server) -> reqwest::Result<Response> {
    client.get(url(server, "/hello/Ada")).send()
}

fn is_answered(client: &Client, server: &Server) -> bool {
    ask(client, server).is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn both_protocols_and_grpc_go_over_tls() {
    let files = Files::new();
    let server = files.setup().spawn();
    let client = files.client(&server).build().expect("a client");
    // The plugin answers a moment before the server says so, and its gRPC health with it.
    let is_ready = || client.get(url(&server, "/readyz")).send().is_ok_and(|answer| answer.status() == 200);
    wait_until("the server to be ready", is_ready);
    let versions = [files.client(&server), files.client(&server).http1_only()].map(|client| {
        let client = client.build().expect("a client");
        ask(&client, &server).expect("an answer").version()
    });
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11]);
    let check = client.post(url(&server, "/grpc.health.v1.Health/Check")).body(vec![0_u8; 5]);
    let check = check.header("content-type", "application/grpc").header("te", "trailers");
    let answer = check.send().expect("an answer");
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.bytes().expect("a message").as_ref(), SERVING);
    // Who does not speak TLS is not answered, and hurts nobody.
    assert!(server.try_get("/hello/Ada").is_none());
    assert!(is_answered(&client, &server));
}

#[test]
fn a_renewed_certificate_is_taken_without_a_restart() {
    let mut files = Files::new();
    let server = files.setup().spawn();
    let before = files.client(&server).build().expect("a client");
    wait_until("the plugin to answer", || is_answered(&before, &server));
    // What is no certificate changes nothing.
    fs::write(files.path("cert.pem"), "in the middle of being written").expect("the folder takes files");
    wait_until("the server to look", || server.log().iter().any(|line| line.contains("the one before goes on")));
    assert!(is_answered(&files.client(&server).build().expect("a client"), &server));
    files.renew();
    let after = files.client(&server).build().expect("a client");
    wait_until("the new certificate", || is_answered(&after, &server));
    // A connection that is open goes on.
    assert!(is_answered(&before, &server));
}

#[test]
fn what_is_no_certificate_with_its_key_is_refused_at_the_start() {
    let files = Files::new();
    let other = Files::new();
    fs::copy(other.path("key.pem"), files.path("key.pem")).expect("the files are there");
    let said = files.setup().refusal();
    assert!(said.contains("failed to set up TLS with http.tls_certificate and http.tls_key"), "{said}");
    fs::write(files.path("key.pem"), &files.certificate).expect("the folder takes files");
    let said = files.setup().refusal();
    assert!(said.contains("key.pem holds no private key in PEM"), "{said}");
    assert!(!said.contains("BEGIN"), "{said}");
    let said = Setup::new().config("[http]\ntls_certificate = \"cert.pem\"\n").refusal();
    assert!(said.contains("http.tls_certificate: needs its private key: write tls_key, too"), "{said}");
}
