//! Lines for the operator's log.
//!
//! Each macro takes optional fields, then a message as for [`format!`]. Nothing is formatted when the host
//! would drop the line. The host adds the plugin, its version and the request id.
//!
//! ```
//! use backplane_sdk::log;
//!
//! let (order, lines) = (7, 3);
//! log::info!("shop is open");
//! log::info!(order = order, lines = lines, "created order {order}");
//! ```

pub use crate::bindings::http::backplane::plugin::log::Level;
use crate::host;
#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace, __log_warn as warn,
};

/// Returns whether a line of this level would be kept, for messages that are costly to prepare.
pub fn enabled(level: Level) -> bool {
    host::log::enabled(level)
}

/// Writes one line, whether or not its level is enabled. The macros are the usual way.
pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
    host::log::log(level, message, fields);
}

/// Writes one line of a level, if the host keeps that level.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_line {
    ($level:ident; $($key:ident = $value:expr,)* $format:literal $($argument:tt)*) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write(
                $crate::log::Level::$level,
                &::std::format!($format $($argument)*),
                &[$((::std::string::String::from(::std::stringify!($key)), ::std::string::ToString::to_string(&$value))),*],
            );
        }
    };
}

/// Writes a line that only somebody who follows every step wants.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace { ($($line:tt)+) => { $crate::__log_line!(Trace; $($line)+) }; }

/// Writes a line that helps to find a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug { ($($line:tt)+) => { $crate::__log_line!(Debug; $($line)+) }; }

/// Writes a line about something that happened as it should.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info { ($($line:tt)+) => { $crate::__log_line!(Info; $($line)+) }; }

/// Writes a line about something that the operator may want to change.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn { ($($line:tt)+) => { $crate::__log_line!(Warn; $($line)+) }; }

/// Writes a line about something that failed.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error { ($($line:tt)+) => { $crate::__log_line!(Error; $($line)+) }; }
