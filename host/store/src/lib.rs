//! Keeps what must outlive the process.
