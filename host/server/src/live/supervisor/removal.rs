//! What happens when a plugin's file goes: its routes go too, unless another file brings the same plugin.

use backplane_runtime::{PluginName, Source};

use super::{Supervisor, claims::Waiting};
use crate::{
    folder::{Arrival, FileName},
    live::{Snapshot, snapshot::Draft},
    problem::Chain,
};

impl Supervisor {
    pub(super) fn remove(&mut self, file: &FileName) {
        let Some(known) = self.files.remove(file) else { return };
        let current = self.live().snapshot();
        let mut draft = current.draft();
        draft.failed.remove(file);
        // Another file with the same plugin takes over without a gap: it publishes in place of this one.
        let heir = known.provides.as_ref().and_then(|plugin| self.heir(plugin));
        if let Some(heir) = heir {
            self.hand_over(&current, draft, file, &heir);
        } else {
            draft.plugins.retain(|_, plugin| plugin.file != *file);
            self.publish_rest(&current, draft);
            if let Some(plugin) = known.provides {
                self.record_removed(file, &plugin);
            }
        }
        self.try_waiting();
    }

    /// Lets `heir` provide what `file` did: the generation stays live until the heir's own is. What the heir provided
    /// before goes, because a file brings one plugin.
    fn hand_over(&mut self, current: &Snapshot, mut draft: Draft, file: &FileName, heir: &FileName) {
        draft.failed.remove(heir);
        let inherited = draft.plugins.extract_if(.., |_, live| live.file == *file).next();
        let Some((plugin, mut live)) = inherited else {
            self.publish_rest(current, draft);
            return;
        };
        let (hash, version) = (live.mounted.generation.hash(), live.mounted.generation.manifest().version.to_string());
        let renamed = self.files.get_mut(heir).and_then(|known| {
            known.provides = Some(plugin.clone());
            known.waiting.take_if(|waiting| waiting.arrival.hash == hash)
        });
        live.file = heir.clone();
        if renamed.is_some() {
            // What is live is what the file holds.
            (live.newest_failure, live.rolled_back) = (None, false);
        }
        let replaced: Vec<_> =
            draft.plugins.extract_if(.., |_, other| other.file == *heir).map(|(other, _)| other).collect();
        draft.plugins.insert(plugin.clone(), live);
        self.publish_rest(current, draft);
        for other in &replaced {
            self.record_removed(heir, other);
        }
        if let Some(Waiting { arrival, .. }) = renamed {
            self.record_renamed(&plugin, version, arrival);
        }
    }

    /// Writes down that a file does not bring a plugin any more.
    fn record_removed(&self, file: &FileName, plugin: &PluginName) {
        tracing::info!(%plugin, file = %file, "removed");
        if let Err(error) = self.app.versions.record_removed(plugin) {
            tracing::warn!(%plugin, error = Chain(&error).to_string(), "the removal is not written down");
        }
    }

    /// Writes down as which file a live version comes now. It is what the file holds, and so no operator's choice.
    fn record_renamed(&self, plugin: &PluginName, version: String, arrival: Arrival) {
        let Arrival { file, hash, bytes, sidecar, .. } = arrival;
        if let Err(error) = self.keep_choice(&file, plugin, hash) {
            tracing::warn!(%plugin, error = Chain(&error).to_string(), "a pin that ended was not deleted");
        }
        self.record(&file, plugin, version, &Source { bytes, hash, sidecar });
    }
}
