//! The part of WASI 0.2 that the Rust standard library imports, with nothing behind it.
//!
//! There is no file, no environment variable, no argument and no input; sockets are not even linked. What is
//! left: clocks, random numbers, output that goes to the log, and a way to exit, which ends the call.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    cli::{WasiCli, WasiCliView as _},
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::{self, bindings},
    random::WasiRandom,
};

use super::stdio::GuestStdio;
use crate::{
    bindings::backplane::plugin::log::Level,
    state::{InstanceState, PluginEnv},
};

/// Most random bytes that one call of `get-random-bytes` returns.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// WASI's state of one instance. Most guests never ask for it, so it is made at the first use.
pub(crate) struct Wasi {
    context: Option<Box<WasiCtx>>,
    table: ResourceTable,
    /// Id of the call that runs, for the output streams: a guest may keep one open across calls.
    request_id: Arc<Mutex<String>>,
}

impl Wasi {
    pub(crate) fn new(handles_max: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles_max);
        Self { context: None, table, request_id: Arc::default() }
    }

    /// Says whose output the streams carry from now on.
    pub(crate) fn begin_call(&mut self, request_id: &str) {
        if self.context.is_some() {
            self.set_request_id(request_id);
        }
    }

    fn set_request_id(&self, request_id: &str) {
        let mut current = self.request_id.lock().unwrap_or_else(PoisonError::into_inner);
        current.clear();
        current.push_str(request_id);
    }
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.context.is_none() {
            self.wasi.set_request_id(&self.call.request_id);
        }
        let Wasi { context, table, request_id } = &mut self.wasi;
        let ctx = context.get_or_insert_with(|| Box::new(empty_context(&self.plugin, request_id)));
        WasiCtxView { ctx, table }
    }
}

fn empty_context(plugin: &Arc<PluginEnv>, request_id: &Arc<Mutex<String>>) -> WasiCtx {
    let stdio = |level| GuestStdio { plugin: Arc::clone(plugin), request_id: Arc::clone(request_id), level };
    WasiCtx::builder()
        .stdout(stdio(Level::Info))
        .stderr(stdio(Level::Error))
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    use bindings::{cli, filesystem, random};

    // Clocks, secure random numbers, standard streams, and the streams and polling under them.
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, InstanceState::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, InstanceState::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, InstanceState::filesystem)
}
