//! Loads plugins and runs them: bytes, manifest, generation, instance, call.
//!
//! Three tiers, three verbs. Once per process [`Runtime::start`] makes the engine and links the capabilities.
//! Once per plugin version [`Runtime::load`] compiles, checks and tries it out; what it refuses never takes a
//! call. Once per call [`Generation::handle_http`] takes an instance, runs it within its limits, and puts it
//! away; [`Generation::handle_grpc`] does the same for a gRPC method, [`Generation::handle_events`] and [`Generation::handle_schedule`] do so for what no request calls.
//!
//! A call that uses its plugin's state is a transaction: `call` runs the handler until a run of it commits, over the
//! port in [`keyspace`]. What it publishes is committed with it; who gets it is not known here.
//!
//! Invariants: a guest's bytes and behaviour are hostile at every step; no call waits without a bound, and none takes a
//! lock before its transaction was in another's way; every guest runs under the ticker. This crate knows no HTTP
//! status, no SQL and no folder.

mod admission;
mod aside;
mod bindings;
mod byte_budget;
mod cache;
mod call;
mod capability;
mod commons;
mod compile;
mod context;
mod descriptors;
mod engine;
mod event;
mod generation;
mod hash;
mod host;
mod inspect;
mod instance;
mod invoke;
pub mod keyspace;
mod lane;
mod limits;
mod load;
mod log_budget;
pub mod manifest;
mod memory;
mod meter;
mod name;
mod pace;
mod permits;
mod pool;
mod state;
mod tendency;
mod ticker;
mod transaction;
mod turns;

pub use bindings::{
    backplane::plugin::types::Problem,
    exports::backplane::plugin::{
        event_handler::Event as EventRecord,
        grpc_handler::{Call as GrpcCall, Status as GrpcStatus},
        http_handler::{Request, Response},
        schedule_handler::Run as ScheduleRun,
    },
};
pub use capability::is_json;
pub use compile::{CompileCommand, CompileError, compile_component};
pub use context::{CallContext, Principal};
pub use descriptors::{Descriptors, DescriptorsError};
pub use event::Event;
pub use generation::{Counters, Generation};
pub use hash::{ContentHash, ParseHashError};
pub use host::StartError;
pub use inspect::{Surface, SurfaceError, inspect};
pub use invoke::{Answer, GrpcAnswer, InvokeError};
pub use lane::OnAbandon;
pub use limits::{HostLimits, PluginLimits};
pub use load::{Described, LoadError, PluginSettings, Runtime, RuntimeOptions, Source, describe};
pub use manifest::Manifest;
pub use name::{ParseNameError, PluginName};
