//! S3-FIFO: three queues, first in first out.
//!
//! New entries enter the *small* queue, a tenth of the bytes. Whoever was hit twice
//! by the time it reaches the front moves on to the *main* queue; the others are
//! evicted and remembered as ghosts. A ghost that comes back enters the main queue
//! at once. In the main queue a hit entry that reaches the front goes round again,
//! with one hit less. A hit only counts up to two in the entry's own header, so the read
//! path moves nothing. (The paper counts to three: who was popular then goes round once
//! more after nobody asks for it, which costs most where the working set shifts.)
//!
//! Which of the two queues gives is decided over all partitions (see [`super::order`]),
//! and so is who has waited longest; the queues and the ghosts are the partition's own.
//!
//! Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache
//! eviction", SOSP 2023.
//!
//! Invariants: bit 2 of an entry's rank tells its queue, bits 0-1 its hits, bit 4 is its
//! queue's (see [`super::ages`]); the two byte counts are the sums over the queues, and
//! part of the sums that the partitions share.

use std::sync::Arc;

use super::Policy;
use super::ages::Ages;
use super::ghost::Ghosts;
use super::order::{ANYBODY, Due, MAIN, Order, QUEUES, SMALL, Stamp};
use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::{Chain, Lists};
use crate::memory::Ledger;

/// Bits of the rank that count hits.
const HITS: u8 = 3;
const HITS_MAX: u8 = 2;
/// Hits that take an entry from the small queue to the main one.
const HITS_TO_MOVE: u8 = 2;
const IN_MAIN: u8 = 4;
/// Who was kept by another policy enters the main queue, without hits.
pub(super) const RANK_TAKEN_OVER: u8 = IN_MAIN;
/// How many entries may be passed over for one victim. Who is at the front then is
/// evicted, hits or not, so that one write never pays for all the hits before it.
const PASSED_OVER_MAX: usize = 256;
/// And so many by one call, so that nobody waits long for the lock.
const PASSED_OVER_PER_CALL: usize = 32;

pub(super) struct S3Fifo {
    queues: Lists<QUEUES>,
    ages: [Ages; QUEUES],
    bytes: [usize; QUEUES],
    ghosts: Ghosts,
    order: Arc<Order>,
    /// By the last call, and by all since the last victim.
    passed_over: usize,
    passed_over_in_all: usize,
}

impl S3Fifo {
    pub(super) fn new(order: Arc<Order>) -> S3Fifo {
        S3Fifo {
            queues: Lists::new(Links::Queue),
            ages: Default::default(),
            bytes: [0; QUEUES],
            ghosts: Ghosts::default(),
            order,
            passed_over: 0,
            passed_over_in_all: 0,
        }
    }

    fn enter(&mut self, heap: &mut Heap, handle: Handle, queue: usize, hits: u8, now: Stamp) {
        let entry = heap.entry_mut(handle);
        entry::set_rank(entry, hits | if queue == MAIN { IN_MAIN } else { 0 });
        self.count(queue, entry::bytes(entry));
        self.ages[queue].push_last(&mut self.queues, queue, heap, handle, now);
    }

    fn leave(&mut self, heap: &mut Heap, handle: Handle) {
        let entry = heap.entry(handle);
        let queue = queue_of(entry);
        self.discount(queue, entry::bytes(entry));
        self.ages[queue].unlink(&mut self.queues, heap, handle);
    }

    fn count(&mut self, queue: usize, bytes: usize) {
        self.bytes[queue] += bytes;
        self.order.add(queue, bytes);
    }

    fn discount(&mut self, queue: usize, bytes: usize) {
        self.bytes[queue] -= bytes;
        self.order.subtract(queue, bytes);
    }

    /// The queue that gives. The other one only where nothing else counts.
    fn gives(&self, due: Due) -> Option<usize> {
        let queue = self.order.gives();
        if self.ages[queue].oldest() <= due[queue] && !self.queues.is_empty(queue) {
            return Some(queue);
        }
        let other = SMALL + MAIN - queue;
        (due == ANYBODY && !self.queues.is_empty(other)).then_some(other)
    }
}

impl Drop for S3Fifo {
    fn drop(&mut self) {
        for queue in [SMALL, MAIN] {
            self.order.subtract(queue, self.bytes[queue]);
        }
    }
}

impl Policy for S3Fifo {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, hash: u64) {
        let is_ghost = self.ghosts.take(hash);
        let queue = if is_ghost { MAIN } else { self.order.takes() };
        let now = self.order.tick();
        self.enter(heap, handle, queue, 0, now);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        let entry = heap.entry_mut(handle);
        let rank = entry::rank(entry);
        if rank & HITS < HITS_MAX {
            entry::set_rank(entry, rank + 1);
        }
    }

    fn heeds_hit(&self, heap: &Heap, handle: Handle) -> bool {
        hits_of(heap.entry(handle)) < HITS_MAX
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.leave(heap, handle);
    }

    fn oldest(&self) -> [Stamp; QUEUES] {
        [self.ages[SMALL].oldest(), self.ages[MAIN].oldest()]
    }

    fn victim(&mut self, heap: &mut Heap, due: Due) -> Option<Handle> {
        self.passed_over = 0;
        loop {
            let queue = self.gives(due)?;
            let handle = self.queues.first(queue)?;
            let hits = hits_of(heap.entry(handle));
            let stays = if queue == SMALL {
                hits >= HITS_TO_MOVE
            } else {
                hits > 0
            };
            if !stays || self.passed_over_in_all == PASSED_OVER_MAX {
                self.passed_over_in_all = 0;
                return Some(handle);
            }
            if self.passed_over == PASSED_OVER_PER_CALL {
                return None;
            }
            let hits_left = if queue == SMALL { 0 } else { hits - 1 };
            self.leave(heap, handle);
            let now = self.order.now();
            self.enter(heap, handle, MAIN, hits_left, now);
            self.passed_over += 1;
            self.passed_over_in_all += 1;
        }
    }

    fn passed_over(&self) -> usize {
        self.passed_over
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, hash: u64) {
        self.order.note_eviction();
        if queue_of(heap.entry(handle)) == SMALL {
            self.ghosts.remember(hash);
        }
        self.leave(heap, handle);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.queues.moved(heap, handle);
    }

    fn resized(&mut self, heap: &Heap, handle: Handle, old_bytes: usize, new_bytes: usize) {
        let queue = queue_of(heap.entry(handle));
        self.count(queue, new_bytes);
        self.discount(queue, old_bytes);
    }

    fn provision(&mut self, entries: usize, ledger: &mut Ledger) -> bool {
        self.ghosts.provision(entries, ledger)
    }

    fn charged_bytes(&self) -> usize {
        self.ghosts.charged_bytes()
    }

    fn release(&mut self, heap: &mut Heap) -> Option<Chain> {
        self.queues.take_all(heap)
    }

    fn take_over(&mut self, heap: &mut Heap, chain: Chain) {
        self.order.note_eviction();
        self.count(MAIN, heap.entry_bytes());
        self.queues.append(heap, MAIN, chain);
        self.ages[MAIN].begin(self.order.now());
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        for queue in [SMALL, MAIN] {
            let entries = self.queues.validate(heap, queue)?;
            let bytes: usize = entries.iter().map(|&e| entry::bytes(heap.entry(e))).sum();
            if bytes != self.bytes[queue] {
                return Err(format!(
                    "queue {queue} holds {bytes} bytes, not {:?}",
                    self.bytes
                ));
            }
            if entries.iter().any(|&e| queue_of(heap.entry(e)) != queue) {
                return Err(format!("an entry of the other queue is in queue {queue}"));
            }
            self.ages[queue].validate(heap, &entries)?;
            found.extend(entries);
        }
        Ok(found)
    }
}

fn queue_of(entry: &[u8]) -> usize {
    if entry::rank(entry) & IN_MAIN != 0 {
        MAIN
    } else {
        SMALL
    }
}

fn hits_of(entry: &[u8]) -> u8 {
    entry::rank(entry) & HITS
}
