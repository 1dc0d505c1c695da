//! The right to run one call, delivery or schedule, and the clock that interrupts it.

use std::sync::Arc;

use crate::{
    host::Host,
    permits::{Permit, Permits},
    ticker::Running,
};

/// A permit of the host, for a call also one of the plugin; given back when it is dropped.
pub(crate) struct Admission {
    _plugin: Option<Permit>,
    _host: Permit,
    _clock: Running,
}

impl Admission {
    /// Takes both permits when they are free.
    pub(crate) fn try_take(plugin: &Arc<Permits>, host: &Host) -> Option<Self> {
        let plugin = plugin.try_acquire()?;
        Some(Self { _plugin: Some(plugin), _host: host.running.try_acquire()?, _clock: host.ticker.running() })
    }

    /// Waits for both permits, for the plugin's first: a busy plugin takes no place from another.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and loses no permit.
    pub(crate) async fn take(plugin: &Arc<Permits>, host: &Host) -> Self {
        let plugin = plugin.acquire().await;
        Self { _plugin: Some(plugin), _host: host.running.acquire().await, _clock: host.ticker.running() }
    }

    /// Waits for one of `permits`, for what is no call: it takes nothing of what calls share.
    ///
    /// # Cancel safety
    /// As for [`Admission::take`].
    pub(crate) async fn take_apart(permits: &Arc<Permits>, host: &Host) -> Self {
        Self { _plugin: None, _host: permits.acquire().await, _clock: host.ticker.running() }
    }
}
