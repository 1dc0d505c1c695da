//! `[http]`: connections, requests and how they end.

use std::time::Duration;

use super::{reader::Reader, value::Size};
use crate::listen::CertificateFiles;

/// Bounds of the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// With which certificate the listener speaks TLS. Default none: no TLS.
    pub tls: Option<CertificateFiles>,
    /// From accepting a connection to its first byte. Default 10 s.
    pub first_byte_timeout: Duration,
    /// From the end of one request to the end of the next one's headers; an idle HTTP/1.1 connection is closed after
    /// it. Default 10 s.
    pub header_timeout: Duration,
    /// From the headers of a request to the end of its body. Default 30 s.
    pub body_timeout: Duration,
    /// Open connections. Default 4,096.
    pub connections_max: u32,
    /// Open connections from one address. Default 1,024.
    pub connections_per_address_max: u32,
    /// Bytes of answers that their clients have not taken. Default 1 GiB.
    pub answers_bytes_max: usize,
    /// Those to one address. Default 256 MiB.
    pub answers_per_address_bytes_max: usize,
    /// Age at which a connection is closed after its current request, so that clients spread over new instances.
    /// Default 1 h.
    pub connection_age_max: Duration,
    /// Request line and headers of one request. Default 64 KiB.
    pub header_bytes_max: usize,
    /// Headers of one HTTP/1.1 request. Default 100.
    pub headers_max: u32,
    /// Requests at the same time on one HTTP/2 connection. Default 128.
    pub streams_max: u32,
    /// Longest body of a route that asks for nothing. Default 1 MiB.
    pub body_bytes: usize,
    /// Longest body that a route may ask for. Default 16 MiB.
    pub body_bytes_max: usize,
    /// From the signal to stop to refusing connections, for a load balancer to notice. Default none.
    pub drain_delay: Duration,
    /// From refusing connections to cutting those that still answer. Default 25 s.
    pub drain_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            tls: None,
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            connections_max: 4096,
            connections_per_address_max: 1024,
            answers_bytes_max: 1 << 30,
            answers_per_address_bytes_max: 256 << 20,
            connection_age_max: Duration::from_secs(60 * 60),
            header_bytes_max: 64 << 10,
            headers_max: 100,
            streams_max: 128,
            body_bytes: 1 << 20,
            body_bytes_max: 16 << 20,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl HttpConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let moment = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
        let pause = Duration::ZERO..=Duration::from_secs(60 * 60);
        let any_size = Size(0)..=Size::mib(1024);
        let any_total = Size::mib(1)..=Size::mib(1 << 20);
        let mut http = reader.section("http");
        let tls = match (http.optional("tls_certificate"), http.optional("tls_key")) {
            (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                http.refuse("tls_certificate", "needs its private key: write tls_key, too".into());
                None
            }
            (None, Some(_)) => {
                http.refuse("tls_key", "needs its certificate: write tls_certificate, too".into());
                None
            }
        };
        let config = Self {
            tls,
            first_byte_timeout: http.within("first_byte_timeout", default.first_byte_timeout, moment.clone()),
            header_timeout: http.within("header_timeout", default.header_timeout, moment.clone()),
            body_timeout: http.within("body_timeout", default.body_timeout, moment),
            connections_max: http.within("connections_max", default.connections_max, 1..=1_000_000),
            connections_per_address_max: http.within(
                "connections_per_address_max",
                default.connections_per_address_max,
                1..=1_000_000,
            ),
            answers_bytes_max: http
                .within("answers_bytes_max", Size::of(default.answers_bytes_max), any_total.clone())
                .bytes(),
            answers_per_address_bytes_max: http
                .within("answers_per_address_bytes_max", Size::of(default.answers_per_address_bytes_max), any_total)
                .bytes(),
            connection_age_max: http.within(
                "connection_age_max",
                default.connection_age_max,
                Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 60 * 60),
            ),
            header_bytes_max: http
                .within("header_bytes_max", Size::of(default.header_bytes_max), Size(8 << 10)..=Size::mib(1))
                .bytes(),
            headers_max: http.within("headers_max", default.headers_max, 10..=1000),
            streams_max: http.within("streams_max", default.streams_max, 1..=10_000),
            body_bytes: http.within("body_bytes", Size::of(default.body_bytes), any_size.clone()).bytes(),
            body_bytes_max: http.within("body_bytes_max", Size::of(default.body_bytes_max), any_size).bytes(),
            drain_delay: http.within("drain_delay", default.drain_delay, pause.clone()),
            drain_timeout: http.within("drain_timeout", default.drain_timeout, pause),
        };
        let [body, body_max] = [config.body_bytes, config.body_bytes_max].map(Size::of);
        http.at_most("body_bytes", &body, "body_bytes_max", &body_max);
        http.close();
        config
    }
}
