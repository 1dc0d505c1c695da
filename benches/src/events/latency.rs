//! From the request that publishes an event to the commit of the handler that handled it, at shares of the rate that
//! was measured over HTTP.
//!
//! Requests begin at fixed times, whether or not the ones before were answered in time (an open loop). There are more
//! connections than publishers whose rate is taken for the measure: a request that waits for one of them waits for a
//! client, and not for the server. How many did all the same is printed.
//!
//! The handler writes one key for each event. Some of the events ask it to publish another one: that one is in the same
//! commit as the key, and a client who follows its topic hears of it after the commit. So what is measured is a little
//! more than what is asked: it has a second event and its way to a client in it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{task::LocalSet, time::sleep_until};

use super::{
    backplane::{Mode, publish_request, start},
    follower::Follower,
    load::payload,
};
use crate::{
    Options,
    caller::Caller,
    disk::Disk,
    program::{PATIENCE, now},
    report::{Beside, Bound, Report},
    server::Server,
};

/// Connections that requests are sent on in turn.
const CONNECTIONS: u32 = 256;
/// Events per second that are followed to their end, about.
const PROBES_PER_SECOND: f64 = 400.0;
/// Shares of the measured rate, in hundredths.
const SHARES: [u32; 3] = [10, 50, 90];
/// The one for which something is promised, and what.
const PROMISED: (u32, f64) = (50, 20.0);
/// Keys of the events.
const KEYS: u64 = 1000;
/// What the handler subscribes to, and what it publishes.
pub(super) const WORK: &str = "bench.work";
const HANDLED: &str = "bench.handled";

/// Probes that are on their way, by their numbers, and the times of those that came back.
#[derive(Debug, Default)]
struct Probes {
    began: BTreeMap<u64, Instant>,
    latencies_ms: Vec<f64>,
    /// How long each request that publishes one took.
    acknowledged_ms: Vec<f64>,
    /// Those whose request was due while the one before it on its connection was not answered.
    delayed: u64,
}

type Shared = Arc<Mutex<Probes>>;

/// Measures all shares, with fresh instances and with reused ones.
pub(super) fn run(options: &Options, disk: &Disk, rate: f64, report: &mut Report) -> anyhow::Result<()> {
    for mode in Mode::ALL {
        disk.settle()?;
        let server = start(options, disk, mode)?;
        for share in SHARES {
            let name = format!("published to handled, {}, at {share} %", mode.name());
            let bound = (share == PROMISED.0).then_some(Bound::AtMost(PROMISED.1));
            measure(options, &server, rate * f64::from(share) / 100.0)?.add_to(report, &name, bound);
        }
    }
    Ok(())
}

/// Measures one rate, with fresh instances and with reused ones.
pub(super) fn run_at(options: &Options, disk: &Disk, rate: u32, report: &mut Report) -> anyhow::Result<()> {
    for mode in Mode::ALL {
        disk.settle()?;
        let server = start(options, disk, mode)?;
        let name = format!("published to handled, {}, at {rate}/s", mode.name());
        measure(options, &server, f64::from(rate))?.add_to(report, &name, None);
    }
    Ok(())
}

/// What became of the events of all rounds at one rate.
struct Outcome {
    /// Of the probes that came back, in their order.
    latencies_ms: Vec<f64>,
    /// Of the requests that published them.
    acknowledged_ms: Vec<f64>,
    not_back: usize,
    /// Of 100 requests, how many were due while the one before on their connection was not answered.
    delayed_percent: f64,
    published_per_second: f64,
    cpu_us_per_event: f64,
}

impl Outcome {
    fn add_to(&self, report: &mut Report, name: &str, bound: Option<Bound>) {
        let beside = vec![
            Beside::new("published", self.published_per_second, "1/s"),
            Beside::new("server's CPU", self.cpu_us_per_event, "us an event"),
            Beside::new("probes", self.latencies_ms.len() as f64, ""),
            Beside::new("not back", self.not_back as f64, ""),
            Beside::new("waited for a connection", self.delayed_percent, "%"),
            Beside::new("acknowledged p50", percentile(&self.acknowledged_ms, 50), "ms"),
            Beside::new("p99", percentile(&self.acknowledged_ms, 99), "ms"),
        ];
        report.add_beside("events", format!("{name}: p50"), (percentile(&self.latencies_ms, 50), "ms"), beside);
        let p99 = (percentile(&self.latencies_ms, 99), "ms");
        match bound {
            Some(bound) => report.add_bound("events", format!("{name}: p99"), p99, bound),
            None => report.add("events", format!("{name}: p99"), p99.0, p99.1),
        }
    }
}

/// Publishes at a rate, a few times.
fn measure(options: &Options, server: &Server, per_second: f64) -> anyhow::Result<Outcome> {
    let (rounds, duration) = if options.quick { (1, 2) } else { (3, 8) };
    let duration = Duration::from_secs(duration);
    // To warm up.
    measure_once(server, per_second, duration)?;
    let (mut latencies_ms, mut acknowledged_ms) = (Vec::new(), Vec::new());
    let (mut not_back, mut delayed, mut published) = (0, 0, 0);
    let cpu = server.program.cpu_seconds()?;
    for _ in 0..rounds {
        let (probes, count) = measure_once(server, per_second, duration)?;
        latencies_ms.extend(probes.latencies_ms);
        acknowledged_ms.extend(probes.acknowledged_ms);
        not_back += probes.began.len();
        delayed += probes.delayed;
        published += count;
    }
    let cpu_us_per_event = (server.program.cpu_seconds()? - cpu) * 1e6 / published as f64;
    latencies_ms.sort_by(f64::total_cmp);
    acknowledged_ms.sort_by(f64::total_cmp);
    let published_per_second = published as f64 / (duration.as_secs_f64() * f64::from(rounds));
    let delayed_percent = delayed as f64 * 100.0 / acknowledged_ms.len().max(1) as f64;
    Ok(Outcome { latencies_ms, acknowledged_ms, not_back, delayed_percent, published_per_second, cpu_us_per_event })
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Publishes at a rate, and returns the probes and how many events were published in fact.
fn measure_once(server: &Server, per_second: f64, duration: Duration) -> anyhow::Result<(Probes, u64)> {
    let probes = Shared::default();
    let heard = Arc::clone(&probes);
    let follower = Follower::start(server, HANDLED, move |event, at| {
        let Some(number) = event.pointer("/data/number").and_then(Value::as_u64) else { return };
        let mut probes = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(began) = probes.began.remove(&number) {
            probes.latencies_ms.push((at - began).as_secs_f64() * 1000.0);
        }
    })?;
    let published = publish(server, per_second, duration, &probes)?;
    let ended = now();
    // Whoever is behind gets some time: what comes late counts as late.
    while !probes.lock().unwrap_or_else(PoisonError::into_inner).began.is_empty() && ended.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(follower);
    let probes = std::mem::take(&mut *probes.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((probes, published))
}

fn publish(server: &Server, per_second: f64, duration: Duration, probes: &Shared) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = server.token()?.to_owned();
    LocalSet::new().block_on(&runtime, async {
        let mut callers = Vec::new();
        for _ in 0..CONNECTIONS {
            callers.push(Caller::open(server.program.address()).await?);
        }
        // Now that all are connected: nobody is late because of that.
        let plan = Rc::new(Plan {
            token,
            probe_every: (per_second / PROBES_PER_SECOND).max(1.0) as u64,
            begin: now() + Duration::from_millis(50),
            duration,
            interval: Duration::from_secs_f64(f64::from(CONNECTIONS) / per_second),
            next: Cell::new(0),
        });
        let mut publishers = Vec::new();
        for (number, caller) in (0..).zip(callers) {
            let phase = plan.interval * number / CONNECTIONS;
            publishers.push(tokio::task::spawn_local(follow(Rc::clone(&plan), caller, phase, Arc::clone(probes))));
        }
        let mut published = 0;
        for publisher in publishers {
            published += publisher.await??;
        }
        Ok(published)
    })
}

/// When to publish what.
struct Plan {
    token: String,
    /// One of so many events is a probe.
    probe_every: u64,
    begin: Instant,
    duration: Duration,
    /// Between two requests of one connection.
    interval: Duration,
    /// The next event's number.
    next: Cell<u64>,
}

impl Plan {
    /// Makes the next event, and returns its number if it is a probe.
    fn next_request(&self) -> (Vec<u8>, Option<u64>) {
        let number = self.next.replace(self.next.get() + 1);
        let is_probe = number.is_multiple_of(self.probe_every);
        let payload = payload(&format!("\"number\":{number},\"probe\":{is_probe},"));
        // Neighbours have different keys, and with them different lanes.
        let target = format!("{WORK}?key=key-{}", number % KEYS);
        (publish_request(&self.token, &target, &payload), is_probe.then_some(number))
    }
}

async fn follow(plan: Rc<Plan>, mut caller: Caller, phase: Duration, probes: Shared) -> anyhow::Result<u64> {
    let (mut due, mut published) = (plan.begin + phase, 0);
    while due < plan.begin + plan.duration {
        let is_late = now() > due;
        sleep_until(due.into()).await;
        let (request, probe) = plan.next_request();
        // A request that waited for its connection began when it was due; the timer's own delay is nobody's.
        let began = if is_late { due } else { now() };
        if let Some(number) = probe {
            let mut probes = probes.lock().unwrap_or_else(PoisonError::into_inner);
            probes.began.insert(number, began);
            probes.delayed += u64::from(is_late);
        }
        let status = caller.ask(&request).await?;
        anyhow::ensure!(status == 202, "an event was answered {status}");
        if probe.is_some() {
            let took_ms = (now() - began).as_secs_f64() * 1000.0;
            probes.lock().unwrap_or_else(PoisonError::into_inner).acknowledged_ms.push(took_ms);
        }
        published += 1;
        due += plan.interval;
    }
    Ok(published)
}
