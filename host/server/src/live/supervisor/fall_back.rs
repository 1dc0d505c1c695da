//! What serves in the place of a file that cannot.

use backplane_runtime::PluginName;

use super::Supervisor;
use crate::{
    folder::FileName,
    live::{
        FailedFile,
        load::{Attempt, Purpose},
    },
};

impl Supervisor {
    /// Starts to load the version that `file` provided when the process last ran, and says whether there is one.
    pub(super) fn fall_back(&mut self, file: &FileName, why: &FailedFile) -> bool {
        let named = PluginName::new(&why.name).ok();
        let Some(plugin) = named.filter(|plugin| self.check_name(file, plugin).is_ok()) else { return false };
        if self.is_disabled(&plugin) {
            return false;
        }
        let history = self.app.versions.history(&plugin);
        let was_live = history.live.and_then(|hash| history.find(hash)).filter(|version| version.file == file.as_str());
        // What failed is not tried again in its own place.
        let earlier = was_live.filter(|version| Some(version.hash) != why.hash);
        let Some(version) = earlier else { return false };
        let Ok(candidate) = self.kept(&plugin, version.hash) else { return false };
        let Some(known) = self.files.get_mut(file) else { return false };
        known.provides = Some(plugin);
        let ticket = known.ticket;
        self.start(Attempt { ticket, file: file.clone(), candidate, purpose: Purpose::Fallback }, None);
        true
    }
}
