//! Near caches: who may answer a hot key from its own memory, and who hears that it may
//! not any more.
//!
//! ```text
//! choosing    which keys become hot, and which cool
//! hot_set     which are hot, for every read to look at
//! granting    a read is granted, a write invalidates
//! grants      what is granted, and until when
//! stream      where partitions stand, and what is told to watchers
//! tending     the task that looks after all of it
//! ```
//!
//! An answer may be granted that the primary gives under its lease. The grant is no longer
//! than the lease, the entry's time to live and its fresh time. A write that changes what a
//! read would answer invalidates what was granted of its key; what is evicted, or runs out,
//! does not: nobody holds it for longer than it lived.
//!
//! **Nothing slips between a read that is granted and a write.** A grant is noted *before*
//! its read, a write looks for it *behind* itself, and both take the partition's lock in the
//! engine in between. So either the write comes first, and the read answers what it wrote;
//! or the read does, and the write finds what was noted. It takes it out, adds to the
//! partition's sequence and tells watchers, before it is acknowledged and under a lock at
//! which every other write waits that finds something noted. Where it finds nothing noted
//! because another write took it out, that one has told, and told whoever was granted before:
//!
//! **A watcher that knew a partition's position when it sent a read either holds nothing of
//! it, or hears of every write behind it.** Everything that takes a grant out tells a later
//! sequence. A caller whose read was noted before that had sent it before; so it knew an
//! earlier position, and the update reaches it behind that: before the answer, then it does
//! not hold it, or behind it, then it drops it. A grant is forgotten without a word only when
//! it is over, [`SLACK_MS`] later: for who counts it from when its answer came.
//!
//! What ends a partition's service here tells epoch 0 before another node can acknowledge a
//! write: a freeze when nobody is inside any more, a demotion, a close. Where the lease runs
//! out, no grant is left.
//!
//! Non-goals: knowing who holds what; telling anybody twice. A watcher that misses something
//! notices by the sequence, or by its stream's end, and drops everything.

mod choosing;
mod granting;
mod grants;
mod hot_set;
mod stream;
mod tending;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use choosing::Chosen;
use grants::Grants;
use hot_set::HotSet;
use parking_lot::Mutex;
use stream::Stream;

pub(crate) use granting::Grant;
pub(crate) use stream::{Update, Watch, response};
pub(crate) use tending::tend;

use crate::settings::Limits;

/// For so long a grant is noted beyond its end. Answers that take longer are past the
/// deadline that a request has by itself.
const SLACK_MS: u64 = 5000;

/// One node's.
#[derive(Debug)]
pub(crate) struct Near {
    /// 0: nothing is granted.
    grant_ms: u64,
    hot: HotSet,
    chosen: Mutex<Chosen>,
    grants: Grants,
    stream: Stream,
    /// Who watches now.
    pub(crate) watchers: AtomicUsize,
    /// Invalidations that were told, to each watcher.
    sent: AtomicU64,
    /// Watchers that were overtaken.
    lost: AtomicU64,
}

impl Near {
    pub(crate) fn new(partition_count: u32, limits: &Limits) -> Near {
        let (partition_max, max) = (limits.near_grants_partition_max, limits.near_grants_max);
        // One round of positions is never too much.
        let behind_max = limits
            .invalidations_behind_max
            .max(2 * partition_count as usize);
        Near {
            grant_ms: u64::try_from(limits.near_grant.as_millis()).unwrap_or(u64::MAX),
            hot: HotSet::default(),
            chosen: Mutex::default(),
            grants: Grants::new(partition_count, partition_max, max),
            stream: Stream::new(partition_count, behind_max),
            watchers: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Begin to hear of invalidations.
    pub(crate) fn watch(&self) -> Watch {
        self.stream.watch()
    }

    /// See [`Stream::takes`].
    pub(crate) fn takes(&self, partition: u32, epoch: u64) {
        self.stream.takes(partition, epoch);
    }

    /// See [`Stream::leaves`].
    pub(crate) fn leaves(&self, partition: u32) {
        self.stream.leaves(partition);
    }

    /// A watcher was told of an invalidation.
    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// A watcher was overtaken.
    pub(crate) fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    /// As if it had been found so.
    #[cfg(explored)]
    pub(crate) fn make_hot(&self, key: &[u8]) {
        let added = self.hot.add(crate::introspection::quick_hash(key));
        assert!(added.is_some(), "there is room");
    }

    /// What there is, and what was counted.
    pub(crate) fn told(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("watchers", self.watchers.load(Relaxed) as u64),
            ("hot", self.hot.len() as u64),
            ("noted", self.grants.noted() as u64),
            ("grants", self.grants.granted()),
            ("invalidations_sent", self.sent.load(Relaxed)),
            ("watchers_lost", self.lost.load(Relaxed)),
        ]
    }
}
