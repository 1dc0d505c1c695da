//! The engine's configuration: one for running, one for compiling, with the same code.
//!
//! Where a value differs from wasmtime's default, the reason stands beside it.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::limits::HostLimits;

/// Core instances, and memories and tables in them, that one component instance of Rust needs at the most:
/// the module itself, its shims, and room for an adapter.
const CORE_INSTANCES_EACH: u32 = 8;
const TABLES_EACH: u32 = 4;

/// The lowest bytes of a memory that stay resident between two instances and are cleared by copying. A guest
/// whose stack, data and first heap pages fit in is reset without a system call.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 128 << 10;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;

/// Makes the engine that runs plugins.
///
/// # Errors
/// When the system refuses the address space for the pool.
pub(crate) fn running(limits: &HostLimits) -> wasmtime::Result<Engine> {
    let mut config = shared();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    Engine::new(&config)
}

/// Makes the engine that compiles plugins, in a process of its own that never runs them.
///
/// # Errors
/// When this processor cannot be compiled for.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    let mut config = shared();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// What the compiled code depends on.
fn shared() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        // A guest yields at every tick; see `ticker`.
        .epoch_interruption(true)
        // The contract is synchronous on the guest's side, and calls are cheaper without task tables.
        .concurrency_support(false)
        // Host functions run on the guest's fiber: what wasm does not use of it is theirs.
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        // Proposals that no plugin toolchain needs are code that an attacker cannot reach.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20));
    config
}

fn pool(limits: &HostLimits) -> PoolingAllocationConfig {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let running = [limits.running_max, limits.deliveries_max, limits.schedule_runs_max];
    let instances = count(running.into_iter().fold(limits.idle_max, usize::saturating_add)).max(1);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_EACH))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES_EACH))
        .total_stacks(instances)
        .max_component_instance_size(2 << 20)
        .max_core_instance_size(1 << 20)
        .max_core_instances_per_component(CORE_INSTANCES_EACH * 2)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES_EACH * 2)
        .table_elements(limits.table_elements_max)
        .max_memory_size(limits.memory_bytes_ceiling)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    pool
}
