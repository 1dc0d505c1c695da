//! Redis Streams with `appendfsync always`: an entry is acknowledged after the append-only file was waited for.
//!
//! A batch is a pipeline.

use std::{path::PathBuf, process::Command};

use anyhow::Context as _;
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};

use super::{
    load::{Load, Outcome, Publisher, apply, payload},
    peer::{Peer, find},
};
use crate::{disk::Disk, program::PATIENCE};

const STREAM: &str = "bench";

/// A server with one stream.
#[derive(Debug)]
pub(super) struct Redis {
    peer: Peer,
}

impl Redis {
    /// Starts the server, where it is installed.
    pub(super) fn start(disk: &Disk) -> anyhow::Result<Option<Self>> {
        let Some(program) = find("redis-server", &[PathBuf::from("/usr/sbin")]) else { return Ok(None) };
        let peer = Peer::start(disk, |folder, port| {
            let mut command = Command::new(&program);
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
            // No snapshots and no rewriting of the file meanwhile.
            command.args(["--save", "", "--auto-aof-rewrite-percentage", "0"]);
            Ok(command)
        })?;
        Ok(Some(Self { peer }))
    }

    /// Applies a load.
    pub(super) fn measure(&self, load: &Load) -> anyhow::Result<Outcome> {
        apply(load, async || {
            let (connection, payload) = (self.connect().await?, payload(""));
            let mut pipeline = redis::pipe();
            for _ in 0..load.batch {
                pipeline.cmd("XADD").arg(STREAM).arg("*").arg("payload").arg(&payload).ignore();
            }
            Ok(RedisPublisher { connection, pipeline })
        })
    }

    /// Returns how many entries the stream holds, and empties it.
    pub(super) fn drain(&self) -> anyhow::Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = self.connect().await?;
            let entries = redis::cmd("XLEN").arg(STREAM).query_async(&mut connection).await?;
            redis::cmd("DEL").arg(STREAM).query_async::<()>(&mut connection).await?;
            Ok(entries)
        })
    }

    async fn connect(&self) -> anyhow::Result<MultiplexedConnection> {
        let client = Client::open(format!("redis://{}", self.peer.address()))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await.context("Redis")
    }
}

struct RedisPublisher {
    connection: MultiplexedConnection,
    pipeline: redis::Pipeline,
}

impl Publisher for RedisPublisher {
    async fn publish(&mut self) -> anyhow::Result<bool> {
        Ok(self.pipeline.query_async::<()>(&mut self.connection).await.is_ok())
    }
}
