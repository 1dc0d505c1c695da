//! A component that comes as a stream: received, put into the folder in one step, and followed until it is live.
//!
//! The folder stays the truth. An upload is a careful operator who copies a file: what becomes of it is decided by the
//! supervisor, as it is for every other file.

use std::{io::Write as _, path::Path, time::Duration};

use backplane_runtime::{ContentHash, describe};
use bytes::BytesMut;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tonic::Streaming;

use super::{Change, Plugins};
use crate::{
    folder::FileName,
    grpc::{
        deadline,
        pb::{UploadHeader, UploadPluginRequest, upload_plugin_request::Part},
    },
    identity::trail,
    live::{Decision, PluginView, Snapshot},
    problem::{ApiError, ApiResult, codes},
};

/// Bytes that are reserved before any have come.
const RESERVED_BYTES: usize = 64 << 10;
/// When what cannot be done now is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Plugins {
    /// Receives a component, and answers when it is live.
    ///
    /// # Errors
    /// `uploads_busy`, `payload_too_large`, `request_timeout`, `deadline_exceeded`, `invalid_request`,
    /// `folder_unavailable`, `superseded`, and `invalid_plugin` with the reason why it is not live; what was live
    /// before is then. As at first when who calls may not any more.
    pub(super) async fn receive_and_place(
        &self,
        change: &Change,
        parts: Streaming<UploadPluginRequest>,
    ) -> ApiResult<PluginView> {
        // Held to the end: what waits for the folder is in memory, too.
        let _place = self.uploads.try_acquire().map_err(|_none| uploads_busy())?;
        // The guard only stops waiting then: what it has begun goes on by itself.
        let received = timeout_at(change.end, self.receive(parts)).await.map_err(|_elapsed| deadline::passed())?;
        let (header, bytes) = received?;
        let _folder = self.folder.lock().await;
        // It may have taken minutes until nobody else changed the folder.
        change.second_look.require_still().await?;
        let file = target(&self.app.live.snapshot(), &header, &bytes)?;
        change.attempt.aim_at(file.as_str());
        let hash = ContentHash::of(&bytes);
        let path = self.app.config.plugins.join(file.as_str());
        let written = spawn_blocking(move || write(&path, &bytes)).await.map_err(ApiError::internal)?;
        written.map_err(folder_unavailable)?;
        let view = match self.app.live.decided(&file, hash).await {
            Decision::Live(view) => *view,
            Decision::Refused(reason) => return Err(ApiError::new(codes::INVALID_PLUGIN, reason)),
            Decision::Superseded => {
                let detail = "the file changed meanwhile, or the server is stopping";
                return Err(ApiError::new(codes::SUPERSEDED, detail));
            }
        };
        trail::note(&self.app, &change.attempt, format!("hash: {hash}")).await;
        Ok(view)
    }

    /// Receives the header and the bytes, within the bounds of a file of the folder and of a body.
    async fn receive(&self, mut parts: Streaming<UploadPluginRequest>) -> ApiResult<(UploadHeader, BytesMut)> {
        let bytes_max = usize::try_from(self.app.config.folder.file_bytes_max).unwrap_or(usize::MAX);
        let mut header = None;
        let mut bytes = BytesMut::with_capacity(RESERVED_BYTES.min(bytes_max));
        let pause_max = self.app.config.http.body_timeout;
        let mut pause_end = Instant::now() + pause_max;
        loop {
            let next = timeout_at(pause_end, parts.message()).await.map_err(|_elapsed| paused())?;
            let next = next.map_err(|status| {
                ApiError::new(codes::INVALID_REQUEST, "the component could not be read to its end").with_source(status)
            })?;
            match (next.map(|next| next.part), &header) {
                (Some(Some(Part::Header(first))), None) => header = Some(first),
                // It brings the end no nearer. The time is looked at here, too: a part that is there is not waited for.
                (Some(Some(Part::Chunk(chunk))), Some(_)) if chunk.is_empty() => match Instant::now() < pause_end {
                    true => continue,
                    false => return Err(paused()),
                },
                (Some(Some(Part::Chunk(chunk))), Some(_)) => {
                    if bytes.len() + chunk.len() > bytes_max {
                        return Err(ApiError::payload_too_large(bytes_max));
                    }
                    bytes.extend_from_slice(&chunk);
                }
                (Some(_), _) | (None, None) => {
                    let detail = "an upload is a `header`, and then `chunk` after `chunk`";
                    return Err(ApiError::new(codes::INVALID_REQUEST, detail));
                }
                (None, Some(_)) => break,
            }
            pause_end = Instant::now() + pause_max;
        }
        Ok((header.unwrap_or_default(), bytes))
    }
}

/// Returns the file to write: the one that is named, or the one that brings the plugin now, or one by its name.
fn target(snapshot: &Snapshot, header: &UploadHeader, bytes: &[u8]) -> ApiResult<FileName> {
    if !header.file.is_empty() {
        let named = FileName::find(header.file.as_bytes()).filter(|file| file.plugin().is_some());
        return named.ok_or_else(|| {
            let detail =
                "`file` is `<plugin>.wasm` or `<plugin>@<version>.wasm`, with a plugin of `a-z`, `0-9` and `-`";
            ApiError::new(codes::INVALID_REQUEST, detail)
        });
    }
    let described = describe(bytes, None).map_err(|error| ApiError::new(codes::INVALID_PLUGIN, error.to_string()))?;
    let plugin = described.manifest.name;
    if let Some(live) = snapshot.plugins.get(&plugin) {
        return Ok(live.file.clone());
    }
    let name = format!("{plugin}.wasm");
    FileName::find(name.as_bytes()).ok_or_else(|| ApiError::internal(format!("`{name}` is no name of a file")))
}

/// Writes a file in one step: whoever looks sees the old content or the new one.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut file = tempfile::Builder::new().prefix(".upload-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn paused() -> ApiError {
    ApiError::new(codes::REQUEST_TIMEOUT, "the next bytes of the component did not arrive in time")
}

fn uploads_busy() -> ApiError {
    ApiError::new(codes::UPLOADS_BUSY, "as many components are being uploaded as may be").with_retry_after(RETRY_AFTER)
}

/// Says that the folder does not take a change.
pub(super) fn folder_unavailable(error: std::io::Error) -> ApiError {
    ApiError::new(codes::FOLDER_UNAVAILABLE, "the plugin folder cannot be changed")
        .with_retry_after(RETRY_AFTER)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_name_that_is_asked_for_or_none() {
        let target = |file: &str| target(&Snapshot::default(), &UploadHeader { file: file.to_owned() }, b"");
        assert_eq!(target("orders@1.2.wasm").expect("a name").as_str(), "orders@1.2.wasm");
        for file in
            ["../orders.wasm", "/etc/orders.wasm", "a/b.wasm", ".orders.wasm", "Orders.wasm", "orders.toml", "a\0.wasm"]
        {
            assert_eq!(target(file).expect_err("refused").code(), "invalid_request", "{file:?}");
        }
        // What is no component has no name to go by.
        assert_eq!(target("").expect_err("refused").code(), "invalid_plugin");
    }

    #[test]
    fn writes_in_one_step_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders.wasm");
        for content in ["one", "two"] {
            write(&path, content.as_bytes()).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), content);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
        assert!(write(&folder.path().join("none/orders.wasm"), b"").is_err());
    }
}
