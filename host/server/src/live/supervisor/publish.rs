//! How what was decided becomes what requests and events see.

use std::collections::BTreeMap;

use backplane_events::DeclareError;
use backplane_runtime::PluginName;

use super::{
    Supervisor,
    claims::{NameTaken, Obstacle},
};
use crate::{
    dispatch::{Bounds, BuildTableError},
    folder::FileName,
    live::{LoadingFile, Snapshot, snapshot::Draft},
};

/// Why a plugin cannot go live beside the others.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    /// Its name.
    #[error(transparent)]
    Name(#[from] NameTaken),
    /// Its routes.
    #[error(transparent)]
    Routes(#[from] BuildTableError),
    /// Its subscriptions and schedules.
    #[error(transparent)]
    Events(#[from] DeclareError),
}

impl PublishError {
    /// Returns what it would go live without.
    pub(super) fn obstacle(&self) -> Obstacle {
        match self {
            Self::Name(taken) => Obstacle::Name(taken.plugin.clone()),
            Self::Routes(_) | Self::Events(_) => Obstacle::Place,
        }
    }
}

impl Supervisor {
    /// Publishes the moment after `current`, and retires what is not live in it.
    ///
    /// # Errors
    /// When two plugins claim one path, or there would be too many subscriptions or schedules; `last` is then refused.
    pub(super) fn publish(
        &self,
        current: &Snapshot,
        draft: Draft,
        last: Option<&PluginName>,
    ) -> Result<(), PublishError> {
        let http = &self.app.config.http;
        let bounds = Bounds {
            limits: self.app.runtime.limits(),
            body_bytes: http.body_bytes,
            body_bytes_max: http.body_bytes_max,
        };
        let (next, gone) = current.next(draft, self.loading(), last, bounds)?;
        self.declare(current, &next)?;
        self.live().publish(next);
        gone.iter().for_each(|generation| generation.retire());
        Ok(())
    }

    /// Publishes what can contradict nothing, because it takes nothing new in.
    pub(super) fn publish_rest(&self, current: &Snapshot, draft: Draft) {
        if let Err(error) = self.publish(current, draft, None) {
            tracing::error!(%error, "the live plugins contradict each other");
        }
    }

    /// Shows which files are being loaded.
    pub(super) fn show_loading(&self) {
        let (current, loading) = (self.live().snapshot(), self.loading());
        if current.loading != loading {
            self.live().publish(current.with_loading(loading));
        }
    }

    fn loading(&self) -> BTreeMap<FileName, LoadingFile> {
        self.files.iter().filter_map(|(name, file)| Some((name.clone(), file.loading.clone()?))).collect()
    }
}
