//! Which file alone may provide a plugin, and which files wait for another plugin to go.
//!
//! - A name is taken as soon as a file that brings its plugin begins to load.
//! - A file waits for a name only while another file has it. What else is in its way may be gone when any plugin goes.
//!
//! This module does not know what a file does with the name that it has.

use backplane_runtime::{PluginName, describe};

use super::Supervisor;
use crate::folder::{Arrival, FileName};

/// Another file has the name of a plugin.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}` already comes from `{file}`: remove one of the two files")]
pub(super) struct NameTaken {
    pub(super) plugin: PluginName,
    file: FileName,
}

/// What is in the way of a file's content, and may go.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Another file has the name of its plugin.
    Name(PluginName),
    /// Other plugins have a path or a service that it claims, or what it handles is too much beside theirs.
    Place,
}

/// Content of a file that is tried again when another plugin goes.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) arrival: Arrival,
    pub(super) obstacle: Obstacle,
}

impl Supervisor {
    /// Checks that no file but this one has a plugin's name.
    ///
    /// # Errors
    /// When another file provides the plugin, or is being loaded for that.
    pub(super) fn check_name(&self, file: &FileName, plugin: &PluginName) -> Result<(), NameTaken> {
        let other = self.files.iter().find(|(name, known)| {
            let loads = known.loading.as_ref().map(|loading| &loading.plugin);
            *name != file && (known.provides.as_ref() == Some(plugin) || loads == Some(plugin))
        });
        other.map_or(Ok(()), |(name, _)| Err(NameTaken { plugin: plugin.clone(), file: name.clone() }))
    }

    /// Returns a waiting file that would provide `plugin`.
    pub(super) fn heir(&self, plugin: &PluginName) -> Option<FileName> {
        let brings = |Waiting { arrival, .. }: &Waiting| {
            describe(&arrival.bytes, arrival.sidecar.as_deref())
                .is_ok_and(|described| described.manifest.name == *plugin)
        };
        self.files.iter().find(|(_, file)| file.waiting.as_ref().is_some_and(brings)).map(|(name, _)| name.clone())
    }

    /// Lets another file provide what `file` does not.
    pub(super) fn release(&mut self, file: &FileName) {
        if let Some(known) = self.files.get_mut(file) {
            known.provides = None;
        }
    }

    /// Tries the files again that were refused because of another plugin.
    pub(super) fn try_waiting(&mut self) {
        let waiting: Vec<_> = self.files.values_mut().filter_map(|file| file.waiting.take()).collect();
        for Waiting { arrival, .. } in waiting {
            self.arrive(arrival);
        }
    }

    /// Tries the files again that were refused because of a name which no other file has any more.
    pub(super) fn try_freed(&mut self) {
        while let Some(arrival) = self.take_freed() {
            self.arrive(arrival);
        }
    }

    fn take_freed(&mut self) -> Option<Arrival> {
        let freed = self.files.iter().find(|(file, known)| match &known.waiting {
            Some(Waiting { obstacle: Obstacle::Name(plugin), .. }) => self.check_name(file, plugin).is_ok(),
            _ => false,
        });
        let file = freed.map(|(file, _)| file.clone())?;
        self.files.get_mut(&file)?.waiting.take().map(|waiting| waiting.arrival)
    }
}
