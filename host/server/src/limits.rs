//! The operator's `[limits]` as the runtime takes them.

use backplane_runtime::{HostLimits, PluginLimits};

use crate::config::LimitsConfig;

/// Writes of all calls together that are not handed to the store yet.
const TRANSACTIONS_BYTES_MAX: usize = 256 << 20;
/// Deliveries of events that run at once, apart from requests.
const DELIVERIES_MAX: usize = 64;
/// Runs of schedules at once, apart from both.
const SCHEDULE_RUNS_MAX: usize = 16;

/// Makes the runtime's limits.
pub fn host_limits(config: &LimitsConfig) -> HostLimits {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    HostLimits {
        running_max: count(config.instances_max),
        idle_max: count(config.idle_instances_max),
        idle_timeout: config.idle_timeout,
        memory_total_bytes_max: config.memory_total_bytes_max,
        memory_bytes_ceiling: config.memory_bytes_max,
        timeout_ceiling: config.timeout_max,
        cpu_ceiling: config.cpu_max,
        response_bytes_ceiling: config.response_bytes_max,
        queue_timeout: config.queue_timeout,
        init_timeout: config.init_timeout,
        table_elements_max: count(config.table_elements_max),
        handles_max: count(config.handles_max),
        log_lines_per_second: config.log_lines_per_second,
        log_lines_burst: config.log_lines_burst,
        compile_timeout: config.compile_timeout,
        compile_memory_bytes_max: config.compile_memory_bytes_max as u64,
        cache_bytes_max: config.cache_bytes_max,
        transactions_bytes_max: TRANSACTIONS_BYTES_MAX,
        deliveries_max: DELIVERIES_MAX,
        schedule_runs_max: SCHEDULE_RUNS_MAX,
        default: PluginLimits {
            memory_bytes_max: config.memory_bytes,
            concurrency_max: count(config.concurrency),
            timeout: config.timeout,
            cpu: config.cpu,
            response_bytes_max: config.response_bytes,
        },
    }
}
