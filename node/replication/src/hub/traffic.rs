//! Counts of what replication moves, for metrics.

use std::sync::atomic::Ordering::Relaxed;

use crate::sync::AtomicU64;

/// What was sent and received since the hub was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Runs of log records sent.
    pub log_batches: u64,
    /// Bytes of them.
    pub log_bytes: u64,
    /// Bytes of snapshots sent.
    pub snapshot_bytes: u64,
    /// Snapshots that were begun.
    pub snapshots_begun: u64,
    /// Snapshots that were sent to their end.
    pub snapshots_done: u64,
    /// Copies that were asked to start from nothing.
    pub discards_asked: u64,
    /// Bytes that were applied here as a follower.
    pub applied_bytes: u64,
    /// Batches and orders that were refused here because their epoch is over.
    pub old_epochs: u64,
    /// Batches that did not fit where the copy was, so that it asked anew.
    pub gaps: u64,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) log_batches: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) snapshot_bytes: AtomicU64,
    pub(crate) snapshots_begun: AtomicU64,
    pub(crate) snapshots_done: AtomicU64,
    pub(crate) discards_asked: AtomicU64,
    pub(crate) applied_bytes: AtomicU64,
    pub(crate) old_epochs: AtomicU64,
    pub(crate) gaps: AtomicU64,
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(more as u64, Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Traffic {
            log_batches: read(&self.log_batches),
            log_bytes: read(&self.log_bytes),
            snapshot_bytes: read(&self.snapshot_bytes),
            snapshots_begun: read(&self.snapshots_begun),
            snapshots_done: read(&self.snapshots_done),
            discards_asked: read(&self.discards_asked),
            applied_bytes: read(&self.applied_bytes),
            old_epochs: read(&self.old_epochs),
            gaps: read(&self.gaps),
        }
    }
}
