//! A partition: its entries and everything that knows them, under one lock.
//!
//! ```text
//!              index (key -> handle)
//!                        │
//!   policy (queues) ── entry ── wheel (deadlines)
//!                        │
//!              heap (the bytes), ledger (what they cost)
//! ```
//!
//! Invariants, walked by [`Partition::validate`]:
//! - the index, the policy and the heap hold the same entries, the wheel those of
//!   them that expire;
//! - `sequence` is the number of operations applied since the partition was opened,
//!   and no entry's is above it;
//! - the ledger holds exactly what the parts cost.
//!
//! The operations stand in [`crate::operations`], one a file; making room for them
//! in [`crate::room`]. Whoever removes or adds an entry does it through this file.
//!
//! Non-goals: locking, other partitions, limits on keys and values (all in
//! [`crate::engine`]).

use std::mem::offset_of;
use std::sync::Arc;

use crate::entry::{self, DEADLINE_LIMIT_MS, Draft, Links};
use crate::eviction::{self, Due, NOBODY_YET, Order, Policy};
use crate::expiry::Wheel;
use crate::fills::{Leases, Woken};
use crate::handle::Handle;
use crate::heap::{self, Heap, LARGE_FROM_BYTES};
use crate::index::{Index, Keyed};
use crate::memory::{Account, Ledger};
use crate::replication::{Lineage, Log, Position, Recent, Restore, Role, Share};
use crate::request::{Now, Version};
use crate::settings::Eviction;
use crate::stats::Tally;
use crate::tags::Invalidations;
use crate::work::Work;

/// The partition's own time starts this long before the first time that it is told,
/// so that a thread which read the clock a little earlier is still exact.
const START_MARGIN_MS: u64 = 24 * 3600 * 1000;

/// In the order in which it lies in memory: first what a read looks at, so that it is on few
/// lines (see [`mod@crate::whereabouts`]), then all the rest.
#[repr(C)]
pub(crate) struct Partition {
    /// None: it was told no time yet.
    pub(crate) start_ms: Option<u64>,
    pub(crate) tally: Tally,
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) lineage: Lineage,
    pub(crate) role: Role,
    /// Whether the policy has what it asked for.
    pub(crate) is_provisioned: bool,
    /// What is idle at the end of a segment goes back to the account, for now.
    pub(crate) gives_ends: bool,
    /// Whether it is large enough to let entries leave ahead of need.
    pub(crate) leaves_ahead: bool,
    pub(crate) tags: Invalidations,
    pub(crate) index: Index,
    pub(crate) heap: Heap,
    /// Of a primary its own; else the highest that was heard of.
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    /// None: nobody wants to be told.
    pub(crate) log: Option<Box<Log>>,
    pub(crate) recent: Recent,
    pub(crate) restore: Option<Restore>,
    pub(crate) share: Option<Share>,
    /// None: nobody loads anything.
    pub(crate) fills: Option<Box<Leases>>,
    /// Whom to wake once the lock is released.
    pub(crate) woken: Option<Box<Woken>>,
    /// No other partition of this engine has had it.
    pub(crate) life: u64,
    pub(crate) entries: usize,
    /// Keys and values of all entries, without anything around them.
    pub(crate) payload_bytes: usize,
    /// None until the first entry that expires.
    pub(crate) wheel: Option<Box<Wheel>>,
    pub(crate) order: Arc<Order>,
    /// Who may be evicted for the partition's own sake, and how many may be before that is
    /// looked at anew.
    pub(crate) due: Due,
    pub(crate) due_count: usize,
    pub(crate) work: Work,
    /// Segments that were slid, and no write got room by that, since an entry left.
    pub(crate) slid_in_vain: usize,
    /// Dropped last: what is above is paid for until it is gone.
    pub(crate) ledger: Ledger,
}

/// So far from its beginning lies what a read looks at.
pub(crate) const READ_BYTES: usize = offset_of!(Partition, heap) + heap::READ_BYTES;

/// Why an entry leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    Deleted,
    Expired,
    Evicted,
    /// One of its tags was invalidated.
    Void,
    /// The primary removed it, or this copy has no room for it.
    Mirrored,
}

impl Partition {
    pub(crate) fn new(
        epoch: u64,
        role: Role,
        life: u64,
        eviction: Eviction,
        keyed: Keyed,
        account: Arc<Account>,
        order: Arc<Order>,
    ) -> Self {
        let seed = keyed.hash(&epoch.to_le_bytes());
        let mut ledger = Ledger::new(account);
        let mut lineage = Lineage::default();
        if role == Role::Primary {
            let begun = lineage.begin(epoch, 1, &mut ledger);
            debug_assert!(begun || epoch == 0, "nothing was before");
        }
        Partition {
            epoch,
            sequence: 0,
            role,
            lineage,
            log: None,
            recent: Recent::default(),
            restore: None,
            share: None,
            fills: None,
            tags: Invalidations::default(),
            woken: None,
            life,
            entries: 0,
            payload_bytes: 0,
            heap: Heap::default(),
            policy: eviction::policy(eviction, seed, Arc::clone(&order)),
            index: Index::new(keyed),
            wheel: None,
            is_provisioned: true,
            order,
            due: NOBODY_YET,
            due_count: 0,
            gives_ends: false,
            tally: Tally::default(),
            work: Work::default(),
            leaves_ahead: false,
            slid_in_vain: 0,
            ledger,
            start_ms: None,
        }
    }

    /// `now` in the partition's own time.
    pub(crate) fn own_time_ms(&mut self, now: Now) -> u64 {
        let start_ms = *self
            .start_ms
            .get_or_insert(now.0.saturating_sub(START_MARGIN_MS));
        now.0.saturating_sub(start_ms)
    }

    pub(crate) fn version(&self, handle: Handle) -> Version {
        self.version_of(self.heap.sequence(handle))
    }

    pub(crate) fn version_of(&self, seq: u64) -> Version {
        Version {
            epoch: self.lineage.epoch_of(seq),
            seq,
        }
    }

    /// Where the copy is. While it is being restored it is nowhere.
    pub(crate) fn position(&self) -> Position {
        match self.role {
            Role::Restoring => Position::NOTHING,
            Role::Primary | Role::Follower => self.lineage.position(self.sequence),
        }
    }

    /// The sequence of an operation that is being applied.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The entry of a key. One whose time is over, or that is void, is removed first.
    pub(crate) fn find(&mut self, hash: u64, key: &[u8], now_ms: u64) -> Option<Handle> {
        let handle = self.index.find(&self.heap, hash, key)?;
        if is_expired(self.heap.entry(handle), now_ms) {
            self.remove(handle, hash, Leaves::Expired);
            return None;
        }
        if self.is_void(handle) {
            self.remove(handle, hash, Leaves::Void);
            return None;
        }
        Some(handle)
    }

    /// Overwrites an entry without moving it, where the heap says that it fits.
    pub(crate) fn overwrite(&mut self, handle: Handle, draft: &Draft<'_>) {
        self.unlink_deadline(handle);
        self.payload_bytes -= entry::payload_bytes(self.heap.entry(handle));
        self.payload_bytes += draft.payload_bytes();
        self.tags.entries -= self.is_tagged(handle);
        self.heap.overwrite(handle, draft);
        self.tags.entries += self.is_tagged(handle);
        self.link_deadline(handle);
        self.policy.hit(&mut self.heap, handle);
    }

    /// Adds an entry that room was made for, in the place of `standing` in every
    /// queue and chain if there is one.
    pub(crate) fn store(&mut self, hash: u64, draft: &Draft<'_>, standing: Option<Handle>) {
        let new = self.heap.append(draft);
        self.payload_bytes += draft.payload_bytes();
        self.tags.entries += self.is_tagged(new);
        match standing {
            None => {
                self.index.insert(&mut self.heap, hash, new);
                self.policy.admit(&mut self.heap, new, hash);
                self.entries += 1;
                self.adapt_index();
            }
            Some(old) => {
                self.unlink_deadline(old);
                let (old_bytes, new_bytes) = self.inherit(old, new);
                self.index.moved(&mut self.heap, hash, old, new);
                self.policy.moved(&mut self.heap, new);
                self.policy.resized(&self.heap, new, old_bytes, new_bytes);
                self.policy.hit(&mut self.heap, new);
                self.payload_bytes -= entry::payload_bytes(self.heap.entry(old));
                self.tags.entries -= self.is_tagged(old);
                self.heap.free(old, &mut self.ledger);
            }
        }
        self.link_deadline(new);
        self.clean_ahead(draft.bytes().min(LARGE_FROM_BYTES));
    }

    /// Copies the links and the rank of one entry to another; returns their sizes.
    fn inherit(&mut self, old: Handle, new: Handle) -> (usize, usize) {
        let entry = self.heap.entry(old);
        let (chain, rank) = (entry::chain(entry), entry::rank(entry));
        let before = entry::before(entry, Links::Queue);
        let after = entry::after(entry, Links::Queue);
        let old_bytes = entry::bytes(entry);
        let entry = self.heap.entry_mut(new);
        entry::set_chain(entry, chain);
        entry::set_rank(entry, rank);
        entry::set_before(entry, Links::Queue, before);
        entry::set_after(entry, Links::Queue, after);
        (old_bytes, entry::bytes(entry))
    }

    pub(crate) fn remove(&mut self, handle: Handle, hash: u64, why: Leaves) {
        self.index.remove(&mut self.heap, hash, handle);
        self.unlink_deadline(handle);
        match why {
            Leaves::Evicted => self.policy.evict(&mut self.heap, handle, hash),
            Leaves::Expired | Leaves::Deleted | Leaves::Void | Leaves::Mirrored => {
                self.policy.forget(&mut self.heap, handle);
            }
        }
        match why {
            Leaves::Evicted => self.tally.evicted += 1,
            Leaves::Expired => self.tally.expired += 1,
            Leaves::Deleted | Leaves::Void | Leaves::Mirrored => {}
        }
        if self.log.is_some() && !matches!(why, Leaves::Deleted | Leaves::Void) {
            self.tell_removed(handle);
        }
        self.payload_bytes -= entry::payload_bytes(self.heap.entry(handle));
        self.tags.entries -= self.is_tagged(handle);
        self.heap.free(handle, &mut self.ledger);
        self.entries -= 1;
        self.work.add_entries(1);
        self.slid_in_vain = 0;
        self.adapt_index();
    }

    fn adapt_index(&mut self) {
        let moved = self
            .index
            .adapt(&mut self.heap, self.entries, &mut self.ledger);
        self.work.add_entries(moved);
    }

    pub(crate) fn hash_of(&self, handle: Handle) -> u64 {
        self.index.hash(entry::key(self.heap.entry(handle)))
    }

    /// Changes the deadline of an entry that has one.
    pub(crate) fn set_deadline(&mut self, handle: Handle, deadline_ms: u64) {
        self.unlink_deadline(handle);
        entry::set_deadline_ms(self.heap.entry_mut(handle), deadline_ms);
        self.link_deadline(handle);
    }

    fn link_deadline(&mut self, handle: Handle) {
        if entry::expires(self.heap.entry(handle)) {
            let wheel = self
                .wheel
                .as_mut()
                .expect("room was made for an entry that expires");
            wheel.link(&mut self.heap, handle);
        }
    }

    fn unlink_deadline(&mut self, handle: Handle) {
        if entry::expires(self.heap.entry(handle)) {
            let wheel = self
                .wheel
                .as_mut()
                .expect("an entry that expires is in the wheel");
            wheel.unlink(&mut self.heap, handle);
        }
    }
}

/// None where there is no time to live. Times past the limit are cut to it.
pub(crate) fn deadline_ms(ttl_ms: u64, now_ms: u64) -> Option<u64> {
    (ttl_ms > 0).then(|| now_ms.saturating_add(ttl_ms).min(DEADLINE_LIMIT_MS - 1))
}

pub(crate) fn is_expired(entry: &[u8], now_ms: u64) -> bool {
    entry::deadline_ms(entry).is_some_and(|deadline_ms| deadline_ms <= now_ms)
}
