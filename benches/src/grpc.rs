//! Unary gRPC calls per second, their latency and CPU: a plugin beside a service that tonic serves by itself.
//!
//! Both answer what they are sent. The peer is what somebody would write instead: it knows no callers, no limits and no
//! log. A service of the host's own shows how much of the difference is the host's, and how much the plugin's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use backplane_bench::probe::{EchoRequest, EchoResponse};
use prost::Message;

use crate::{
    Options,
    load::Calls,
    program::Program,
    report::{Bound, Report, median},
    server::Server,
};

const GUEST: &str = "grpc-probe.wasm";
const ECHO: &str = "/probe.v1.Probe/Echo";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// How calls are spread: connections, and calls at a time on each. Some callers keep one for each call, most do not.
const SHAPES: [(usize, usize); 2] = [(32, 1), (4, 8)];

/// Bytes before each message: a flag and its length.
const FRAME_BYTES: usize = 5;

/// What is called.
struct Subject<'a> {
    name: &'static str,
    /// The share of native that is promised.
    promised: Option<f64>,
    program: &'a Program,
    path: &'static str,
    exchange: &'a Exchange,
}

/// What is sent each time, and how much is answered.
struct Exchange {
    file: PathBuf,
    answer_bytes: usize,
}

/// What one look at one subject gave.
struct Sample {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
}

/// Measures all of them in turns, so that a slow minute of the machine meets all.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let native = start_native(folder.path())?;
    let guest = options.guests.join(GUEST);
    let start = |config: &str| Server::start_with(&options.server, &[&guest], config, tempfile::tempdir()?);
    let fresh = start("[plugin.grpc-probe]\ninstance = \"fresh\"\n")?;
    let reused = start("")?;
    let (echo, health) = (Exchange::echo(folder.path())?, Exchange::health(folder.path())?);
    let echo_of = |name, promised, program| Subject { name, promised, program, path: ECHO, exchange: &echo };
    let subjects = [
        echo_of("native tonic", None, &native),
        echo_of("plugin, fresh", Some(0.45), &fresh.program),
        echo_of("plugin, reused", Some(0.75), &reused.program),
        Subject { name: "host's health", promised: None, program: &reused.program, path: HEALTH, exchange: &health },
    ];
    for shape in SHAPES {
        let samples = measure(options, &subjects, shape)?;
        print(&subjects, &samples, shape, report);
    }
    Ok(())
}

fn measure(options: &Options, subjects: &[Subject<'_>], shape: (usize, usize)) -> anyhow::Result<Vec<Vec<Sample>>> {
    let (rounds, seconds) = if options.quick { (3, 2) } else { (7, 4) };
    let mut samples: Vec<_> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            let sample = subject.measure(shape, Duration::from_secs(seconds))?;
            // The first round warms up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

fn print(
    subjects: &[Subject<'_>],
    samples: &[Vec<Sample>],
    (connections, streams): (usize, usize),
    report: &mut Report,
) {
    let shape = format!("{connections} x {streams}");
    for (subject, own) in subjects.iter().zip(samples) {
        let name = |figure: &str| format!("{shape}, {}: {figure}", subject.name);
        let of = |figure: fn(&Sample) -> f64| median(own.iter().map(figure).collect());
        report.add("grpc", name("calls"), of(|sample| sample.per_second), "1/s");
        report.add("grpc", name("p50"), of(|sample| sample.p50_ms), "ms");
        report.add("grpc", name("p99"), of(|sample| sample.p99_ms), "ms");
        report.add("grpc", name("CPU per call"), of(|sample| sample.cpu_us), "us");
        if let (Some(promised), Some(native)) = (subject.promised, samples.first()) {
            let ratios = own.iter().zip(native).map(|(own, native)| own.per_second / native.per_second);
            let ratio = (median(ratios.collect()), "x");
            report.add_bound("grpc", name("ratio to native"), ratio, Bound::AtLeast(promised));
        }
    }
}

/// Starts the peer. Cargo puts the package's programs beside one another.
fn start_native(folder: &Path) -> anyhow::Result<Program> {
    let program = env::current_exe()?.with_file_name("bench-tonic");
    Program::start(&mut Command::new(program), &folder.join("log"))
}

impl Subject<'_> {
    /// Calls for as long as `duration`.
    fn measure(&self, (connections, streams): (usize, usize), duration: Duration) -> anyhow::Result<Sample> {
        let before = self.program.cpu_seconds()?;
        let (url, message) = (self.program.url(self.path), self.exchange.file.as_path());
        let outcome = Calls { url, connections, streams, message, duration }.run()?;
        let cpu_seconds = self.program.cpu_seconds()? - before;
        ensure!(outcome.failed == 0, "{}: {} of {} calls failed", self.name, outcome.failed, outcome.requests);
        self.exchange.check(outcome.requests, connections * streams, outcome.body_bytes).context(self.name)?;
        Ok(Sample {
            per_second: outcome.per_second,
            p50_ms: outcome.percentile_ms(50.0),
            p99_ms: outcome.percentile_ms(99.0),
            cpu_us: cpu_seconds * 1e6 / outcome.requests as f64,
        })
    }
}

impl Exchange {
    /// A message as an ordinary service has it, and the same back.
    fn echo(folder: &Path) -> anyhow::Result<Self> {
        let (payload, text) = (vec![7; 100], "an ordinary message".to_owned());
        let request = EchoRequest { payload: payload.clone(), text: text.clone() };
        let answer = EchoResponse { payload, text, metadata: Vec::new() };
        Self::new(folder.join("echo"), &request.encode_to_vec(), answer.encoded_len())
    }

    /// Asks for the server as a whole, and is told one small number.
    fn health(folder: &Path) -> anyhow::Result<Self> {
        Self::new(folder.join("health"), &[], 2)
    }

    fn new(file: PathBuf, message: &[u8], answer_bytes: usize) -> anyhow::Result<Self> {
        let length = u32::try_from(message.len())?.to_be_bytes();
        fs::write(&file, [&[0], length.as_slice(), message].concat())?;
        Ok(Self { file, answer_bytes: FRAME_BYTES + answer_bytes })
    }

    /// Checks that each call was answered with a message. One that failed has 200 as well, and a body without bytes.
    fn check(&self, calls: usize, in_flight: usize, body_bytes: usize) -> anyhow::Result<()> {
        // At the end some calls are cut off, with or without their answers.
        let possible = calls * self.answer_bytes..=(calls + in_flight) * self.answer_bytes;
        ensure!(calls > 0 && possible.contains(&body_bytes), "{calls} calls were answered with {body_bytes} bytes");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_answered_with_a_status_alone_is_found() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let health = Exchange::health(folder.path()).expect("the folder takes files");
        health.check(10, 4, 70).expect("all were answered");
        health.check(10, 4, 84).expect("those in flight at the end, too");
        health.check(10, 4, 63).expect_err("one failed");
        health.check(10, 4, 700).expect_err("something else was answered");
        health.check(0, 4, 0).expect_err("nothing was answered");
    }

    #[test]
    fn what_is_sent_is_a_message_in_its_frame() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let echo = Exchange::echo(folder.path()).expect("the folder takes files");
        let sent = fs::read(&echo.file).expect("it was written");
        let (head, message) = sent.split_at(FRAME_BYTES);
        assert_eq!(head, [0, 0, 0, 0, u8::try_from(message.len()).expect("a short message")]);
        assert_eq!(EchoRequest::decode(message).expect("a message").text, "an ordinary message");
        assert_eq!(sent.len(), echo.answer_bytes);
    }
}
