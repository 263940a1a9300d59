//! How many leases and waiting callers there are, over all partitions; what has become of
//! them; and the alarm by which whoever looks at the time learns of the next end.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Waker;

use super::NEVER_MS;
use crate::sync::{AtomicUsize, Mutex};

/// What there is, and what was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillCounts {
    /// Leases now.
    pub leases: u64,
    /// Callers that wait now.
    pub waiters: u64,
    /// Tokens given for a miss, or to refresh a value.
    pub given: u64,
    /// Tokens given to one who waited.
    pub passed: u64,
    /// Values stored with a token.
    pub stored: u64,
    /// Values refused because their token was void.
    pub void: u64,
    /// Callers whose own time ran out.
    pub ran_out: u64,
    /// Callers refused because there were too many.
    pub full: u64,
}

#[derive(Default)]
pub(crate) struct Crowd {
    leases: AtomicUsize,
    waiters: AtomicUsize,
    pub(super) given: AtomicUsize,
    pub(super) passed: AtomicUsize,
    pub(super) stored: AtomicUsize,
    pub(super) void: AtomicUsize,
    pub(super) ran_out: AtomicUsize,
    pub(super) full: AtomicUsize,
    alarm: Alarm,
}

/// When somebody looks at the leases next, and how to have it look earlier.
struct Alarm {
    /// An earlier end than this is to be told.
    set_for_ms: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm {
            // Nobody has asked to be told.
            set_for_ms: AtomicUsize::new(0),
            waker: Mutex::new(None),
        }
    }
}

impl Crowd {
    pub(super) fn add_lease(&self, max: usize) -> bool {
        take_one(&self.leases, max)
    }

    pub(super) fn add_waiter(&self, max: usize) -> bool {
        take_one(&self.waiters, max)
    }

    pub(super) fn remove(&self, leases: usize, waiters: usize) {
        self.leases.fetch_sub(leases, Relaxed);
        self.waiters.fetch_sub(waiters, Relaxed);
    }

    pub(super) fn counts(&self) -> FillCounts {
        let read = |counter: &AtomicUsize| counter.load(Relaxed) as u64;
        FillCounts {
            leases: read(&self.leases),
            waiters: read(&self.waiters),
            given: read(&self.given),
            passed: read(&self.passed),
            stored: read(&self.stored),
            void: read(&self.void),
            ran_out: read(&self.ran_out),
            full: read(&self.full),
        }
    }

    /// A lease ends at this time, and whoever asks for the ends is told so by now.
    pub(super) fn ends_at(&self, end_ms: u64) {
        if end_ms < self.alarm.set_for_ms.load(SeqCst) as u64 {
            let waker = self.alarm.waker.lock().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes `waker` once a lease is to end before all that `first_end_ms` tells of.
    /// Returns that.
    pub(super) fn set_alarm(&self, waker: &Waker, first_end_ms: impl FnOnce() -> u64) -> u64 {
        let mut kept = self.alarm.waker.lock();
        *kept = Some(waker.clone());
        // Whoever gives a lease from now on comes here, and waits: what came before is
        // seen below.
        self.alarm.set_for_ms.store(usize::MAX, SeqCst);
        let first_ms = first_end_ms();
        if first_ms != NEVER_MS {
            self.alarm.set_for_ms.store(first_ms as usize, SeqCst);
        }
        first_ms
    }
}

fn take_one(count: &AtomicUsize, max: usize) -> bool {
    let more = |count: usize| (count < max).then_some(count + 1);
    count.fetch_update(Relaxed, Relaxed, more).is_ok()
}
