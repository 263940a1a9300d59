//! Least frequently used, with ageing.
//!
//! A queue for each of 16 levels of frequency. A hit raises an entry by one level:
//! always at the low levels, and with half the chance for each level above them, so
//! that a level stands for a magnitude of hits (a Morris counter). The victim is the
//! entry that has waited longest at the lowest level. Evictions also lower an
//! entry of another level, in turn, so that what was popular once does not stay for
//! ever: one in eight does. With one in four it missed 4 % more than one that never forgets
//! where scans came by; with more of them, who was asked for three times would not outlive
//! who was asked for once.
//!
//! Among partitions the lowest level goes first; only at the very lowest, which holds
//! what is about to go, is it known who has waited longest.
//!
//! Invariant: an entry is in the queue of its rank, but for bit 4 of that (see
//! [`super::ages`]).

use std::sync::Arc;

use super::Policy;
use super::ages::{Ages, MARK};
use super::order::{Due, MAIN, NOBODY, Order, QUEUES, SMALL, Stamp, ranked};
use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::{Chain, Lists};

const LEVELS: usize = MARK as usize;
/// Hits below this level always count.
const CERTAIN_LEVELS: u32 = 4;
/// Evictions for each entry that ages.
const EVICTIONS_PER_AGEING: u32 = 8;

pub(super) struct Lfu {
    levels: Lists<LEVELS>,
    /// Of level 0.
    ages: Ages,
    order: Arc<Order>,
    evictions: u32,
    /// The level that ages next.
    ageing: usize,
    /// State of a xorshift generator.
    lot: u64,
}

impl Lfu {
    pub(super) fn new(seed: u64, order: Arc<Order>) -> Lfu {
        Lfu {
            levels: Lists::new(Links::Queue),
            ages: Ages::default(),
            order,
            evictions: 0,
            ageing: 1,
            lot: seed | 1,
        }
    }

    fn is_drawn(&mut self, level: u32) -> bool {
        self.lot ^= self.lot << 13;
        self.lot ^= self.lot >> 7;
        self.lot ^= self.lot << 17;
        let halvings = level.saturating_sub(CERTAIN_LEVELS);
        (self.lot >> 20) & ((1 << halvings) - 1) == 0
    }

    fn put(&mut self, heap: &mut Heap, handle: Handle, level: usize) {
        self.unlink(heap, handle);
        entry::set_rank(heap.entry_mut(handle), level as u8);
        let now = self.order.now();
        self.push_last(heap, handle, level, now);
    }

    fn push_last(&mut self, heap: &mut Heap, handle: Handle, level: usize, now: Stamp) {
        if level == 0 {
            self.ages
                .push_last(&mut self.levels, level, heap, handle, now);
        } else {
            self.levels.push_last(heap, level, handle);
        }
    }

    fn unlink(&mut self, heap: &mut Heap, handle: Handle) {
        if level_of(heap.entry(handle)) == 0 {
            self.ages.unlink(&mut self.levels, heap, handle);
        } else {
            self.levels.unlink(heap, handle);
        }
    }

    fn lowest(&self) -> Option<usize> {
        (0..LEVELS).find(|&level| !self.levels.is_empty(level))
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
        let now = self.order.tick();
        self.push_last(heap, handle, 0, now);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        let level = level_of(heap.entry(handle));
        if level + 1 < LEVELS && self.is_drawn(level as u32) {
            self.put(heap, handle, level + 1);
        }
    }

    fn heeds_hit(&self, heap: &Heap, handle: Handle) -> bool {
        level_of(heap.entry(handle)) + 1 < LEVELS
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.unlink(heap, handle);
    }

    fn oldest(&self) -> [Stamp; QUEUES] {
        let oldest = match self.lowest() {
            None => NOBODY,
            Some(0) => self.ages.oldest(),
            Some(level) => ranked(level as u8, 0),
        };
        [oldest; QUEUES]
    }

    fn victim(&mut self, _heap: &mut Heap, due: Due) -> Option<Handle> {
        let lowest = self.lowest()?;
        let [oldest, _] = self.oldest();
        (oldest <= due[SMALL].max(due[MAIN]))
            .then(|| self.levels.first(lowest))
            .flatten()
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.unlink(heap, handle);
        self.evictions = self.evictions.wrapping_add(1);
        if self.evictions.is_multiple_of(EVICTIONS_PER_AGEING) {
            self.age_one(heap);
        }
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.levels.moved(heap, handle);
    }

    fn release(&mut self, heap: &mut Heap) -> Option<Chain> {
        self.levels.take_all(heap)
    }

    fn take_over(&mut self, heap: &mut Heap, chain: Chain) {
        self.levels.append(heap, 0, chain);
        self.ages.begin(self.order.now());
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        for level in 0..LEVELS {
            let entries = self.levels.validate(heap, level)?;
            if entries.iter().any(|&e| level_of(heap.entry(e)) != level) {
                return Err(format!("an entry of another rank is in level {level}"));
            }
            if level == 0 {
                self.ages.validate(heap, &entries)?;
            }
            found.extend(entries);
        }
        Ok(found)
    }
}

fn level_of(entry: &[u8]) -> usize {
    usize::from(entry::rank(entry) & !MARK)
}
