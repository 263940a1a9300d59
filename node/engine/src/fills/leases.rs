//! The leases of one partition, by key. They exist while there are any.
//!
//! What they take is charged by bounds, because a tree does not tell what it allocated: a
//! node holds 11 places, and at least 5 of them are taken unless it is the only one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::lease::{Lease, Since, Taken, Waiter, Woken};
use super::{Crowd, NEVER_MS};
use crate::memory::allocated;

/// Places of a node of a tree, and what stands beside them.
const NODE_PLACES: usize = 11;
const NODE_HEADER_BYTES: usize = 16;
/// Of those, so many are taken at least.
const NODE_TAKEN_MIN: usize = 5;

/// At most, of one place that is taken in a tree of many nodes, those above included.
const fn place_bytes<K, V>() -> usize {
    let node_bytes = node_bytes::<K, V>();
    (node_bytes + node_bytes / NODE_TAKEN_MIN).div_ceil(NODE_TAKEN_MIN)
}

const fn node_bytes<K, V>() -> usize {
    let upwards = 8 * (NODE_PLACES + 1);
    allocated(NODE_PLACES * (size_of::<K>() + size_of::<V>()) + NODE_HEADER_BYTES + upwards)
}

/// A caller that waits.
pub(super) const WAITER_BYTES: usize = place_bytes::<u64, Waiter>();
/// The first one of a lease, besides.
const FIRST_NODE_BYTES: usize = node_bytes::<u64, Waiter>();
/// What there is while there is a lease.
pub(super) const FIXED_BYTES: usize =
    allocated(size_of::<Leases>()) + node_bytes::<Box<[u8]>, Box<Lease>>();

/// A lease, with the first node of its list.
pub(super) const fn lease_bytes(key_bytes: usize) -> usize {
    allocated(key_bytes)
        + allocated(size_of::<Lease>())
        + place_bytes::<Box<[u8]>, Box<Lease>>()
        + FIRST_NODE_BYTES
}

pub(crate) struct Leases {
    by_key: BTreeMap<Box<[u8]>, Box<Lease>>,
    waiters: usize,
    charged_bytes: usize,
    /// None ends before.
    first_end_ms: u64,
    pub(super) crowd: Arc<Crowd>,
}

/// What became of leases: how many bytes they give back, and whom to wake.
#[derive(Default)]
pub(super) struct Parted {
    pub(super) bytes: usize,
    pub(super) woken: Woken,
}

impl Leases {
    /// Charge [`FIXED_BYTES`] for it.
    pub(super) fn new(crowd: Arc<Crowd>) -> Leases {
        Leases {
            by_key: BTreeMap::new(),
            waiters: 0,
            charged_bytes: FIXED_BYTES,
            first_end_ms: NEVER_MS,
            crowd,
        }
    }

    pub(crate) fn charged_bytes(&self) -> usize {
        self.charged_bytes
    }

    pub(crate) fn first_end_ms(&self) -> u64 {
        self.first_end_ms
    }

    /// Behind which operation the oldest token was given. Looks at each.
    pub(crate) fn oldest_since_seq(&self) -> Option<u64> {
        self.by_key.values().map(|lease| lease.since.seq).min()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Lease> {
        self.by_key.get(key).map(|lease| &**lease)
    }

    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Lease> {
        self.by_key.get_mut(key).map(|lease| &mut **lease)
    }

    /// A lease that was charged and counted. The key has none.
    pub(super) fn give(
        &mut self,
        key: &[u8],
        number: u64,
        taken: Taken,
        since: Since,
        until_ms: u64,
    ) {
        let lease = Lease {
            number,
            taken: Some(taken),
            since,
            until_ms,
            rests: false,
            waiters: BTreeMap::new(),
        };
        let before = self.by_key.insert(key.into(), Box::new(lease));
        debug_assert!(before.is_none(), "a key has one lease");
        self.charged_bytes += lease_bytes(key.len());
        self.first_end_ms = self.first_end_ms.min(until_ms);
    }

    /// A caller that was charged and counted waits for the key's lease.
    pub(super) fn add_waiter(&mut self, key: &[u8], number: u64, waiter: Waiter) {
        if let Some(lease) = self.by_key.get_mut(key) {
            lease.waiters.insert(number, waiter);
            self.waiters += 1;
            self.charged_bytes += WAITER_BYTES;
        }
    }

    /// A caller waits no longer. False: it did not.
    pub(super) fn remove_waiter(&mut self, key: &[u8], number: u64, parted: &mut Parted) -> bool {
        let lease = self.by_key.get_mut(key);
        let was_there = lease.is_some_and(|lease| lease.waiters.remove(&number).is_some());
        if was_there {
            self.fewer(0, 1, WAITER_BYTES, parted);
        }
        was_there
    }

    /// Whoever waits for the key's lease looks again, and there is none any more.
    pub(super) fn end(&mut self, key: &[u8], parted: &mut Parted) {
        if let Some((key, lease)) = self.by_key.remove_entry(key) {
            let waiters = lease.waiters;
            let bytes = lease_bytes(key.len()) + waiters.len() * WAITER_BYTES;
            self.fewer(1, waiters.len(), bytes, parted);
            if !waiters.is_empty() {
                parted.woken.lists.push(waiters);
            }
        }
    }

    /// The key's lease goes to the one that has waited longest, or ends.
    pub(super) fn pass_on(&mut self, key: &[u8], since: Since, parted: &mut Parted) {
        let Some(lease) = self.by_key.get_mut(key) else {
            return;
        };
        match lease.pass_on(since) {
            None => self.end(key, parted),
            Some(waker) => {
                self.first_end_ms = self.first_end_ms.min(lease.until_ms);
                self.was_passed(waker, parted);
            }
        }
    }

    /// Nobody holds the key's lease until then, and nobody waits for it.
    pub(super) fn rest(&mut self, key: &[u8], until_ms: u64) {
        if let Some(lease) = self.by_key.get_mut(key) {
            lease.taken = None;
            lease.rests = true;
            lease.until_ms = until_ms;
            self.first_end_ms = self.first_end_ms.min(until_ms);
        }
    }

    /// As [`Leases::pass_on`], all that this is true of. Looks at each.
    pub(super) fn pass_on_where(
        &mut self,
        since: Since,
        parted: &mut Parted,
        is_over: impl Fn(&Lease) -> bool,
    ) {
        let mut by_key = std::mem::take(&mut self.by_key);
        self.first_end_ms = NEVER_MS;
        by_key.retain(|key, lease| {
            if is_over(lease) {
                match lease.pass_on(since) {
                    None => {
                        self.fewer(1, 0, lease_bytes(key.len()), parted);
                        return false;
                    }
                    Some(waker) => self.was_passed(waker, parted),
                }
            }
            self.first_end_ms = self.first_end_ms.min(lease.until_ms);
            true
        });
        self.by_key = by_key;
    }

    fn was_passed(&mut self, waker: std::task::Waker, parted: &mut Parted) {
        parted.woken.given.push(waker);
        self.crowd.passed.fetch_add(1, Relaxed);
        self.fewer(0, 1, WAITER_BYTES, parted);
    }

    fn fewer(&mut self, leases: usize, waiters: usize, bytes: usize, parted: &mut Parted) {
        self.crowd.remove(leases, waiters);
        self.waiters -= waiters;
        self.charged_bytes -= bytes;
        parted.bytes += bytes;
    }

    /// Everyone who waits, of whatever key.
    pub(super) fn into_woken(mut self) -> Woken {
        let by_key = std::mem::take(&mut self.by_key);
        self.crowd.remove(by_key.len(), self.waiters);
        self.waiters = 0;
        let lists = by_key.into_values().map(|lease| lease.waiters);
        Woken {
            given: Vec::new(),
            lists: lists.filter(|waiters| !waiters.is_empty()).collect(),
        }
    }

    /// Checks the module's invariants.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.by_key.is_empty() {
            return Err("leases are kept where there are none".into());
        }
        let waiters: usize = self.by_key.values().map(|it| it.waiters.len()).sum();
        if waiters != self.waiters {
            return Err(format!(
                "{waiters} who wait are counted as {}",
                self.waiters
            ));
        }
        let leases = self.by_key.keys().map(|key| lease_bytes(key.len()));
        let bytes = FIXED_BYTES + leases.sum::<usize>() + waiters * WAITER_BYTES;
        if bytes != self.charged_bytes {
            return Err(format!(
                "{bytes} bytes of leases are counted as {}",
                self.charged_bytes
            ));
        }
        let first_ms = self.by_key.values().map(|it| it.until_ms).min();
        if first_ms < Some(self.first_end_ms) {
            return Err("a lease ends before the first end".into());
        }
        for lease in self.by_key.values() {
            let first = lease.waiters.keys().next();
            if first.is_some_and(|&first| first <= lease.number) {
                return Err("somebody waits since before the token was given".into());
            }
            if lease.rests && (lease.taken.is_some() || first.is_some()) {
                return Err("somebody holds a lease that rests, or waits for it".into());
            }
        }
        Ok(())
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.crowd.remove(self.by_key.len(), self.waiters);
    }
}
