//! What the engine counts. Counters only rise, also over `close` and `open`.

use std::ops::AddAssign;

/// A snapshot, summed over the partitions. They are read one after the other, so the
/// parts may be apart by the writes of that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries held, expired ones that nobody reclaimed yet included.
    pub entries: u64,
    /// Everything allocated, as the account sees it.
    pub memory_bytes: u64,
    /// The bound on `memory_bytes`.
    pub maxmemory_bytes: u64,
    /// Of `memory_bytes`: holes that are not reused yet.
    pub waste_bytes: u64,
    /// Reads that found a live entry.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Live entries given up for room.
    pub evicted: u64,
    /// Entries removed because their time was over.
    pub expired: u64,
    /// Writes refused because nothing more could be given up.
    pub memory_full: u64,
    /// Partitions open now.
    pub open_partitions: u32,
}

/// The counters of one partition, first what reads count.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) evicted: u64,
    pub(crate) expired: u64,
    pub(crate) memory_full: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.evicted += other.evicted;
        self.expired += other.expired;
        self.memory_full += other.memory_full;
    }
}
