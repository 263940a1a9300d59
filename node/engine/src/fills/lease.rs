//! A lease: who may load a key, until when, and who waits for that, in the order in which
//! they came.

use std::collections::BTreeMap;
use std::task::Waker;

/// By number, which rises: the first has waited longest.
pub(super) type Waiters = BTreeMap<u64, Waiter>;

/// A caller that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) waker: Waker,
    /// How long it may load, if it comes to that.
    pub(super) lease_ms: u64,
}

/// Who has taken a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) holder: u64,
    pub(super) secret: u64,
}

#[derive(Debug)]
pub(super) struct Lease {
    /// Of the token. Of one that waited before it is the number that it waited under.
    pub(super) number: u64,
    /// None: the one that waited has not come for it yet.
    pub(super) taken: Option<Taken>,
    pub(super) until_ms: u64,
    pub(super) waiters: Waiters,
}

impl Lease {
    /// Gives the lease to the one that has waited longest, and returns how to tell it.
    /// None: nobody waits.
    pub(super) fn pass_on(&mut self, now_ms: u64) -> Option<Waker> {
        let (number, waiter) = self.waiters.pop_first()?;
        self.number = number;
        self.taken = None;
        self.until_ms = now_ms.saturating_add(waiter.lease_ms);
        Some(waiter.waker)
    }
}

/// Whom to wake, once no lock is held.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Woken {
    /// Those who were given a token.
    pub(super) given: Vec<Waker>,
    /// Those who look again: whole lists, which costs the lock's holder nothing.
    pub(super) lists: Vec<Waiters>,
}

impl Woken {
    pub(crate) fn wake(self) {
        self.given.into_iter().for_each(Waker::wake);
        let waiters = self.lists.into_iter().flat_map(Waiters::into_values);
        waiters.for_each(|waiter| waiter.waker.wake());
    }
}
