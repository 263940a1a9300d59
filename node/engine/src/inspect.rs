//! What is there, partition by partition and by kind of memory.
//!
//! One walk takes each partition's lock once, for a moment, so that a partition's
//! figures belong together; those of two partitions may be apart by the writes between.
//! The sums are the sums of exactly these figures.
//!
//! Non-goals: what the process takes outside the engine.

use std::ops::AddAssign;
use std::sync::atomic::Ordering::Relaxed;

use crate::engine::Engine;
use crate::entry;
use crate::memory::allocated;
use crate::partition::Partition;
use crate::request::Now;
use crate::stats::{Stats, Tally};

/// Everything in one walk.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The sums, of partitions that were closed since too.
    pub total: Stats,
    /// Where the memory went.
    pub memory: MemoryByKind,
    /// The open partitions, in order.
    pub partitions: Vec<PartitionStats>,
}

/// One open partition. Its counters begin at 0 when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStats {
    /// Its number.
    pub partition: u32,
    /// What it is open under.
    pub epoch: u64,
    /// As in [`Stats`].
    pub entries: u64,
    /// What its ledger holds.
    pub memory_bytes: u64,
    /// As in [`Stats`].
    pub hits: u64,
    /// As in [`Stats`].
    pub misses: u64,
    /// As in [`Stats`].
    pub evicted: u64,
    /// As in [`Stats`].
    pub expired: u64,
    /// As in [`Stats`].
    pub memory_full: u64,
    /// It is on its way to another eviction policy.
    pub is_switching: bool,
}

/// What `memory_bytes` is made of: the kinds add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryByKind {
    /// Keys and values of entries, expired ones that nobody reclaimed yet included.
    pub payload_bytes: u64,
    /// Headers of these entries.
    pub overhead_bytes: u64,
    /// Left by entries that are gone, and not used again yet.
    pub holes_bytes: u64,
    /// Set aside for the next entries.
    pub free_bytes: u64,
    /// From keys to entries.
    pub index_bytes: u64,
    /// By deadline.
    pub expiry_bytes: u64,
    /// What the eviction policy remembers beside the entries.
    pub policy_bytes: u64,
    /// The log for followers, and requests that are remembered.
    pub replication_bytes: u64,
    /// Keys that are being loaded, and callers that wait for them.
    pub fills_bytes: u64,
    /// Tags that were invalidated.
    pub tags_bytes: u64,
    /// Tables of segments, and what the allocator rounds up.
    pub allocation_bytes: u64,
    /// A place for each partition, open or not.
    pub fixed_bytes: u64,
}

impl MemoryByKind {
    /// Every kind by its name.
    pub fn kinds(&self) -> [(&'static str, u64); 12] {
        [
            ("keys_and_values", self.payload_bytes),
            ("entry_overhead", self.overhead_bytes),
            ("holes", self.holes_bytes),
            ("free", self.free_bytes),
            ("index", self.index_bytes),
            ("expiry", self.expiry_bytes),
            ("policy", self.policy_bytes),
            ("replication", self.replication_bytes),
            ("fills", self.fills_bytes),
            ("tags", self.tags_bytes),
            ("allocation", self.allocation_bytes),
            ("fixed", self.fixed_bytes),
        ]
    }

    /// The sum.
    pub fn total_bytes(&self) -> u64 {
        self.kinds().iter().map(|(_, bytes)| bytes).sum()
    }
}

impl Engine {
    /// Walks the partitions.
    pub fn inspect(&self) -> Inspection {
        let mut tally = Tally::default();
        let mut found = Inspection::default();
        for (partition, place) in self.places.iter().enumerate() {
            let state = place.lock_counted();
            tally += state.retired;
            if let Some(open) = &state.open {
                tally += open.tally;
                found.memory += open.memory();
                found.partitions.push(open.stats(partition as u32));
            }
        }
        found.memory.fixed_bytes = self.fixed_bytes() as u64;
        let partitions = &found.partitions;
        found.total = Stats {
            entries: partitions.iter().map(|it| it.entries).sum(),
            memory_bytes: found.memory.total_bytes(),
            maxmemory_bytes: self.settings.maxmemory_bytes as u64,
            waste_bytes: found.memory.holes_bytes,
            hits: tally.hits,
            misses: tally.misses,
            evicted: tally.evicted,
            expired: tally.expired,
            memory_full: tally.memory_full,
            open_partitions: self.open_count.load(Relaxed),
        };
        found
    }

    /// Key and value of a live entry, in bytes. Neither counts as a read nor raises the
    /// entry. None: it is not here.
    pub fn payload_bytes(&self, partition: u32, key: &[u8], now: Now) -> Option<usize> {
        let mut state = self.place(partition).state.lock();
        let open = state.open.as_mut()?;
        let now_ms = open.own_time_ms(now);
        let hash = open.index.hash(key);
        let handle = open.index.find(&open.heap, hash, key)?;
        let is_shown = open.is_shown(handle, now_ms);
        is_shown.then(|| entry::payload_bytes(open.heap.entry(handle)))
    }
}

impl Partition {
    fn stats(&self, partition: u32) -> PartitionStats {
        let tally = self.tally;
        PartitionStats {
            partition,
            epoch: self.epoch,
            entries: self.entries as u64,
            memory_bytes: self.ledger.held_bytes() as u64,
            hits: tally.hits,
            misses: tally.misses,
            evicted: tally.evicted,
            expired: tally.expired,
            memory_full: tally.memory_full,
            is_switching: !self.policy.is_settled(),
        }
    }

    fn memory(&self) -> MemoryByKind {
        let payload_bytes = self.payload_bytes as u64;
        let wheel = self.wheel.as_deref();
        let mut memory = MemoryByKind {
            payload_bytes,
            overhead_bytes: self.heap.entry_bytes() as u64 - payload_bytes,
            holes_bytes: self.heap.waste_bytes() as u64,
            free_bytes: self.heap.open_room_bytes() as u64,
            index_bytes: self.index.charged_bytes() as u64,
            expiry_bytes: wheel.map_or(0, |wheel| allocated(size_of_val(wheel)) as u64),
            policy_bytes: self.policy.charged_bytes() as u64,
            replication_bytes: self.replication_bytes() as u64,
            fills_bytes: self.fills_bytes() as u64,
            tags_bytes: self.tags.charged_bytes() as u64,
            allocation_bytes: 0,
            fixed_bytes: 0,
        };
        let held_bytes = self.ledger.held_bytes() as u64;
        memory.allocation_bytes = held_bytes.saturating_sub(memory.total_bytes());
        memory
    }
}

impl AddAssign for MemoryByKind {
    fn add_assign(&mut self, other: MemoryByKind) {
        self.payload_bytes += other.payload_bytes;
        self.overhead_bytes += other.overhead_bytes;
        self.holes_bytes += other.holes_bytes;
        self.free_bytes += other.free_bytes;
        self.index_bytes += other.index_bytes;
        self.expiry_bytes += other.expiry_bytes;
        self.policy_bytes += other.policy_bytes;
        self.replication_bytes += other.replication_bytes;
        self.fills_bytes += other.fills_bytes;
        self.tags_bytes += other.tags_bytes;
        self.allocation_bytes += other.allocation_bytes;
        self.fixed_bytes += other.fixed_bytes;
    }
}
