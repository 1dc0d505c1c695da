//! What operators ask for: an earlier version, or how far a file is.

use backplane_runtime::{ContentHash, PluginName, Source, describe};

use super::Supervisor;
use crate::{
    folder::{Arrival, FileName},
    live::{
        Command, RollBackError,
        decision::Progress,
        load::{Attempt, Candidate, Purpose},
    },
};

impl Supervisor {
    pub(super) fn obey(&mut self, command: Command) {
        let (plugin, to, reply) = match command {
            Command::RollBack { plugin, to, reply } => (plugin, to, reply),
            Command::Look { file, reply } => {
                let known = self.files.get(&file);
                let progress = known.map(|known| Progress { hash: known.hash, is_loading: known.loading.is_some() });
                let _gone = reply.send(progress);
                return;
            }
        };
        match self.prepare_roll_back(&plugin, to) {
            Ok((file, candidate)) => {
                let known = self.files.get_mut(&file);
                let (hash, undecided) = known.map_or((None, None), |known| (known.hash, known.take_undecided()));
                let ticket = self.next_ticket(&file, hash);
                self.start(Attempt { ticket, file, candidate, purpose: Purpose::RollBack(reply) }, undecided);
                self.try_freed();
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn prepare_roll_back(
        &self,
        plugin: &PluginName,
        to: Option<ContentHash>,
    ) -> Result<(FileName, Candidate), RollBackError> {
        let current = self.live().snapshot();
        let live = current.plugins.get(plugin).ok_or(RollBackError::UnknownPlugin)?;
        let wanted = match to {
            Some(hash) => hash,
            None => {
                let history = self.app.versions.history(plugin);
                history.previous().ok_or(RollBackError::NoEarlierVersion)?.hash
            }
        };
        Ok((live.file.clone(), self.kept(plugin, wanted)?))
    }

    /// Writes the operator's choice down, so that a restart keeps it. The file's own content is no choice.
    pub(super) fn keep_choice(
        &self,
        file: &FileName,
        plugin: &PluginName,
        chosen: ContentHash,
    ) -> Result<(), RollBackError> {
        let versions = &self.app.versions;
        match self.files.get(file).and_then(|known| known.hash).filter(|hash| *hash != chosen) {
            Some(instead_of) => versions.pin(plugin, chosen, instead_of).map_err(RollBackError::Keep),
            None => versions.forget_pin(plugin).map_err(|error| RollBackError::Keep(error.into())),
        }
    }

    /// Keeps what a file holds and was not decided on when the operator chose another version of its plugin: as if it
    /// had been live until then, so that it can be chosen too. To be followed by a record of the chosen version.
    pub(super) fn pass_over(&mut self, plugin: &PluginName, chosen: ContentHash, undecided: Option<Arrival>) {
        let Some(arrival) = undecided else { return };
        let described = describe(&arrival.bytes, arrival.sidecar.as_deref()).ok();
        let manifest = described.map(|described| described.manifest).filter(|manifest| manifest.name == *plugin);
        match manifest.filter(|_| arrival.hash != chosen) {
            Some(manifest) => {
                let source = Source { bytes: arrival.bytes, hash: arrival.hash, sidecar: arrival.sidecar };
                self.record(&arrival.file, plugin, manifest.version.to_string(), &source);
            }
            // Nothing was chosen in its place: it is the chosen content itself, or another plugin's.
            None => self.arrive(arrival),
        }
    }
}
