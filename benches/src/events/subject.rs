//! What is published to: this server in two ways, and what others would take instead.

use anyhow::ensure;

use super::{
    backplane::{Backplane, Way},
    load::{Load, Outcome},
    nats::Nats,
    postgres::Postgres,
    redis::Redis,
};
use crate::{Options, disk::Disk};

/// What a subject stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What promises are made of.
    Http,
    /// The same from inside.
    Handler,
    /// NATS JetStream.
    Nats,
    /// Redis Streams.
    Redis,
    /// A table in PostgreSQL.
    Postgres,
}

impl Role {
    /// Returns its name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Handler => "handler",
            Self::Nats => "NATS JetStream",
            Self::Redis => "Redis Streams",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Something that events are published to.
#[derive(Debug)]
pub(super) struct Subject {
    role: Role,
    kind: Kind,
    confirmed: u64,
    failed: u64,
}

#[derive(Debug)]
enum Kind {
    Backplane(Backplane),
    Nats(Nats),
    Redis(Redis),
    Postgres(Postgres),
}

impl Subject {
    /// Starts all that are installed and asked for, each in a folder of its own on the measured disk.
    pub(super) fn start_all(options: &Options, disk: &Disk) -> anyhow::Result<Vec<Self>> {
        let mut subjects = vec![
            Self::new(Role::Http, Kind::Backplane(Backplane::start(options, disk, Way::Http)?)),
            Self::new(Role::Handler, Kind::Backplane(Backplane::start(options, disk, Way::Handler)?)),
        ];
        if options.alone {
            return Ok(subjects);
        }
        subjects.extend(Nats::start(disk)?.map(|nats| Self::new(Role::Nats, Kind::Nats(nats))));
        subjects.extend(Redis::start(disk)?.map(|redis| Self::new(Role::Redis, Kind::Redis(redis))));
        subjects.extend(Postgres::start(disk)?.map(|postgres| Self::new(Role::Postgres, Kind::Postgres(postgres))));
        Ok(subjects)
    }

    fn new(role: Role, kind: Kind) -> Self {
        Self { role, kind, confirmed: 0, failed: 0 }
    }

    /// Returns what it stands for.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Returns the database, of the queue in one.
    pub(super) fn postgres(&self) -> Option<&Postgres> {
        match &self.kind {
            Kind::Postgres(postgres) => Some(postgres),
            _ => None,
        }
    }

    /// Applies a load. What a peer stores is counted and deleted after each.
    pub(super) fn measure(&mut self, load: &Load) -> anyhow::Result<Outcome> {
        let (outcome, stored) = match &self.kind {
            Kind::Backplane(backplane) => (backplane.measure(load)?, None),
            Kind::Nats(nats) => (nats.measure(load)?, Some(nats.drain()?)),
            Kind::Redis(redis) => (redis.measure(load)?, Some(redis.drain()?)),
            Kind::Postgres(postgres) => (postgres.measure(load)?, Some(postgres.drain()?)),
        };
        match stored {
            Some(stored) => check(self.role, stored, outcome.confirmed, outcome.failed)?,
            None => {
                self.confirmed += outcome.confirmed;
                self.failed += outcome.failed;
            }
        }
        Ok(outcome)
    }

    /// Stops it, and compares what was confirmed with what is in the log.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Backplane(backplane) => check(self.role, backplane.stop_and_count()?, self.confirmed, self.failed),
            Kind::Nats(_) | Kind::Redis(_) | Kind::Postgres(_) => Ok(()),
        }
    }
}

fn check(role: Role, stored: u64, confirmed: u64, failed: u64) -> anyhow::Result<()> {
    // What failed may have happened all the same.
    let possible = confirmed..=confirmed + failed;
    ensure!(possible.contains(&stored), "{} stored {stored} events, and confirmed {possible:?}", role.name());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_was_confirmed_and_is_not_stored_is_found() {
        check(Role::Nats, 10, 10, 0).expect("all are there");
        check(Role::Nats, 12, 10, 2).expect("those that failed may be there");
        check(Role::Nats, 9, 10, 2).expect_err("one is missing");
        check(Role::Nats, 13, 10, 2).expect_err("nobody asked for this one");
    }
}
