//! Black-box tests: the real server, real plugins compiled from source, real connections.
//!
//! A test knows what an operator and a client know: files, the command line, HTTP and the log. Each starts a server
//! of its own in folders of its own, so all run in parallel. `cargo xtask test` builds what they start.

#![forbid(unsafe_code)]
#![expect(clippy::panic, clippy::indexing_slicing, reason = "all of this crate is tests, its helpers too")]

mod harness;

mod access;
mod api;
mod api_keys;
mod attacks;
mod audit;
mod backups;
mod cache;
mod chain;
mod clients;
mod command_line;
mod crash;
mod durability;
mod events;
mod events_attacks;
mod events_crash;
mod events_delivery;
mod events_full;
mod events_http;
mod events_http_operators;
mod events_http_rights;
mod events_http_stream;
mod events_retention;
mod events_schedules;
mod events_subscribers;
mod files;
mod grpc_host;
mod grpc_host_events;
mod grpc_host_plugins;
mod grpc_host_reflection;
mod grpc_plugin;
mod grpc_plugin_json;
mod grpc_plugin_limits;
mod grpc_plugin_swaps;
mod grpc_plugin_wire;
mod idempotency;
mod identity;
mod instances;
mod issuers;
mod key_rotation;
mod kv;
mod kv_attacks;
mod ledger;
mod loading;
mod log;
mod manifests;
mod orders;
mod paths;
mod rate_limits;
mod requests;
mod responses;
mod revocation;
mod rollback;
mod sandbox;
mod secrets;
mod serializability;
mod sessions;
mod settings;
mod setup;
mod shutdown;
mod sign_in;
mod start;
mod storage;
mod store_faults;
mod store_log;
mod swaps;
mod tls;
mod token_command;
mod tokens;
mod transactions;
mod user_command;
mod users;
