//! The right to run one call, and the clock that interrupts it.

use std::sync::Arc;

use crate::{
    host::Host,
    permits::{Permit, Permits},
    ticker::Running,
};

/// A permit of the plugin and one of the host, given back when it is dropped.
pub(crate) struct Admission {
    _plugin: Permit,
    _host: Permit,
    _clock: Running,
}

impl Admission {
    /// Takes both permits when they are free.
    pub(crate) fn try_take(plugin: &Arc<Permits>, host: &Host) -> Option<Self> {
        let plugin = plugin.try_acquire()?;
        Some(Self { _plugin: plugin, _host: host.running.try_acquire()?, _clock: host.ticker.running() })
    }

    /// Waits for both permits, for the plugin's first: a busy plugin takes no place from another.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and loses no permit.
    pub(crate) async fn take(plugin: &Arc<Permits>, host: &Host) -> Self {
        let plugin = plugin.acquire().await;
        Self { _plugin: plugin, _host: host.running.acquire().await, _clock: host.ticker.running() }
    }
}
