//! The place of a partition: its lock, and what is told of it without.
//!
//! The atomics say what was so when the lock was last released by who changed the
//! partition. They are hints for others (see [`crate::fairness`]), and nobody's data.
//!
//! A read changes little: it counts itself, and tells the policy. So it takes the lock
//! alone as a write does, which costs nothing more where nobody else is. Where somebody is,
//! the lock is *crowded* from then on, and reads that leave the policy as it is
//! ([`Partition::look`]) go in side by side, and are counted beside the partition. So threads
//! that all read one hot key neither wait for each other nor write to one line of memory, and
//! elsewhere a read pays for a glance at a flag.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::eviction::{NOBODY, QUEUES, Stamp};
use crate::fills::NEVER_MS;
use crate::partition::{self, Partition};
use crate::replication::Role;
use crate::stats::Tally;
use crate::sync::{AtomicU32, AtomicUsize, Guard, Lock, Seats};

/// Where a partition is, or may be. Alone on its cache lines, so that two busy
/// partitions do not slow each other; and in this order, so that the lock shares its line
/// with all that a read changes.
#[repr(C, align(128))]
pub(crate) struct Place {
    pub(crate) state: Lock<State>,
    /// Whether it follows, as of when the lock was last released.
    pub(crate) follows: AtomicU32,
    /// What the partition's ledger held, as of then.
    pub(crate) held_bytes: AtomicUsize,
    /// When the fronts of its queues came, as of then.
    pub(crate) oldest: [AtomicUsize; QUEUES],
    /// When the first of its fill leases ends, or before.
    pub(crate) fill_end: AtomicUsize,
}

/// So far from its beginning lies what a read looks at, in whole lines.
pub(crate) const READ_BYTES: usize = {
    let state_at = size_of::<Lock<State>>() - size_of::<State>() + offset_of!(Place, state);
    (state_at + partition::READ_BYTES).next_multiple_of(64)
};

#[repr(C)]
pub(crate) struct State {
    pub(crate) open: Option<Partition>,
    /// What partitions that were here before have counted.
    pub(crate) retired: Tally,
}

impl Place {
    pub(crate) fn new(seats: Arc<Seats>, partition: u32) -> Place {
        let state = State {
            open: None,
            retired: Tally::default(),
        };
        Place {
            follows: AtomicU32::new(0),
            held_bytes: AtomicUsize::new(0),
            oldest: std::array::from_fn(|_| AtomicUsize::new(NOBODY)),
            fill_end: AtomicUsize::new(NEVER_MS as usize),
            state: Lock::new(state, seats, partition),
        }
    }

    /// Looks at what is open side by side with others who do, if the place is crowded. None:
    /// it is not, or `look` is none.
    #[inline]
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Partition) -> Option<R>) -> Option<R> {
        self.state.look(|state| look(state.open.as_ref()?))
    }

    /// Goes in alone; what was looked at side by side is in the tally.
    pub(crate) fn lock_counted(&self) -> Guard<'_, State> {
        let mut state = self.state.lock();
        let looks = state.take_looks() as u64;
        let State { open, retired } = &mut *state;
        open.as_mut().map_or(retired, |open| &mut open.tally).hits += looks;
        state
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
