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

/// When something was, by the clock and in the order of the partition's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) now_ms: u64,
    /// The last operation before it.
    pub(super) seq: u64,
}

#[derive(Debug)]
pub(super) struct Lease {
    /// Of the token. Of one that waited before it is the number that it waited under.
    pub(super) number: u64,
    /// None: the one that waited has not come for it yet, or it rests.
    pub(super) taken: Option<Taken>,
    /// When the token was given.
    pub(super) since: Since,
    pub(super) until_ms: u64,
    /// The origin has failed whoever held it: nobody refreshes the value for a while. Then
    /// nobody waits either.
    pub(super) rests: bool,
    pub(super) waiters: Waiters,
}

impl Lease {
    /// Gives the lease to the one that has waited longest, and returns how to tell it.
    /// None: nobody waits.
    pub(super) fn pass_on(&mut self, since: Since) -> Option<Waker> {
        let (number, waiter) = self.waiters.pop_first()?;
        self.number = number;
        self.taken = None;
        self.since = since;
        self.until_ms = since.now_ms.saturating_add(waiter.lease_ms);
        Some(waiter.waker)
    }

    /// Whether the one with this number may come for the token.
    pub(super) fn is_kept_for(&self, number: u64) -> bool {
        self.number == number && self.taken.is_none() && !self.rests
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
