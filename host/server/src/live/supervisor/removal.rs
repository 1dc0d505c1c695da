//! What happens when a plugin's file goes: its routes go too, unless another file brings the same plugin.

use backplane_runtime::{PluginName, Source, describe};

use super::Supervisor;
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
            return;
        }
        draft.plugins.retain(|_, plugin| plugin.file != *file);
        self.publish_rest(&current, draft);
        if let Some(plugin) = known.provides {
            tracing::info!(%plugin, file = %file, "removed");
            if let Err(error) = self.app.versions.record_removed(&plugin) {
                tracing::warn!(%plugin, error = Chain(&error).to_string(), "the removal is not written down");
            }
        }
        self.try_waiting();
    }

    /// Returns a waiting file that would provide `plugin`.
    pub(super) fn heir(&self, plugin: &PluginName) -> Option<FileName> {
        let brings = |arrival: &Arrival| {
            describe(&arrival.bytes, arrival.sidecar.as_deref())
                .is_ok_and(|described| described.manifest.name == *plugin)
        };
        self.files.iter().find(|(_, file)| file.waiting.as_ref().is_some_and(brings)).map(|(name, _)| name.clone())
    }

    /// Lets `heir` provide what `file` did: the generation stays live until the heir's own is.
    fn hand_over(&mut self, current: &Snapshot, mut draft: Draft, file: &FileName, heir: &FileName) {
        draft.failed.remove(heir);
        let inherited = draft.plugins.values_mut().find(|plugin| plugin.file == *file);
        let hash = inherited.map(|plugin| {
            plugin.file = heir.clone();
            plugin.mounted.generation.hash()
        });
        self.publish_rest(current, draft);
        let arrival = self.files.get_mut(heir).and_then(|known| known.waiting.take());
        match arrival {
            // A renamed file: what is live is what it holds.
            Some(arrival) if Some(arrival.hash) == hash => {
                if let (Some(known), Ok(described)) =
                    (self.files.get_mut(heir), describe(&arrival.bytes, arrival.sidecar.as_deref()))
                {
                    let (plugin, version) = (described.manifest.name, described.manifest.version.to_string());
                    known.provides = Some(plugin.clone());
                    let source = Source { bytes: arrival.bytes, hash: arrival.hash, sidecar: arrival.sidecar };
                    self.record(heir, &plugin, version, &source);
                }
            }
            Some(arrival) => self.arrive(arrival),
            None => {}
        }
    }
}
