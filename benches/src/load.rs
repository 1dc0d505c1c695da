//! Load from outside the server's process: `h2load`, speaking HTTP/1.1, or gRPC over HTTP/2 with prior knowledge.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

/// How much to ask for.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// What to ask for.
    pub(crate) url: String,
    /// Connections, each with one request at a time.
    pub(crate) connections: usize,
    /// Requests per second of each connection; as fast as answers come when absent.
    pub(crate) rate: Option<usize>,
    /// For how long.
    pub(crate) duration: Duration,
    /// The caller's token; nobody in particular when absent.
    pub(crate) token: Option<String>,
}

/// How much to ask of one gRPC method.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    /// The method.
    pub(crate) url: String,
    /// Connections.
    pub(crate) connections: usize,
    /// Calls at a time on each of them.
    pub(crate) streams: usize,
    /// File with what is sent each time: a message in its frame.
    pub(crate) message: &'a Path,
    /// For how long.
    pub(crate) duration: Duration,
}

/// Load that is being applied.
pub(crate) struct Running {
    child: Child,
    log: NamedTempFile,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers of any kind.
    pub(crate) requests: usize,
    /// Answers other than 2xx, and requests without one.
    pub(crate) failed: usize,
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Bytes of the answers' bodies.
    pub(crate) body_bytes: usize,
    latencies_us: Vec<u64>,
}

/// Says what to install when the tool is missing.
pub(crate) fn require_tool() -> anyhow::Result<()> {
    let found = Command::new("h2load").arg("--version").stdout(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => bail!("h2load is missing: install nghttp2's tools, on Debian `apt-get install nghttp2-client`"),
    }
}

impl Load {
    /// Applies the load and waits for its end.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        self.start()?.finish()
    }

    /// Begins to apply the load.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        let mut command = h2load(self.connections, self.duration);
        command.arg("--h1");
        if let Some(rate) = self.rate {
            command.arg(format!("--rps={rate}"));
        }
        if let Some(token) = &self.token {
            command.arg(format!("--header=authorization: Bearer {token}"));
        }
        Running::start(command.arg(&self.url))
    }
}

impl Calls<'_> {
    /// Applies the load and waits for its end. Whether calls failed is in what was answered, and not in its status.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let mut command = h2load(self.connections, self.duration);
        command
            .arg(format!("--max-concurrent-streams={}", self.streams))
            .args(["--header=content-type: application/grpc", "--header=te: trailers"])
            .arg(format!("--data={}", self.message.display()));
        Running::start(command.arg(&self.url))?.finish()
    }
}

/// Makes a command that lacks what is asked for.
fn h2load(connections: usize, duration: Duration) -> Command {
    let mut command = Command::new("h2load");
    let duration = duration.as_secs().max(1);
    command.args(["--threads=1", &format!("--clients={connections}"), &format!("--duration={duration}")]);
    command
}

impl Running {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let log = NamedTempFile::new()?;
        command.arg(format!("--log-file={}", log.path().display()));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, log })
    }

    /// Waits for the end.
    pub(crate) fn finish(self) -> anyhow::Result<Outcome> {
        let output = self.child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let unanswered = unanswered(&text).with_context(|| format!("h2load said: {text}"))?;
        let log = fs::read_to_string(self.log.path())?;
        let body_bytes = body_bytes(&text).with_context(|| format!("h2load said: {text}"))?;
        let mut outcome =
            Outcome { requests: 0, failed: unanswered, per_second: 0.0, body_bytes, latencies_us: Vec::new() };
        let (mut first, mut last) = (u64::MAX, 0_u64);
        for line in log.lines() {
            // Start in microseconds, status, microseconds to the end.
            let fields: Vec<_> = line.split('\t').collect();
            let [start, status, latency] = fields[..] else { continue };
            let (start, latency): (u64, u64) = (start.parse()?, latency.parse()?);
            (first, last) = (first.min(start), last.max(start + latency));
            outcome.requests += 1;
            outcome.failed += usize::from(!status.starts_with('2'));
            outcome.latencies_us.push(latency);
        }
        outcome.per_second = outcome.requests as f64 / (last.saturating_sub(first) as f64 / 1e6);
        outcome.latencies_us.sort_unstable();
        Ok(outcome)
    }
}

impl Outcome {
    /// Returns the latency that `percent` of the requests did not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        let at = (self.latencies_us.len() as f64 * percent / 100.0) as usize;
        let at = at.min(self.latencies_us.len().saturating_sub(1));
        self.latencies_us.get(at).map_or(f64::NAN, |us| *us as f64 / 1000.0)
    }
}

/// Reads the requests that failed or timed out without an answer. Those in flight at the end do not count.
fn unanswered(text: &str) -> Option<usize> {
    let line = text.lines().find(|line| line.starts_with("requests:"))?;
    let count = |word: &str| {
        let part = line.split([',', ':']).find(|part| part.trim_end().ends_with(word))?;
        part.split_whitespace().next()?.parse::<usize>().ok()
    };
    Some(count("errored")? + count("timeout")?)
}

/// Reads how many bytes the bodies had: the number in the last brackets of its line.
fn body_bytes(text: &str) -> Option<usize> {
    let line = text.lines().find(|line| line.starts_with("traffic:"))?;
    let (_, number) = line.strip_suffix(") data")?.rsplit_once('(')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_h2load_says() {
        let text = "requests: 3189 total, 3193 started, 3189 done, 3186 succeeded, 3 failed, 2 errored, 1 timeout\n\
                    traffic: 213.23KB (218345) total, 103.28KB (105762) headers (space savings 77.59%), 21.80KB (22323) data\n";
        assert_eq!(unanswered(text), Some(3));
        assert_eq!(body_bytes(text), Some(22323));
        assert_eq!(body_bytes("traffic: none"), None);
    }
}
