//! Durable events per second, beside brokers and a database on the same disk; the time until an event is handled; how
//! fast a subscriber catches up.
//!
//! An event counts when it was acknowledged, and it is acknowledged after it was waited for on the disk: by this server
//! for the whole batch of its writer, by each peer as its own settings say that it must. All get the same payloads from
//! as many clients, in turns, on one file system. At the end what was confirmed must be found in what is stored: a
//! program that loses an event fails the benchmark.

mod backplane;
mod catch_up;
mod follower;
mod latency;
mod load;
mod nats;
mod peer;
mod postgres;
mod publish;
mod queue;
mod redis;
mod subject;

use self::subject::Subject;
use crate::{Options, disk::Disk, report::Report};

/// Runs everything.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let disk = Disk::at(&options.scratch, options.quick)?;
    if let Some(rate) = options.events_rate {
        return latency::run_at(options, &disk, rate, report);
    }
    queue::run(options, report)?;
    let mut subjects = Subject::start_all(options, &disk)?;
    let rate = publish::run(options, &disk, &mut subjects, report)?;
    catch_up::run(options, &disk, &subjects, report)?;
    for subject in subjects {
        subject.finish()?;
    }
    latency::run(options, &disk, rate, report)
}
