//! A number that runs ahead during a batch: the truth on disk, and what it will be if the batch gets there.

/// A number that runs ahead during a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead<T> {
    pub(super) settled: T,
    pub(super) current: T,
}

impl<T: Copy> Ahead<T> {
    pub(super) fn new(settled: T) -> Self {
        Self { settled, current: settled }
    }

    /// The batch is on disk.
    pub(super) fn settle(&mut self) {
        self.settled = self.current;
    }

    /// The batch is not on disk.
    pub(super) fn abandon(&mut self) {
        self.current = self.settled;
    }
}
