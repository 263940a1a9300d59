//! Eviction: which live entry is given up when the memory is full.
//!
//! A [`Policy`] keeps the entries of one partition in queues of its own, through
//! each entry's two `queue` links and its `rank` of five bits. It sees admissions,
//! hits and removals, and names a victim when asked. It never allocates by itself
//! but for what it charges to the ledger in [`Policy::provision`].
//!
//! Expired entries are none of its business: [`crate::room`] reclaims those first.

mod ages;
mod ghost;
mod lfu;
mod lru;
mod none;
mod order;
mod s3fifo;
mod transition;

use std::sync::Arc;

#[cfg(test)]
pub(crate) use ages::MARK;
pub(crate) use order::{
    ANYBODY, Due, MAIN, NOBODY, NOBODY_YET, Order, QUEUES, SLACK_MAX, SMALL, Stamp,
};

use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Chain;
use crate::memory::{Ledger, allocated};
use crate::settings::Eviction;

/// What a policy must do. `hash` is the keyed hash of the entry's key.
pub(crate) trait Policy: Send + Sync {
    /// A new entry. Its rank is 0 and its links are free.
    fn admit(&mut self, heap: &mut Heap, handle: Handle, hash: u64);

    /// A read or an overwrite found the entry.
    fn hit(&mut self, heap: &mut Heap, handle: Handle);

    /// Whether [`Policy::hit`] may change anything now.
    fn heeds_hit(&self, _heap: &Heap, _handle: Handle) -> bool {
        true
    }

    /// The entry leaves, for whatever reason but eviction.
    fn forget(&mut self, heap: &mut Heap, handle: Handle);

    /// When the fronts of the queues came, by [`Order::gives`]: whom `victim` would name, or
    /// pass over, first. A policy of one queue says it twice.
    fn oldest(&self) -> [Stamp; QUEUES];

    /// The entry to give up next, if it is due; it is still linked. None: nothing is given
    /// up.
    fn victim(&mut self, heap: &mut Heap, due: Due) -> Option<Handle>;

    /// How many entries the last search for a victim moved on instead. Where it named
    /// nobody, and this is not 0, it is to be asked again.
    fn passed_over(&self) -> usize {
        0
    }

    /// The victim leaves.
    fn evict(&mut self, heap: &mut Heap, handle: Handle, hash: u64);

    /// The entry lies at `handle` now, its links and its rank unchanged.
    fn moved(&mut self, heap: &mut Heap, handle: Handle);

    /// The entry takes `new_bytes` instead of `old_bytes`.
    fn resized(&mut self, _heap: &Heap, _handle: Handle, _old_bytes: usize, _new_bytes: usize) {}

    /// Allocates, if the ledger allows it, what evicting from `entries` entries takes.
    /// False: it wants more than the ledger gave.
    fn provision(&mut self, _entries: usize, _ledger: &mut Ledger) -> bool {
        true
    }

    /// What the ledger should hold for this policy.
    fn charged_bytes(&self) -> usize {
        0
    }

    /// Gives up all entries, who would go first at the front. The policy is dropped next.
    fn release(&mut self, heap: &mut Heap) -> Option<Chain>;

    /// Takes over all entries of the partition from another policy, in constant time. Each
    /// has the rank that [`rank_taken_over`] says. This policy held nothing before.
    fn take_over(&mut self, heap: &mut Heap, chain: Chain);

    /// Whether there is nothing to go on with.
    fn is_settled(&self) -> bool {
        true
    }

    /// Goes on with what takes long: up to `budget` entries of it.
    fn turn(&mut self, _heap: &mut Heap, _budget: usize) -> Turned {
        Turned::Settled
    }

    /// Checks the policy's invariants and returns every entry it keeps.
    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String>;
}

/// What a turn has come to.
pub(crate) enum Turned {
    /// There is nothing to go on with.
    Settled,
    /// There is more.
    OnItsWay,
    /// This policy has given all entries to that one, which stands in its place now.
    Into(Box<dyn Policy>),
}

/// What the policy itself takes, queues included, whichever it is.
pub(crate) const POLICY_BYTES_MAX: usize = {
    let (s3fifo, lfu) = (size_of::<s3fifo::S3Fifo>(), size_of::<lfu::Lfu>());
    allocated(if s3fifo > lfu { s3fifo } else { lfu })
};

/// A fresh policy. `seed` is for those that draw by lot.
pub(crate) fn policy(eviction: Eviction, seed: u64, order: Arc<Order>) -> Box<dyn Policy> {
    match eviction {
        Eviction::S3Fifo => Box::new(s3fifo::S3Fifo::new(order)),
        Eviction::Lru => Box::new(lru::Lru::new(order)),
        Eviction::Lfu => Box::new(lfu::Lfu::new(seed, order)),
        Eviction::None => Box::new(none::Nothing::new()),
    }
}

/// The rank with which a policy takes over an entry that another one kept.
fn rank_taken_over(by: Eviction) -> u8 {
    match by {
        Eviction::S3Fifo => s3fifo::RANK_TAKEN_OVER,
        Eviction::Lru | Eviction::Lfu | Eviction::None => 0,
    }
}

/// What stands in while the entries of one policy, as it gave them up, go to another.
pub(crate) fn transition(
    heap: &mut Heap,
    chain: Option<Chain>,
    to: Eviction,
    seed: u64,
    order: Arc<Order>,
) -> Box<dyn Policy> {
    Box::new(transition::Transition::new(heap, chain, to, seed, order))
}
