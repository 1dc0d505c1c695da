//! What several of the benchmarks' programs need: the table that all of them count in, the messages that they echo.

#![forbid(unsafe_code)]

pub mod counters;
pub mod probe;
