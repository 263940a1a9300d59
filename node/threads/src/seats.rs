//! Seats: for each thread behind which lock it reads now, and how often it has looked there.
//!
//! A thread writes to its own seat, whoever else reads the same. Who wants all readers of a
//! lock to be out looks at every seat: that costs more the more cores there are, and is rare.
//!
//! Where there are more threads than seats, some share one; of those one at a time sits.

use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};

use crate::number::{copy_count, thread_number};
use crate::sync::{AtomicU32, AtomicUsize, pause};

/// The seats of so many locks. Share it behind an `Arc`.
pub struct Seats {
    /// A power of two of them.
    seats: Box<[Seat]>,
}

/// Alone on its lines, and on those that a processor fetches beside them.
#[repr(align(128))]
struct Seat {
    /// The number of the lock that somebody on this seat reads behind, and one; 0: nobody.
    behind: AtomicU32,
    /// Looks that were counted, by the number of the lock.
    looks: Box<[Line]>,
}

const COUNTS_PER_LINE: usize = 8;

/// A line of memory, whole: no other seat's counts lie in it.
#[repr(align(64))]
#[derive(Default)]
struct Line([AtomicUsize; COUNTS_PER_LINE]);

/// Somebody who reads behind a lock. Out once it is dropped.
pub(crate) struct Sitting<'a> {
    seat: &'a Seat,
    lock: u32,
}

impl Seats {
    /// Of locks with numbers below this: a count of each on every seat, 8 bytes.
    #[must_use]
    pub fn new(locks: u32) -> Seats {
        let lines = (locks as usize).div_ceil(COUNTS_PER_LINE);
        let seat = |_| Seat {
            behind: AtomicU32::new(0),
            looks: (0..lines).map(|_| Line::default()).collect(),
        };
        Seats {
            seats: (0..copy_count()).map(seat).collect(),
        }
    }

    /// Goes in, to read. None: somebody else is on this thread's seat.
    #[inline]
    pub(crate) fn sit(&self, lock: u32) -> Option<Sitting<'_>> {
        let seat = &self.seats[thread_number() & (self.seats.len() - 1)];
        let taken = seat.behind.compare_exchange(0, lock + 1, SeqCst, Relaxed);
        // Made only then: once it is dropped the seat is free.
        taken.is_ok().then(|| Sitting { seat, lock })
    }

    pub(crate) fn count(&self) -> usize {
        self.seats.len()
    }

    /// Waits until nobody is in that was when this was called.
    pub(crate) fn wait_for_readers(&self, lock: u32) {
        for seat in &self.seats {
            let mut turn = 0;
            while seat.behind.load(SeqCst) == lock + 1 {
                pause(turn);
                turn += 1;
            }
        }
    }

    /// How often somebody has looked since this was asked last. To be called while nobody
    /// is in.
    pub(crate) fn take_looks(&self, lock: u32) -> usize {
        let counts = self.seats.iter().map(|seat| seat.count(lock));
        // They are looked at before they are written to: most are 0.
        let some = counts.filter(|count| count.load(Relaxed) != 0);
        some.map(|count| count.swap(0, Relaxed)).sum()
    }
}

impl Seat {
    #[inline]
    fn count(&self, lock: u32) -> &AtomicUsize {
        let lock = lock as usize;
        &self.looks[lock / COUNTS_PER_LINE].0[lock % COUNTS_PER_LINE]
    }
}

impl Sitting<'_> {
    /// Counts it as a look.
    #[inline]
    pub(crate) fn count(&self) {
        // Nobody else counts for this lock on this seat meanwhile.
        let count = self.seat.count(self.lock);
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

impl Drop for Sitting<'_> {
    #[inline]
    fn drop(&mut self) {
        self.seat.behind.store(0, Release);
    }
}
