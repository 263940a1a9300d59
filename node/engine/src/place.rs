//! The place of a partition: its lock, and what is told of it without.
//!
//! The atomics say what was so when the lock was last released by who changed the
//! partition. They are hints for others (see [`crate::fairness`]), and nobody's data.

use std::sync::atomic::Ordering::Relaxed;

use crate::eviction::{NOBODY, QUEUES, Stamp};
use crate::fills::NEVER_MS;
use crate::partition::Partition;
use crate::replication::Role;
use crate::stats::Tally;
use crate::sync::{AtomicU32, AtomicUsize, Mutex};

/// Where a partition is, or may be. Alone on its cache lines, so that two busy
/// partitions do not slow each other.
#[repr(align(128))]
pub(crate) struct Place {
    pub(crate) state: Mutex<State>,
    /// What the partition's ledger held when its lock was last released.
    pub(crate) held_bytes: AtomicUsize,
    /// Whether it follows, as of then.
    pub(crate) follows: AtomicU32,
    /// When the fronts of its queues came, as of then.
    pub(crate) oldest: [AtomicUsize; QUEUES],
    /// When the first of its fill leases ends, or before.
    pub(crate) fill_end: AtomicUsize,
}

pub(crate) struct State {
    pub(crate) open: Option<Partition>,
    /// What partitions that were here before have counted.
    pub(crate) retired: Tally,
}

impl Place {
    pub(crate) fn new() -> Place {
        let state = State {
            open: None,
            retired: Tally::default(),
        };
        Place {
            state: Mutex::new(state),
            held_bytes: AtomicUsize::new(0),
            follows: AtomicU32::new(0),
            oldest: std::array::from_fn(|_| AtomicUsize::new(NOBODY)),
            fill_end: AtomicUsize::new(NEVER_MS as usize),
        }
    }

    /// To be called before a lock is released under which the partition was changed.
    pub(crate) fn publish(&self, open: &mut Partition) {
        open.work.end_hold();
        if open.is_counted_as_follower() {
            self.publish_follower(open);
        }
        self.show(open.ledger.held_bytes(), open.policy.oldest());
    }

    /// Also of one that has just ceased to be a follower's.
    #[cold]
    fn publish_follower(&self, open: &mut Partition) {
        open.count_share();
        self.follows
            .store(u32::from(open.role != Role::Primary), Relaxed);
    }

    pub(crate) fn publish_closed(&self) {
        self.follows.store(0, Relaxed);
        self.show(0, [NOBODY; QUEUES]);
    }

    fn show(&self, held_bytes: usize, oldest: [Stamp; QUEUES]) {
        self.held_bytes.store(held_bytes, Relaxed);
        for (shown, oldest) in self.oldest.iter().zip(oldest) {
            shown.store(oldest, Relaxed);
        }
    }
}
