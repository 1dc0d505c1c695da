//! Decides which event goes to which subscriber when. So far: the queue from commit to dispatcher.

mod queue;
mod sync;

pub use self::queue::{Consumer, Next, Producer, QueueCounters, QueueLimits, queue};
