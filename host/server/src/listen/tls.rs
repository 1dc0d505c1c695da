//! TLS of the listener: HTTP/2 where the client offers it (ALPN, RFC 7301), else HTTP/1.1; TLS 1.3 and 1.2.
//!
//! The files of certificate and key are looked at now and then, and read anew when they have changed, so that a renewed
//! certificate needs no restart. One that cannot be used changes nothing, and is told in the log.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    fs,
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Protocols that are offered, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// HTTP/2 as ALPN calls it (RFC 9113, section 3.2).
const HTTP2: &[u8] = b"h2";
/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The files of a certificate: PEM, the chain with the server's own first, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The two do not fit, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// TLS as the listener speaks it.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Current>,
    files: CertificateFiles,
    /// When they had changed last, a moment before they were read.
    seen: [Option<SystemTime>; 2],
}

/// The certificate that the next client gets.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read, or the two are no certificate with its key.
    pub async fn load(files: CertificateFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let seen = times_of(&files).await;
        let certificate = Arc::new(Current(ArcSwap::new(read(&files, &provider).await?)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&certificate));
        config.alpn_protocols = PROTOCOLS.map(Vec::from).into();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, files, seen })
    }

    /// Makes a connection of a stream, if the client does its part in time.
    pub(super) async fn accept<I>(&self, stream: I, time_max: Duration) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        timeout(time_max, self.acceptor.accept(stream)).await?
    }

    /// Follows the files for as long as it is polled.
    pub async fn follow(self) {
        let Self { certificate, files, mut seen, .. } = self;
        let provider = ring::default_provider();
        loop {
            sleep(LOOK_INTERVAL).await;
            let times = times_of(&files).await;
            if times == seen {
                continue;
            }
            seen = times;
            match read(&files, &provider).await {
                Ok(read) => {
                    certificate.0.store(read);
                    tracing::info!(certificate = %files.certificate.display(), "took the new certificate");
                }
                // The two files are not replaced at once: what does not fit yet is looked at again when the other comes.
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the certificate has changed and cannot be used: the one before goes on"
                ),
            }
        }
    }
}

/// Returns whether HTTP/2 was agreed on.
pub(super) fn speaks_http2<I>(stream: &TlsStream<I>) -> bool {
    let (_, connection) = stream.get_ref();
    connection.alpn_protocol() == Some(HTTP2)
}

async fn times_of(files: &CertificateFiles) -> [Option<SystemTime>; 2] {
    [time_of(&files.certificate).await, time_of(&files.key).await]
}

async fn time_of(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).await.and_then(|metadata| metadata.modified()).ok()
}

async fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let CertificateFiles { certificate, key } = files;
    let pem_error = |path: &Path, what| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, what, source }
    };
    let text = read_file(certificate).await?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(pem_error(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(pem_error(certificate, "certificate")(pem::Error::NoItemsFound));
    }
    let text = read_file(key).await?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(pem_error(key, "private key"))?;
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(TlsError::Unusable)
}

async fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).await.map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
