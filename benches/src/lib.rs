//! What several of the benchmarks' programs need: the table that all of them count in.

#![forbid(unsafe_code)]

pub mod counters;
