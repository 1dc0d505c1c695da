//! What a handler takes that no request calls: of an event, or of a schedule.
//!
//! | Argument | What it holds |
//! |---|---|
//! | [`Event<T>`](crate::events::Event) | the event, for `#[on]` |
//! | [`Run`](crate::schedule::Run) | the time that the run is for, for `#[every]` and `#[cron]` |
//! | [`Context`](crate::Context) | the call: id, time left, trace; there is no caller |
//! | [`Config<T>`](crate::config::Config) | the settings of a `#[config]` struct |
//! | `Result<T, Problem>` | any of them, its failure left to the handler |

use crate::config::{Config, Settings};
use crate::{Context, Problem, Result};

/// A type that a handler of events or of a schedule takes as an argument. `C` is what calls the handler.
#[diagnostic::on_unimplemented(
    message = "a handler that no request calls cannot take `{Self}`",
    label = "not something that this handler can be given",
    note = "`#[on]` takes an `Event<T>`, `#[every]` and `#[cron]` take a `Run`; all of them `Context` and `Config<T>` too"
)]
pub trait FromTrigger<C>: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// The problem that ends the call instead of the handler.
    fn from_trigger(call: &mut C) -> Result<Self>;
}

impl<C> FromTrigger<C> for Context {
    fn from_trigger(_: &mut C) -> Result<Self> {
        Ok(Context)
    }
}

impl<C, T: Settings> FromTrigger<C> for Config<T> {
    fn from_trigger(_: &mut C) -> Result<Self> {
        T::load().map(Config)
    }
}

impl<C, T: FromTrigger<C>> FromTrigger<C> for Result<T, Problem> {
    fn from_trigger(call: &mut C) -> Result<Self> {
        Ok(T::from_trigger(call))
    }
}
