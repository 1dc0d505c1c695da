//! Everything that a plugin's module usually needs: `use backplane_sdk::prelude::*;`.

pub use crate::config::Config;
pub use crate::context::{Claims, Context, Principal};
pub use crate::extract::{Method, Path, Query};
pub use crate::problem::{OptionExt, Problem, Result};
pub use crate::respond::{Bytes, Created, Headers, Html, IntoResponse, Json, NoContent, Redirect, Status, Text};
pub use crate::{any, config, delete, get, head, init, options, patch, post, put};
pub use crate::{kv, log};
