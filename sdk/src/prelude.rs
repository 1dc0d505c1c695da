//! Everything that a plugin's module usually needs: `use backplane_sdk::prelude::*;`.

pub use crate::config::Config;
pub use crate::context::{Claims, Context, Principal};
pub use crate::events::Event;
pub use crate::extract::{Method, Path, Query};
pub use crate::problem::{OptionExt, Problem, Result};
pub use crate::respond::{Bytes, Created, Headers, Html, IntoResponse, Json, NoContent, Redirect, Status, Text};
pub use crate::schedule::Run;
pub use crate::{any, config, cron, delete, every, get, grpc, head, init, method, on, options, patch, post, put};
pub use crate::{events, kv, log};
