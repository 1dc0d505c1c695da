//! Taking a plugin out of the folder.

use std::io::ErrorKind;

use tokio::task::spawn_blocking;

use super::{Change, Plugins, upload::folder_unavailable};
use crate::{
    folder::FileName,
    identity::trail,
    live::Snapshot,
    problem::{ApiError, ApiResult, codes},
};

impl Plugins {
    /// Deletes the file that brings a plugin, and answers when it brings none any more.
    ///
    /// # Errors
    /// `unknown_plugin`, `folder_unavailable` or `superseded`; and as at first when who calls may not any more.
    pub(super) async fn remove_file_of(&self, change: &Change, name: &str) -> ApiResult<FileName> {
        change.attempt.aim_at(name);
        let _folder = self.folder.lock().await;
        // It may have taken minutes until nobody else changed the folder.
        change.second_look.require_still().await?;
        let file = file_of(&self.app.live.snapshot(), name)
            .ok_or_else(|| ApiError::new(codes::UNKNOWN_PLUGIN, "no file in the plugin folder brings this plugin"))?;
        let path = self.app.config.plugins.join(file.as_str());
        let removed = spawn_blocking(move || std::fs::remove_file(path)).await.map_err(ApiError::internal)?;
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(folder_unavailable(error));
            }
            // Somebody was faster.
            Ok(()) | Err(_) => {}
        }
        if !self.app.live.gone(&file).await {
            return Err(ApiError::new(codes::SUPERSEDED, "the file came back, or the server is stopping"));
        }
        trail::note(&self.app, &change.attempt, format!("file: {file}")).await;
        Ok(file)
    }
}

/// Returns the file that brings a plugin, or that was refused under its name. One whose name breaks the rule is shown
/// as it can be printed, and is left to the operator.
fn file_of(snapshot: &Snapshot, name: &str) -> Option<FileName> {
    let live = snapshot.plugins.iter().find(|(plugin, _)| plugin.as_str() == name).map(|(_, plugin)| &plugin.file);
    let failed = || snapshot.failed.iter().find(|(_, failed)| failed.name == name).map(|(file, _)| file);
    live.or_else(failed).filter(|file| file.plugin().is_some()).cloned()
}
