//! What every test stands on: a server of its own, plugins, and ways to talk to it.

mod administrator;
mod answer;
mod command;
mod component;
mod connection;
mod database;
mod environment;
mod forge;
mod issuer;
mod log;
mod mount;
mod neighbour;
mod preload;
mod random;
mod script;
mod server;
mod session;
mod wait;

pub(crate) use administrator::{ADMINISTRATOR, PASSWORD, administrators_token};
pub(crate) use answer::Answer;
pub(crate) use command::{check_refuses, check_runs, run};
pub(crate) use component::{component, rebuilt, sha256, with_manifest, with_text, with_version};
pub(crate) use connection::{Connection, raise_file_limit};
pub(crate) use database::Database;
pub(crate) use environment::repeats;
pub(crate) use forge::{Forge, claims_of, unix_seconds};
pub(crate) use issuer::{Issuer, Reply};
pub(crate) use mount::Tmpfs;
pub(crate) use neighbour::{beside_a_neighbour, check_attack, check_neighbour};
pub(crate) use preload::{Event, Preload};
pub(crate) use random::Random;
pub(crate) use script::reading;
pub(crate) use server::{Server, Setup, backplane, put_file, put_folder};
pub(crate) use session::SignIn;
pub(crate) use wait::{PATIENCE, StopOnDrop, Stopwatch, wait_for, wait_until};
