//! Plugins that the configuration speaks of and the folder does not bring.

use super::Supervisor;

impl Supervisor {
    /// Says which these are: a slip in a name would leave a plugin open that the operator wanted closed.
    pub(super) fn warn_of_absent(&self) {
        let snapshot = self.live().snapshot();
        let is_there = |name: &str| {
            snapshot.plugins.keys().any(|plugin| plugin.as_str() == name)
                || snapshot.failed.values().any(|failed| failed.name == name)
        };
        let spoken_of = self.app.config.plugin.iter().filter(|(_, plugin)| !plugin.disabled);
        for (plugin, _) in spoken_of.filter(|(name, _)| !is_there(name.as_str())) {
            tracing::warn!(%plugin, "the configuration speaks of a plugin that the folder does not bring");
        }
    }
}
