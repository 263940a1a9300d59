//! Least frequently used, with ageing.
//!
//! A queue for each of 32 levels of frequency. A hit raises an entry by one level:
//! always at the low levels, and with half the chance for each two levels above
//! them, so that a level stands for a magnitude of hits (a Morris counter). The
//! victim is the entry that has waited longest at the lowest level. Each eviction
//! also lowers one entry of another level, in turn, so that what was popular once
//! does not stay for ever.
//!
//! Invariant: an entry is in the queue of its rank.

use super::Policy;
use crate::entry::{self, Links, RANK_LIMIT};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Lists;

const LEVELS: usize = RANK_LIMIT as usize;
/// Hits below this level always count.
const CERTAIN_LEVELS: u32 = 4;

pub(super) struct Lfu {
    levels: Lists<LEVELS>,
    /// The level that ages next.
    ageing: usize,
    /// State of a xorshift generator.
    lot: u64,
}

impl Lfu {
    pub(super) fn new(seed: u64) -> Lfu {
        Lfu {
            levels: Lists::new(Links::Queue),
            ageing: 1,
            lot: seed | 1,
        }
    }

    fn is_drawn(&mut self, level: u32) -> bool {
        self.lot ^= self.lot << 13;
        self.lot ^= self.lot >> 7;
        self.lot ^= self.lot << 17;
        let halvings = level.saturating_sub(CERTAIN_LEVELS).div_ceil(2);
        (self.lot >> 20) & ((1 << halvings) - 1) == 0
    }

    fn put(&mut self, heap: &mut Heap, handle: Handle, level: usize) {
        self.levels.unlink(heap, handle);
        entry::set_rank(heap.entry_mut(handle), level as u8);
        self.levels.push_last(heap, level, handle);
    }

    fn age_one(&mut self, heap: &mut Heap) {
        let occupied = (1..LEVELS)
            .map(|step| (self.ageing + step) % LEVELS)
            .find(|&level| level > 0 && !self.levels.is_empty(level));
        if let Some(level) = occupied
            && let Some(handle) = self.levels.first(level)
        {
            self.ageing = level;
            self.put(heap, handle, level - 1);
        }
    }
}

impl Policy for Lfu {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.levels.push_last(heap, 0, handle);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        let level = entry::rank(heap.entry(handle));
        if level + 1 < RANK_LIMIT && self.is_drawn(level.into()) {
            self.put(heap, handle, level as usize + 1);
        }
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.levels.unlink(heap, handle);
    }

    fn victim(&mut self, _heap: &mut Heap) -> Option<Handle> {
        (0..LEVELS).find_map(|level| self.levels.first(level))
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.levels.unlink(heap, handle);
        self.age_one(heap);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.levels.moved(heap, handle);
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        for level in 0..LEVELS {
            let entries = self.levels.validate(heap, level)?;
            if entries
                .iter()
                .any(|&e| entry::rank(heap.entry(e)) as usize != level)
            {
                return Err(format!("an entry of another rank is in level {level}"));
            }
            found.extend(entries);
        }
        Ok(found)
    }
}
