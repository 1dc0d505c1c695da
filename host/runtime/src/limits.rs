//! The bounds that every guest runs in.
//!
//! [`HostLimits`] is what the operator set for the whole host; [`PluginLimits`] is what holds for one plugin
//! after the manifest asked and the operator decided. docs/limits.md lists each with the answer that a caller
//! gets when it is reached.

use std::time::Duration;

use crate::manifest::{Manifest, WantedLimits};

/// Bounds for all plugins together, and the most that one plugin may be given.
#[derive(Debug, Clone)]
pub struct HostLimits {
    /// Calls that run at the same time, all plugins together.
    pub running_max: usize,
    /// Deliveries of events that run at the same time, all plugins together; apart from calls.
    pub deliveries_max: usize,
    /// Runs of schedules at the same time, all plugins together; apart from calls.
    pub schedule_runs_max: usize,
    /// Instances that stand ready without a call, all plugins together.
    pub idle_max: usize,
    /// How long a ready instance is kept without a call.
    pub idle_timeout: Duration,
    /// Linear memory of all instances together.
    pub memory_total_bytes_max: usize,
    /// What the transactions of all calls hold in memory until they are decided. Those of one plugin hold half of it.
    pub transactions_bytes_max: usize,
    /// The most that `PluginLimits::memory_bytes_max` can be.
    pub memory_bytes_ceiling: usize,
    /// The most that a wall time can be.
    pub timeout_ceiling: Duration,
    /// The most that a CPU budget can be.
    pub cpu_ceiling: Duration,
    /// The most that `PluginLimits::response_bytes_max` can be.
    pub response_bytes_ceiling: usize,
    /// How long a call waits for its turn before it is refused.
    pub queue_timeout: Duration,
    /// Wall time of a new instance's `init`.
    pub init_timeout: Duration,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Component-model handles that one instance holds.
    pub handles_max: usize,
    /// Lines that one plugin may log per second, on average.
    pub log_lines_per_second: u32,
    /// Lines that one plugin may log at once after it was quiet.
    pub log_lines_burst: u32,
    /// CPU time of one compilation, which may take four times as long by the clock.
    pub compile_timeout: Duration,
    /// Address space of one compilation.
    pub compile_memory_bytes_max: u64,
    /// Size of the compiled-code cache on disk.
    pub cache_bytes_max: u64,
    /// What a plugin gets that asks for nothing.
    pub default: PluginLimits,
}

/// Bounds for one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Linear memory of one instance, all memories together.
    pub memory_bytes_max: usize,
    /// Calls at the same time.
    pub concurrency_max: usize,
    /// Wall time of one call, where its route says nothing else.
    pub timeout: Duration,
    /// CPU time of one call, guest and inline host code together.
    pub cpu: Duration,
    /// Body of one response.
    pub response_bytes_max: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            running_max: 256,
            deliveries_max: 64,
            schedule_runs_max: 16,
            idle_max: 128,
            idle_timeout: Duration::from_secs(30),
            memory_total_bytes_max: 2 << 30,
            transactions_bytes_max: 256 << 20,
            memory_bytes_ceiling: 256 << 20,
            timeout_ceiling: Duration::from_secs(60),
            cpu_ceiling: Duration::from_secs(10),
            response_bytes_ceiling: 64 << 20,
            queue_timeout: Duration::from_millis(100),
            init_timeout: Duration::from_secs(1),
            table_elements_max: 20_000,
            handles_max: 4096,
            log_lines_per_second: 200,
            log_lines_burst: 1000,
            compile_timeout: Duration::from_secs(60),
            compile_memory_bytes_max: 2 << 30,
            cache_bytes_max: 1 << 30,
            default: PluginLimits::default(),
        }
    }
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            concurrency_max: 64,
            timeout: Duration::from_secs(10),
            cpu: Duration::from_millis(500),
            response_bytes_max: 8 << 20,
        }
    }
}

impl PluginLimits {
    /// Joins what the plugin wants with what the operator wrote for it: the operator's word comes before the
    /// manifest's, and the host's ceiling holds for both.
    pub(crate) fn resolve(host: &HostLimits, manifest: &Manifest, operator: &WantedLimits) -> Self {
        let wanted = &manifest.limits;
        let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let pick = |operator: Option<u64>, manifest: Option<u64>, default: usize, ceiling: usize| {
            operator.or(manifest).map_or(default, bytes).min(ceiling)
        };
        let default = &host.default;
        Self {
            memory_bytes_max: pick(
                operator.memory_bytes_max,
                wanted.memory_bytes_max,
                default.memory_bytes_max,
                host.memory_bytes_ceiling,
            ),
            concurrency_max: pick(
                operator.concurrency_max.map(u64::from),
                wanted.concurrency_max.map(u64::from),
                default.concurrency_max,
                host.running_max,
            )
            .max(1),
            timeout: operator.timeout.or(wanted.timeout).unwrap_or(default.timeout).min(host.timeout_ceiling),
            cpu: operator.cpu.or(wanted.cpu).unwrap_or(default.cpu).min(host.cpu_ceiling),
            response_bytes_max: pick(
                operator.response_bytes_max,
                wanted.response_bytes_max,
                default.response_bytes_max,
                host.response_bytes_ceiling,
            ),
        }
    }

    /// Returns the wall time of one call of a route or a method that asks for `own`.
    pub fn timeout_of(&self, own: Option<Duration>, host: &HostLimits) -> Duration {
        own.unwrap_or(self.timeout).min(host.timeout_ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(limits: &str) -> Manifest {
        let text = format!(r#"{{"api":"1.0","name":"a","version":"0.0.1","limits":{limits}}}"#);
        Manifest::from_json(text.as_bytes()).expect("a valid manifest").manifest
    }

    #[test]
    fn the_operator_comes_before_the_manifest_and_the_ceiling_before_both() {
        let host = HostLimits::default();
        let asks = manifest(r#"{"memory_bytes_max": 1000000, "timeout_ms": 90000, "concurrency_max": 7}"#);
        let limits = PluginLimits::resolve(&host, &asks, &WantedLimits::default());
        assert_eq!((limits.memory_bytes_max, limits.concurrency_max), (1_000_000, 7));
        assert_eq!(limits.timeout, host.timeout_ceiling);

        let operator =
            WantedLimits { memory_bytes_max: Some(u64::MAX), concurrency_max: Some(3), ..Default::default() };
        let limits = PluginLimits::resolve(&host, &asks, &operator);
        assert_eq!((limits.memory_bytes_max, limits.concurrency_max), (host.memory_bytes_ceiling, 3));
    }

    #[test]
    fn a_plugin_that_asks_for_nothing_gets_the_defaults() {
        let host = HostLimits::default();
        assert_eq!(PluginLimits::resolve(&host, &manifest("{}"), &WantedLimits::default()), host.default);
    }
}
