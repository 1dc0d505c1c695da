//! PostgreSQL with a table for a queue: an event is a row, acknowledged after its transaction was waited for, and taken
//! with `FOR UPDATE SKIP LOCKED` in the transaction of its effect.
//!
//! A batch is one statement that inserts so many rows.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio_postgres::{Client, NoTls, Statement, error::SqlState};

use super::{
    load::{Load, Outcome, Publisher, apply, payload},
    peer::{Peer, find, give_up_root},
};
use crate::{
    disk::Disk,
    program::{PATIENCE, now},
};

const USER: &str = "bench";
const TOPIC: &str = "bench.publish";

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

const TABLES: &str = "
    CREATE TABLE queue (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        key text NOT NULL,
        time timestamptz NOT NULL DEFAULT now(),
        payload bytea NOT NULL
    );
    CREATE TABLE keys (key text PRIMARY KEY, value bytea NOT NULL);
";

const INSERT: &str = "INSERT INTO queue (topic, key, payload)
    SELECT $1, 'key-' || (random() * 999)::int, payload FROM unnest($2::bytea[]) AS payload";

/// Takes what nobody else takes, and writes one key for each: the effect and the progress are one transaction. Everybody
/// writes keys in their order, so that no two wait for each other.
const TAKE: &str = "
    WITH taken AS (
        DELETE FROM queue WHERE id IN (SELECT id FROM queue ORDER BY id LIMIT 32 FOR UPDATE SKIP LOCKED)
        RETURNING key, payload
    ), handled AS (
        INSERT INTO keys SELECT DISTINCT ON (key) key, payload FROM taken ORDER BY key
        ON CONFLICT (key) DO UPDATE SET value = excluded.value
    )
    SELECT count(*) FROM taken";

/// Those who take at the same time. A subscription has as many deliveries on their way.
const WORKERS: usize = 16;

/// A server with a queue.
#[derive(Debug)]
pub(super) struct Postgres {
    peer: Peer,
}

impl Postgres {
    /// Starts the server, where it is installed.
    pub(super) fn start(disk: &Disk) -> anyhow::Result<Option<Self>> {
        let elsewhere = debian_folders();
        let Some((initdb, postgres)) = find("initdb", &elsewhere).zip(find("postgres", &elsewhere)) else {
            return Ok(None);
        };
        let peer = Peer::start(disk, |folder, port| {
            let user = give_up_root(folder)?;
            let data = folder.join("data");
            let mut init = command(&initdb, user);
            init.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
            let output = init.stdin(Stdio::null()).output().context("initdb does not start")?;
            ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
            let mut serve = command(&postgres, user);
            serve.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            // All that durability hangs on is the default, and is said here all the same.
            for setting in [
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "fsync=on",
                "synchronous_commit=on",
                "max_connections=300",
            ] {
                serve.arg("-c").arg(setting);
            }
            Ok(serve)
        })?;
        let postgres = Self { peer };
        postgres.once(async |client| Ok(client.batch_execute(TABLES).await?))?;
        Ok(Some(postgres))
    }

    /// Applies a load.
    pub(super) fn measure(&self, load: &Load) -> anyhow::Result<Outcome> {
        apply(load, async || {
            let client = self.connect().await?;
            let insert = client.prepare(INSERT).await?;
            Ok(PostgresPublisher { client, insert, payloads: vec![payload("").into_bytes(); load.batch] })
        })
    }

    /// Returns how many rows the queue holds, and empties it.
    pub(super) fn drain(&self) -> anyhow::Result<u64> {
        self.once(async |client| {
            let rows: i64 = client.query_one("SELECT count(*) FROM queue", &[]).await?.get(0);
            client.batch_execute("TRUNCATE queue").await?;
            Ok(u64::try_from(rows)?)
        })
    }

    /// Fills the queue, and returns how many rows per second are taken out of it.
    pub(super) fn catch_up(&self, rows: usize) -> anyhow::Result<f64> {
        self.once(async |client| {
            let insert = client.prepare(INSERT).await?;
            let payloads = vec![payload("").into_bytes(); 1000];
            for _ in 0..rows.div_ceil(payloads.len()) {
                client.execute(&insert, &[&TOPIC, &payloads]).await?;
            }
            client.batch_execute("VACUUM ANALYZE queue").await?;
            let started = now();
            let mut workers = Vec::new();
            for _ in 0..WORKERS {
                workers.push(tokio::spawn(take_all(self.connect().await?)));
            }
            let mut taken = 0;
            for worker in workers {
                taken += worker.await??;
            }
            Ok(taken as f64 / started.elapsed().as_secs_f64())
        })
    }

    async fn connect(&self) -> anyhow::Result<Client> {
        let (host, port) = self.peer.address().split_once(':').context("an address has a port")?;
        let settings = format!("host={host} port={port} user={USER} dbname=postgres");
        let started = now();
        loop {
            match tokio_postgres::connect(&settings, NoTls).await {
                Ok((client, connection)) => {
                    // It ends with its client.
                    tokio::spawn(connection);
                    return Ok(client);
                }
                // It listens before it is ready.
                Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) && started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn once<T>(&self, act: impl AsyncFnOnce(Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { act(self.connect().await?).await }).context("PostgreSQL")
    }
}

async fn take_all(client: Client) -> anyhow::Result<i64> {
    let take = client.prepare(TAKE).await?;
    let mut taken = 0;
    loop {
        match client.query_one(&take, &[]).await?.get(0) {
            0_i64 => return Ok(taken),
            more => taken += more,
        }
    }
}

fn command(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user);
    }
    // It has no right to look at the folder that this was started in.
    command.current_dir("/");
    command
}

/// Returns the folders of all versions, the newest first.
fn debian_folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}

struct PostgresPublisher {
    client: Client,
    insert: Statement,
    payloads: Vec<Vec<u8>>,
}

impl Publisher for PostgresPublisher {
    async fn publish(&mut self) -> anyhow::Result<bool> {
        Ok(self.client.execute(&self.insert, &[&TOPIC, &self.payloads]).await.is_ok())
    }
}
