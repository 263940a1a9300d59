//! The order among the partitions: whose turn is it to give?
//!
//! Each partition keeps queues of its own, but a queue of two entries is no queue. So the
//! partitions of an engine share a clock and a few sums, and [`crate::fairness`] compares
//! the fronts of their queues: who has waited longest *in the node* goes first, whichever
//! partition it is in. With many entries in each partition this changes little; with few it
//! is what makes a policy of a policy.
//!
//! The clock counts admissions, so an age is a number of entries that came since. It is no
//! time, and needs none.
//!
//! Every value here is a hint: it is read without any lock, and may be late by the
//! operations under way. Nothing but the choice of a victim follows from it.

use std::sync::atomic::Ordering::Relaxed;

use crate::sync::{AtomicU32, AtomicUsize};

/// The clock when an entry entered its queue. The upper byte is for policies that put
/// something before age; the lower a stamp, the sooner the entry goes.
pub(crate) type Stamp = usize;

/// Nobody is in the queue.
pub(crate) const NOBODY: Stamp = usize::MAX;
/// A stamp's part that is of the clock.
const CLOCK_BITS: u32 = usize::BITS - 8;
/// Ages that differ by less than this part are alike: then a partition takes of its own.
const ALIKE_PART: usize = 8;
/// With a slack of so much whoever is there is due.
pub(crate) const SLACK_MAX: usize = ALIKE_PART;

/// The part of the bytes that is for new entries, where a policy has two queues.
pub(crate) const SMALL_PART: usize = 10;
/// The queue for new entries, or the only one.
pub(crate) const SMALL: usize = 0;
pub(crate) const MAIN: usize = 1;
pub(crate) const QUEUES: usize = 2;

/// Up to when an entry must have come to be given up, for each queue that may give. Ages of
/// different queues are not comparable: what is old among new entries is young among those
/// that stay.
pub(crate) type Due = [Stamp; QUEUES];
/// Whoever the policy names.
pub(crate) const ANYBODY: Due = [Stamp::MAX; QUEUES];
/// Nobody.
pub(crate) const NOBODY_YET: Due = [0; QUEUES];

/// What the partitions of an engine share.
pub(crate) struct Order {
    clock: AtomicUsize,
    bytes: [AtomicUsize; QUEUES],
    has_evicted: AtomicU32,
    capacity_bytes: usize,
    /// Partitions that follow, and what they hold.
    followers: AtomicUsize,
    follower_bytes: AtomicUsize,
}

impl Order {
    /// `capacity_bytes`: what entries can take, about.
    pub(crate) fn new(capacity_bytes: usize) -> Order {
        Order {
            clock: AtomicUsize::new(1),
            bytes: [AtomicUsize::new(0), AtomicUsize::new(0)],
            has_evicted: AtomicU32::new(0),
            capacity_bytes,
            followers: AtomicUsize::new(0),
            follower_bytes: AtomicUsize::new(0),
        }
    }

    pub(super) fn now(&self) -> Stamp {
        self.clock.load(Relaxed)
    }

    /// An entry was admitted.
    pub(super) fn tick(&self) -> Stamp {
        self.clock.fetch_add(1, Relaxed)
    }

    pub(super) fn add(&self, queue: usize, bytes: usize) {
        self.bytes[queue].fetch_add(bytes, Relaxed);
    }

    pub(super) fn subtract(&self, queue: usize, bytes: usize) {
        self.bytes[queue].fetch_sub(bytes, Relaxed);
    }

    /// Which queue gives, over all partitions.
    pub(crate) fn gives(&self) -> usize {
        let [small, main] = [SMALL, MAIN].map(|queue| self.bytes[queue].load(Relaxed));
        if small * SMALL_PART > small.saturating_add(main) {
            SMALL
        } else {
            MAIN
        }
    }

    /// Which queue a new entry enters that nothing is known of. Before the first eviction
    /// that is so for all of them: what does not fit the first queue fills the second.
    pub(super) fn takes(&self) -> usize {
        let small = self.bytes[SMALL].load(Relaxed);
        if self.has_evicted.load(Relaxed) == 0 && small > self.capacity_bytes / SMALL_PART {
            MAIN
        } else {
            SMALL
        }
    }

    pub(super) fn note_eviction(&self) {
        if self.has_evicted.load(Relaxed) == 0 {
            self.has_evicted.store(1, Relaxed);
        }
    }

    pub(crate) fn follower_came(&self) {
        self.followers.fetch_add(1, Relaxed);
    }

    pub(crate) fn follower_holds(&self, before: usize, now: usize) {
        let change = now.wrapping_sub(before);
        self.follower_bytes.fetch_add(change, Relaxed);
    }

    pub(crate) fn follower_left(&self, held_bytes: usize) {
        self.followers.fetch_sub(1, Relaxed);
        self.follower_bytes.fetch_sub(held_bytes, Relaxed);
    }

    /// How many follow, and what they hold.
    pub(crate) fn followers(&self) -> (usize, usize) {
        let count = self.followers.load(Relaxed);
        (count, self.follower_bytes.load(Relaxed))
    }

    /// Who has waited about as long in this queue as the oldest that was found. `slack`: how
    /// often that was not enough.
    pub(crate) fn alike(&self, queue: usize, oldest: Stamp, slack: usize) -> Due {
        if slack >= SLACK_MAX {
            return ANYBODY;
        }
        let entered = oldest & ((1 << CLOCK_BITS) - 1);
        let mut due = NOBODY_YET;
        due[queue] = oldest + self.now().saturating_sub(entered) / ALIKE_PART * (1 + slack);
        due
    }
}

/// A stamp that goes before every stamp of a higher rank, whatever the clock.
pub(super) fn ranked(rank: u8, entered: Stamp) -> Stamp {
    usize::from(rank) << CLOCK_BITS | entered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_queue_is_filled_before_anything_is_evicted() {
        let order = Order::new(1000);
        order.add(SMALL, 100);
        assert_eq!(order.takes(), SMALL);
        order.add(SMALL, 1);
        assert_eq!(order.takes(), MAIN);
        order.note_eviction();
        assert_eq!(order.takes(), SMALL);
        assert_eq!(order.gives(), SMALL);
        order.add(MAIN, 909);
        assert_eq!(order.gives(), MAIN);
    }

    #[test]
    fn ages_are_compared_within_a_rank() {
        let order = Order::new(1000);
        (0..800).for_each(|_| _ = order.tick());
        assert_eq!(order.alike(MAIN, 1, 0), [0, 101]);
        assert_eq!(order.alike(SMALL, ranked(3, 1), 0), [ranked(3, 101), 0]);
        assert_eq!(order.alike(MAIN, 1, 2), [0, 301]);
        assert_eq!(order.alike(MAIN, 1, SLACK_MAX), ANYBODY);
        assert!(ranked(0, 801) < ranked(1, 0) && ranked(255, 801) < NOBODY);
    }
}
