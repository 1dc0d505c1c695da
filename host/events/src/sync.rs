//! What the queue is built from. The model check (`tests/queue_model.rs`) puts its own in the place of these.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

pub(crate) use crossbeam_queue::ArrayQueue;
pub(crate) use tokio::sync::Notify;
