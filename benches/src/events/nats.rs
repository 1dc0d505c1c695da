//! NATS JetStream with `sync_interval: always`: a message is acknowledged after it was waited for.
//!
//! A batch is so many messages sent one after another and then so many acknowledgements waited for: JetStream has no
//! request that holds several.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::Context as _;
use async_nats::jetstream::{self, context::PublishAckFuture};

use super::{
    load::{Load, Outcome, Publisher, apply, payload},
    peer::{Peer, find},
};
use crate::{disk::Disk, program::PATIENCE};

const STREAM: &str = "BENCH";
const SUBJECT: &str = "bench.publish";

/// A server with one stream.
#[derive(Debug)]
pub(super) struct Nats {
    peer: Peer,
}

impl Nats {
    /// Starts the server, where it is installed.
    pub(super) fn start(disk: &Disk) -> anyhow::Result<Option<Self>> {
        let Some(program) = find("nats-server", &[PathBuf::from("/usr/sbin")]) else { return Ok(None) };
        let peer = Peer::start(disk, |folder, port| {
            let (config, store) = (folder.join("nats.conf"), folder.join("jetstream"));
            let store = store.display();
            fs::write(
                &config,
                format!(
                    "listen: 127.0.0.1:{port}\n\
                     jetstream {{ store_dir: \"{store}\", sync_interval: always, max_file_store: 64GB }}\n"
                ),
            )?;
            let mut command = Command::new(&program);
            command.arg("-c").arg(config);
            Ok(command)
        })?;
        let nats = Self { peer };
        nats.once(async |context| {
            let stream = jetstream::stream::Config {
                name: STREAM.to_owned(),
                subjects: vec![SUBJECT.to_owned()],
                storage: jetstream::stream::StorageType::File,
                ..Default::default()
            };
            context.create_stream(stream).await?;
            Ok(())
        })?;
        Ok(Some(nats))
    }

    /// Applies a load.
    pub(super) fn measure(&self, load: &Load) -> anyhow::Result<Outcome> {
        apply(load, async || {
            let (context, payload) = (self.connect().await?, payload("").into());
            Ok(NatsPublisher { context, payload, acks: Vec::new(), batch: load.batch })
        })
    }

    /// Returns how many messages the stream holds, and empties it.
    pub(super) fn drain(&self) -> anyhow::Result<u64> {
        self.once(async |context| {
            let stream = context.get_stream(STREAM).await?;
            let messages = stream.get_info().await?.state.messages;
            stream.purge().await?;
            Ok(messages)
        })
    }

    async fn connect(&self) -> anyhow::Result<jetstream::Context> {
        let client = async_nats::connect(self.peer.address()).await?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        Ok(context)
    }

    fn once<T>(&self, act: impl AsyncFnOnce(jetstream::Context) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(async { act(self.connect().await?).await });
        runtime.shutdown_timeout(Duration::from_secs(1));
        result.context("NATS JetStream")
    }
}

struct NatsPublisher {
    context: jetstream::Context,
    payload: bytes::Bytes,
    acks: Vec<PublishAckFuture>,
    batch: usize,
}

impl Publisher for NatsPublisher {
    async fn publish(&mut self) -> anyhow::Result<bool> {
        for _ in 0..self.batch {
            self.acks.push(self.context.publish(SUBJECT, self.payload.clone()).await?);
        }
        let mut confirmed = true;
        for ack in self.acks.drain(..) {
            confirmed &= ack.await.is_ok();
        }
        Ok(confirmed)
    }
}
