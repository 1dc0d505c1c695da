//! What a request pays to be known: `cargo bench -p backplane-auth`.
//!
//! Prints the median time of a remembered credential and of one that is verified anew. It measures one thread; what
//! several threads cost each other is the load benchmark's.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use backplane_auth::{
    ACCESS_TOKEN_LIFETIME, AccessGrant, Authenticator, AuthenticatorParts, BoxFuture, ExposeSecret as _, FetchJwks,
    FetchJwksError, FindApiKey, FindApiKeyError, KeyChange, KeyRing, MasterKey, Names, Provider, Revocations,
    RotationPolicy, StoredApiKey, SystemRandom, TokenIssuer, TokenNames, UnixMs,
};

const ISSUER: &str = "https://host.example";
const AUDIENCE: &str = "backplane";
const NOW: UnixMs = UnixMs(1_700_000_000_000);
const SAMPLES: usize = 2_000;

/// Behind every port: nothing.
struct Nothing;

impl FindApiKey for Nothing {
    fn note_used(&self, _id: &str, _at: UnixMs) {}

    fn find_api_key<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StoredApiKey>, FindApiKeyError>> {
        Box::pin(async { Ok(None) })
    }
}

impl FetchJwks for Nothing {
    fn fetch_jwks<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchJwksError>> {
        Box::pin(async { Err(FetchJwksError("nobody there".into())) })
    }
}

struct Bench {
    authenticator: Authenticator,
    issuer: TokenIssuer,
}

fn bench() -> Bench {
    let (proof, random) = (Provider::install().expect("installs"), SystemRandom::new());
    let master = MasterKey::from_base64(&"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()).expect("a key");
    let ring = Arc::new(KeyRing::new(proof, master, RotationPolicy::default(), random.clone()));
    let changes = ring.plan_rotation(&[], NOW).expect("a plan");
    let rows = changes.into_iter().filter_map(|change| match change {
        KeyChange::Insert(row) => Some(row),
        KeyChange::Move { .. } | KeyChange::Delete { .. } => None,
    });
    ring.publish(&rows.collect::<Vec<_>>()).expect("opens");
    let revocations = Arc::new(Revocations::new(Duration::from_hours(24)));
    let names = TokenNames { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() };
    let issuer =
        TokenIssuer::new(Arc::clone(&ring), Arc::clone(&revocations), random, names.clone(), ACCESS_TOKEN_LIFETIME);
    let parts = AuthenticatorParts {
        ring,
        names,
        external: Vec::new(),
        fetch_jwks: Arc::new(Nothing),
        find_api_key: Arc::new(Nothing),
        revocations,
    };
    Bench { authenticator: Authenticator::new(proof, parts), issuer }
}

impl Bench {
    fn header(&self) -> String {
        let grant = AccessGrant {
            subject: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            session: "0123456789abcdefghijkl".into(),
            client_id: "console".into(),
            roles: Names::new(["clerk", "admin"]).expect("names"),
            scopes: Names::new(["orders:read", "orders:write"]).expect("names"),
        };
        format!("Bearer {}", self.issuer.issue(&grant, NOW).expect("a token").token.expose_secret())
    }

    async fn authenticate(&self, header: &str) {
        black_box(self.authenticator.authenticate(black_box(header.as_bytes()), NOW).await.expect("believed"));
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock that cannot be moved")]
fn clock() -> Instant {
    Instant::now()
}

fn print_median(what: &str, mut samples: Vec<Duration>) {
    samples.sort_unstable();
    let median = samples.get(samples.len() / 2).copied().unwrap_or_default();
    println!("{what:<28} {:>8.2} us", median.as_secs_f64() * 1e6);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    /// Calls in one sample, so that reading the clock weighs nothing.
    const CALLS: u32 = 100;

    let bench = bench();
    let known = bench.header();
    println!("token of {} bytes", known.len() - "Bearer ".len());
    bench.authenticate(&known).await;
    let mut remembered = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begin = clock();
        for _ in 0..CALLS {
            bench.authenticate(&known).await;
        }
        remembered.push(begin.elapsed() / CALLS);
    }
    print_median("remembered token", remembered);

    let mut anew = Vec::with_capacity(SAMPLES);
    let mut issued = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begin = clock();
        let header = bench.header();
        issued.push(begin.elapsed());
        let begin = clock();
        bench.authenticate(&header).await;
        anew.push(begin.elapsed());
    }
    print_median("token verified anew", anew);
    print_median("token issued", issued);
}
