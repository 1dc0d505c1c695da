//! Knows who calls.
