//! `[limits]`: what plugins may use.
//!
//! A name without `_max` is the default for a plugin that asks for nothing; the same name with `_max` is the most
//! that a plugin gets, whatever it asks for.

use std::time::Duration;

use super::{
    reader::{Reader, Section},
    value::Size,
};

/// Bounds of the plugins, one by one and together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Calls that run at the same time, all plugins together. Default 256.
    pub instances_max: u32,
    /// Instances that are kept ready, all plugins together. Default 128.
    pub idle_instances_max: u32,
    /// How long a ready instance is kept without a call. Default 30 s.
    pub idle_timeout: Duration,
    /// Memory of all instances together. Default 2 GiB.
    pub memory_total_bytes_max: usize,
    /// Linear memory of one instance, all its memories together. Default 64 MiB.
    pub memory_bytes: usize,
    /// Default 256 MiB.
    pub memory_bytes_max: usize,
    /// Calls of one plugin that run at the same time. Default 64.
    pub concurrency: u32,
    /// Default 256.
    pub concurrency_max: u32,
    /// How long a call waits for a place before it is refused. Default 100 ms.
    pub queue_timeout: Duration,
    /// Wall time of one call. Default 10 s.
    pub timeout: Duration,
    /// Default 60 s.
    pub timeout_max: Duration,
    /// CPU time of one call. Default 500 ms.
    pub cpu: Duration,
    /// Default 10 s.
    pub cpu_max: Duration,
    /// Wall time of a plugin's `init`. Default 1 s.
    pub init_timeout: Duration,
    /// Body of one response. Default 8 MiB.
    pub response_bytes: usize,
    /// Default 64 MiB.
    pub response_bytes_max: usize,
    /// Elements of an instance's tables together. Default 20,000.
    pub table_elements_max: u32,
    /// Host resources that an instance holds at the same time. Default 4,096.
    pub handles_max: u32,
    /// Log lines of one plugin in one second, over time. Default 200.
    pub log_lines_per_second: u32,
    /// Log lines of one plugin at once. Default 1,000.
    pub log_lines_burst: u32,
    /// CPU time of compiling one plugin, which may take four times as long by the clock. Default 60 s.
    pub compile_timeout: Duration,
    /// Memory of compiling one plugin. Default 2 GiB.
    pub compile_memory_bytes_max: usize,
    /// Compiled code that is kept on disk. Default 1 GiB.
    pub cache_bytes_max: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            instances_max: 256,
            idle_instances_max: 128,
            idle_timeout: Duration::from_secs(30),
            memory_total_bytes_max: 2 << 30,
            memory_bytes: 64 << 20,
            memory_bytes_max: 256 << 20,
            concurrency: 64,
            concurrency_max: 256,
            queue_timeout: Duration::from_millis(100),
            timeout: Duration::from_secs(10),
            timeout_max: Duration::from_secs(60),
            cpu: Duration::from_millis(500),
            cpu_max: Duration::from_secs(10),
            init_timeout: Duration::from_secs(1),
            response_bytes: 8 << 20,
            response_bytes_max: 64 << 20,
            table_elements_max: 20_000,
            handles_max: 4096,
            log_lines_per_second: 200,
            log_lines_burst: 1000,
            compile_timeout: Duration::from_secs(60),
            compile_memory_bytes_max: 2 << 30,
            cache_bytes_max: 1 << 30,
        }
    }
}

/// The longest time that a limit may be.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// The shortest time that a limit may be.
const TIME_MIN: Duration = Duration::from_millis(1);
/// One page of linear memory, the least that a guest can have.
const PAGE: Size = Size(64 << 10);
/// What a 32-bit guest can address.
const ADDRESSABLE: Size = Size::mib(4096);

impl LimitsConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut limits = reader.section("limits");
        let mut config = Self::default();
        config.read_memory(&mut limits);
        config.read_time(&mut limits);
        config.read_counts(&mut limits);
        limits.close();
        config
    }

    fn read_memory(&mut self, limits: &mut Section<'_>) {
        let unbounded = Size::mib(1 << 20);
        let total = limits.within("memory_total_bytes_max", Size::of(self.memory_total_bytes_max), PAGE..=unbounded);
        let memory = limits.within("memory_bytes", Size::of(self.memory_bytes), PAGE..=ADDRESSABLE);
        let memory_max = limits.within("memory_bytes_max", Size::of(self.memory_bytes_max), PAGE..=ADDRESSABLE);
        limits.at_most("memory_bytes", &memory, "memory_bytes_max", &memory_max);
        limits.at_most("memory_bytes_max", &memory_max, "memory_total_bytes_max", &total);
        let any = Size(0)..=Size::mib(1024);
        let response = limits.within("response_bytes", Size::of(self.response_bytes), any.clone());
        let response_max = limits.within("response_bytes_max", Size::of(self.response_bytes_max), any);
        limits.at_most("response_bytes", &response, "response_bytes_max", &response_max);
        let compile = Size::of(self.compile_memory_bytes_max);
        (self.memory_total_bytes_max, self.memory_bytes, self.memory_bytes_max) =
            (total.bytes(), memory.bytes(), memory_max.bytes());
        (self.response_bytes, self.response_bytes_max) = (response.bytes(), response_max.bytes());
        self.compile_memory_bytes_max =
            limits.within("compile_memory_bytes_max", compile, Size::mib(64)..=unbounded).bytes();
        self.cache_bytes_max = limits.within("cache_bytes_max", Size(self.cache_bytes_max), Size(0)..=unbounded).0;
    }

    fn read_time(&mut self, limits: &mut Section<'_>) {
        let time = TIME_MIN..=TIME_MAX;
        self.timeout = limits.within("timeout", self.timeout, time.clone());
        self.timeout_max = limits.within("timeout_max", self.timeout_max, time.clone());
        limits.at_most("timeout", &self.timeout, "timeout_max", &self.timeout_max);
        self.cpu = limits.within("cpu", self.cpu, time.clone());
        self.cpu_max = limits.within("cpu_max", self.cpu_max, time.clone());
        limits.at_most("cpu", &self.cpu, "cpu_max", &self.cpu_max);
        self.idle_timeout = limits.within("idle_timeout", self.idle_timeout, Duration::from_secs(1)..=TIME_MAX);
        self.queue_timeout = limits.within("queue_timeout", self.queue_timeout, Duration::ZERO..=TIME_MAX);
        self.init_timeout = limits.within("init_timeout", self.init_timeout, time.clone());
        self.compile_timeout = limits.within("compile_timeout", self.compile_timeout, time);
    }

    fn read_counts(&mut self, limits: &mut Section<'_>) {
        let count = 1..=1_000_000;
        self.instances_max = limits.within("instances_max", self.instances_max, 1..=10_000);
        self.idle_instances_max = limits.within("idle_instances_max", self.idle_instances_max, 0..=10_000);
        self.concurrency = limits.within("concurrency", self.concurrency, 1..=10_000);
        self.concurrency_max = limits.within("concurrency_max", self.concurrency_max, 1..=10_000);
        limits.at_most("concurrency", &self.concurrency, "concurrency_max", &self.concurrency_max);
        self.table_elements_max = limits.within("table_elements_max", self.table_elements_max, count.clone());
        self.handles_max = limits.within("handles_max", self.handles_max, count.clone());
        self.log_lines_per_second = limits.within("log_lines_per_second", self.log_lines_per_second, count.clone());
        self.log_lines_burst = limits.within("log_lines_burst", self.log_lines_burst, count);
    }
}
