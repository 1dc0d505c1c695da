//! The host's functions: the real ones inside a component, the test double everywhere else.
//!
//! Both sides have the same signatures, so that nothing above this module knows where it runs.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::http::backplane::plugin::{config, context, events, kv, log};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::double::{config, context, log};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::keyspace::{events, kv};
