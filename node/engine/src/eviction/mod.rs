//! Eviction: which live entry is given up when the memory is full.
//!
//! A [`Policy`] keeps the entries of one partition in queues of its own, through
//! each entry's two `queue` links and its `rank` of five bits. It sees admissions,
//! hits and removals, and names a victim when asked. It never allocates by itself
//! but for what it charges to the ledger in [`Policy::provision`].
//!
//! Expired entries are none of its business: [`crate::room`] reclaims those first.

mod ghost;
mod lfu;
mod lru;
mod none;
mod s3fifo;

use crate::handle::Handle;
use crate::heap::Heap;
use crate::memory::{Ledger, allocated};
use crate::settings::Eviction;

/// What a policy must do. `hash` is the keyed hash of the entry's key.
pub(crate) trait Policy: Send {
    /// A new entry. Its rank is 0 and its links are free.
    fn admit(&mut self, heap: &mut Heap, handle: Handle, hash: u64);

    /// A read or an overwrite found the entry.
    fn hit(&mut self, heap: &mut Heap, handle: Handle);

    /// The entry leaves, for whatever reason but eviction.
    fn forget(&mut self, heap: &mut Heap, handle: Handle);

    /// The entry to give up next; it is still linked. None: nothing is given up.
    fn victim(&mut self, heap: &mut Heap) -> Option<Handle>;

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

    /// Checks the policy's invariants and returns every entry it keeps.
    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String>;
}

/// What the policy itself takes, queues included, whichever it is.
pub(crate) const POLICY_BYTES_MAX: usize = allocated(size_of::<lfu::Lfu>());

/// A fresh policy. `seed` is for those that draw by lot.
pub(crate) fn policy(eviction: Eviction, seed: u64) -> Box<dyn Policy> {
    match eviction {
        Eviction::S3Fifo => Box::new(s3fifo::S3Fifo::new()),
        Eviction::Lru => Box::new(lru::Lru::new()),
        Eviction::Lfu => Box::new(lfu::Lfu::new(seed)),
        Eviction::None => Box::new(none::Nothing::new()),
    }
}
