//! `backplane:plugin/config`: the settings that were checked when the plugin was loaded.

use wasmtime::component::{HasData, Linker};

use crate::{
    bindings::backplane::plugin::config::{self, Host},
    state::{InstanceState, PluginEnv},
};

struct HasConfig;

impl HasData for HasConfig {
    type Data<'a> = ConfigView<'a>;
}

struct ConfigView<'a> {
    plugin: &'a PluginEnv,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    config::add_to_linker::<_, HasConfig>(linker, |state| ConfigView { plugin: &state.plugin })
}

impl Host for ConfigView<'_> {
    fn get(&mut self, key: String) -> Option<String> {
        self.plugin.settings.get(&key).cloned()
    }
}
