//! The index: from a key to its handle.
//!
//! A hash table with chains through the entries (their `chain` field), whose heads
//! are added one at a time: *linear hashing*. Adding a head splits one chain, which
//! is two or three entries long, so the table never stops to be rebuilt, however
//! large it is, and never jumps in size: 4 bytes for the chain and 2 to 4 for the
//! head an entry, always. A power-of-two table of 32-bit handles would take 5.7 to
//! 11.4 and rehash a whole partition at once.
//!
//! Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980;
//! in memory: Larson, "Dynamic hash tables", CACM 31(4), 1988.
//!
//! Invariants: `round` is a power of two, `round <= heads < 2 * round`; an entry is
//! in the chain of the head that its hash names, exactly once.
//!
//! The hash is keyed per process (see [`Keyed`]), so nobody outside can choose keys
//! that share a chain. The public slot hash is never used here.

use std::hash::Hasher;
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use crate::entry;
use crate::handle::{Handle, Link};
use crate::heap::Heap;
use crate::memory::Ledger;
use crate::table::Table;

/// Heads are allocated so many at a time; a table begins with this many.
const PAGE: usize = 128;
/// A head is added when there are more entries for each than this,
const ENTRIES_PER_HEAD_MAX: usize = 2;
/// and taken away when there are fewer than this.
const ENTRIES_PER_HEAD_MIN: usize = 1;
/// Where the memory is full chains may grow so long; past that an insertion waits until
/// there is room for another page of heads.
const ENTRIES_PER_HEAD_FULL: usize = 3;

/// The keyed hash of the tables.
#[derive(Clone)]
pub(crate) struct Keyed {
    seed: u64,
    shared: Arc<SharedSeed>,
}

impl Keyed {
    pub(crate) fn new(seed: u64) -> Keyed {
        Keyed {
            seed,
            shared: Arc::new(SharedSeed::from_u64(seed.rotate_left(32))),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}

pub(crate) struct Index {
    keyed: Keyed,
    links: Table<Link, PAGE>,
    /// How many of them are in use.
    heads: usize,
    round: usize,
}

impl Index {
    pub(crate) fn new(keyed: Keyed) -> Index {
        Index {
            keyed,
            links: Table::default(),
            heads: 0,
            round: 0,
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.keyed.hash(key)
    }

    #[inline]
    pub(crate) fn find(&self, heap: &Heap, hash: u64, key: &[u8]) -> Option<Handle> {
        if self.heads == 0 {
            return None;
        }
        let mut at = self.head(self.head_of(hash));
        while let Some(handle) = at.handle() {
            let entry = heap.entry(handle);
            if entry::is_of(entry, key) {
                return Some(handle);
            }
            at = entry::chain(entry);
        }
        None
    }

    /// The head of the chain that the key's entry would be in; it is not read.
    #[inline]
    pub(crate) fn chain(&self, hash: u64) -> Option<&Link> {
        (self.heads > 0).then(|| &self.links[self.head_of(hash)])
    }

    /// Finds an entry and makes it the first of its chain, so that what is asked for
    /// often is found at once. The lines that this writes were read on the way.
    #[inline]
    pub(crate) fn find_and_raise(
        &mut self,
        heap: &mut Heap,
        hash: u64,
        key: &[u8],
    ) -> Option<Handle> {
        if self.heads == 0 {
            return None;
        }
        let head = self.head_of(hash);
        let first = self.head(head);
        let mut before = None;
        let mut at = first;
        while let Some(handle) = at.handle() {
            let entry = heap.entry_mut(handle);
            let next = entry::chain(entry);
            if entry::is_of(entry, key) {
                if let Some(before) = before {
                    entry::set_chain(entry, first);
                    entry::set_chain(heap.entry_mut(before), next);
                    self.set_head(head, at);
                }
                return Some(handle);
            }
            before = Some(handle);
            at = next;
        }
        None
    }

    /// Makes sure that `insert` can be called; false where the memory is full.
    #[must_use]
    pub(crate) fn ready(&mut self, entries: usize, ledger: &mut Ledger) -> bool {
        let is_short = entries >= self.heads * ENTRIES_PER_HEAD_FULL;
        if is_short && self.heads == self.links.capacity() && !self.links.add_page(ledger) {
            return false;
        }
        if self.heads == 0 {
            (self.heads, self.round) = (PAGE, PAGE);
        }
        true
    }

    pub(crate) fn insert(&mut self, heap: &mut Heap, hash: u64, handle: Handle) {
        let head = self.head_of(hash);
        entry::set_chain(heap.entry_mut(handle), self.head(head));
        self.set_head(head, Link::to(handle));
    }

    pub(crate) fn remove(&mut self, heap: &mut Heap, hash: u64, handle: Handle) {
        let next = entry::chain(heap.entry(handle));
        self.point(heap, hash, handle, next);
    }

    /// The entry lies at `new` now; what pointed to `old` is told.
    pub(crate) fn moved(&mut self, heap: &mut Heap, hash: u64, old: Handle, new: Handle) {
        self.point(heap, hash, old, Link::to(new));
    }

    /// Makes what points at `old` point to `to`. The bytes at `old` are not read.
    fn point(&mut self, heap: &mut Heap, hash: u64, old: Handle, to: Link) {
        let head = self.head_of(hash);
        let mut at = self.head(head);
        if at == Link::to(old) {
            return self.set_head(head, to);
        }
        loop {
            let handle = at.handle().expect("the entry is in the chain of its hash");
            let next = entry::chain(heap.entry(handle));
            if next == Link::to(old) {
                return entry::set_chain(heap.entry_mut(handle), to);
            }
            at = next;
        }
    }

    /// Adds or takes away one head if the number of entries asks for it. To be
    /// called after every insertion and removal. Full memory only makes chains
    /// longer. Returns how many entries were moved between chains.
    pub(crate) fn adapt(&mut self, heap: &mut Heap, entries: usize, ledger: &mut Ledger) -> usize {
        if entries > self.heads * ENTRIES_PER_HEAD_MAX {
            self.split(heap, ledger)
        } else if entries < self.heads * ENTRIES_PER_HEAD_MIN && self.heads > PAGE {
            self.merge(heap, ledger)
        } else {
            0
        }
    }

    fn split(&mut self, heap: &mut Heap, ledger: &mut Ledger) -> usize {
        if self.heads == self.links.capacity() && !self.links.add_page(ledger) {
            return 0;
        }
        let mut moved = 0;
        let parent = self.heads - self.round;
        let mut at = self.head(parent);
        self.set_head(parent, Link::NONE);
        self.heads += 1;
        if self.heads == 2 * self.round {
            self.round = self.heads;
        }
        while let Some(handle) = at.handle() {
            let entry = heap.entry(handle);
            at = entry::chain(entry);
            let hash = self.hash(entry::key(entry));
            self.insert(heap, hash, handle);
            moved += 1;
        }
        moved
    }

    fn merge(&mut self, heap: &mut Heap, ledger: &mut Ledger) -> usize {
        let mut moved = 0;
        self.heads -= 1;
        let mut at = self.head(self.heads);
        self.set_head(self.heads, Link::NONE);
        if self.heads < self.round {
            self.round /= 2;
        }
        let parent = self.heads - self.round;
        while let Some(handle) = at.handle() {
            at = entry::chain(heap.entry(handle));
            entry::set_chain(heap.entry_mut(handle), self.head(parent));
            self.set_head(parent, Link::to(handle));
            moved += 1;
        }
        if self.heads.is_multiple_of(PAGE) {
            // One page may have been added that no head was taken from yet.
            while self.links.capacity() > self.heads {
                self.links.remove_page(ledger);
            }
        }
        moved
    }

    /// The chain that a hash is in, and the hash whose chain comes next, both with their
    /// bits reversed: in that order each chain is one stretch (see the snapshot). None:
    /// there is no next.
    pub(crate) fn chain_in_order(&self, reversed: u64) -> (Link, Option<u64>) {
        if self.heads == 0 {
            return (Link::NONE, None);
        }
        let hash = reversed.reverse_bits();
        let low = hash as usize & (self.round - 1);
        let is_split = low < self.heads - self.round;
        let bits = self.round.trailing_zeros() + u32::from(is_split);
        let stretch = 1_u64 << (u64::BITS - bits);
        let next = (reversed & !(stretch - 1)).checked_add(stretch);
        (self.head(self.head_of(hash)), next)
    }

    #[inline]
    fn head_of(&self, hash: u64) -> usize {
        let head = hash as usize & (2 * self.round - 1);
        if head < self.heads {
            head
        } else {
            head - self.round
        }
    }

    #[inline]
    fn head(&self, head: usize) -> Link {
        self.links[head]
    }

    #[inline]
    fn set_head(&mut self, head: usize, to: Link) {
        self.links[head] = to;
    }

    /// What the ledger should hold for this index.
    pub(crate) fn charged_bytes(&self) -> usize {
        self.links.charged_bytes()
    }

    /// Checks the module's invariants and returns every entry found.
    pub(crate) fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let in_round = self.round <= self.heads && self.heads < (2 * self.round).max(1);
        let spare = self.links.capacity().checked_sub(self.heads);
        if !in_round || spare.is_none_or(|spare| spare > 2 * PAGE) {
            return Err(format!(
                "the index has {} heads in round {}",
                self.heads, self.round
            ));
        }
        let mut found = Vec::new();
        for head in 0..self.heads {
            let mut at = self.head(head);
            while let Some(handle) = at.handle() {
                let entry = heap.entry(handle);
                if self.head_of(self.hash(entry::key(entry))) != head {
                    return Err(format!("{handle:?} is in the wrong chain"));
                }
                found.push(handle);
                at = entry::chain(entry);
            }
        }
        Ok(found)
    }
}
