//! Plugins as authors write them, called as the host calls them: black-box tests of the attributes, the extractors,
//! the responses and the test double.

#![forbid(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod arguments;
mod callers;
mod events;
mod grpc;
mod kv;
mod manifest;
mod problems;
mod responses;
mod routes;
mod schedules;
mod settings;
