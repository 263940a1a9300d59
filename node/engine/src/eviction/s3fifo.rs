//! S3-FIFO: three queues, first in first out.
//!
//! New entries enter the *small* queue, a tenth of the bytes. Whoever was hit twice
//! by the time it reaches the front moves on to the *main* queue; the others are
//! evicted and remembered as ghosts. A ghost that comes back enters the main queue
//! at once. In the main queue a hit entry that reaches the front goes round again,
//! with one hit less. A hit only counts up to three in the entry's own header, so
//! the read path moves nothing.
//!
//! Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache
//! eviction", SOSP 2023.
//!
//! Invariants: bit 2 of an entry's rank tells its queue, bits 0-1 its hits; the two
//! byte counts are the sums over the queues.

use super::Policy;
use super::ghost::Ghosts;
use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Lists;
use crate::memory::Ledger;

const SMALL: usize = 0;
const MAIN: usize = 1;
/// The small queue's part of the bytes.
const SMALL_PART: usize = 10;
const HITS_MAX: u8 = 3;
/// Hits that take an entry from the small queue to the main one.
const HITS_TO_MOVE: u8 = 2;
const IN_MAIN: u8 = 4;
/// How many entries may be passed over for one victim. Who is at the front then is
/// evicted, hits or not, so that one write never pays for all the hits before it.
const PASSED_OVER_MAX: usize = 256;

pub(super) struct S3Fifo {
    queues: Lists<2>,
    bytes: [usize; 2],
    ghosts: Ghosts,
    has_evicted: bool,
}

impl S3Fifo {
    pub(super) fn new() -> S3Fifo {
        S3Fifo {
            queues: Lists::new(Links::Queue),
            bytes: [0; 2],
            ghosts: Ghosts::default(),
            has_evicted: false,
        }
    }

    fn small_is_full(&self) -> bool {
        self.bytes[SMALL] * SMALL_PART > self.bytes[SMALL] + self.bytes[MAIN]
    }

    fn enter(&mut self, heap: &mut Heap, handle: Handle, queue: usize, hits: u8) {
        let entry = heap.entry_mut(handle);
        entry::set_rank(entry, hits | if queue == MAIN { IN_MAIN } else { 0 });
        self.bytes[queue] += entry::bytes(entry);
        self.queues.push_last(heap, queue, handle);
    }

    fn leave(&mut self, heap: &mut Heap, handle: Handle) {
        let entry = heap.entry(handle);
        self.bytes[queue_of(entry)] -= entry::bytes(entry);
        self.queues.unlink(heap, handle);
    }
}

impl Policy for S3Fifo {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, hash: u64) {
        // Before the first eviction nothing is known of anybody: fill both queues.
        let fills = !self.has_evicted && self.small_is_full();
        let queue = if fills || self.ghosts.take(hash) {
            MAIN
        } else {
            SMALL
        };
        self.enter(heap, handle, queue, 0);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        let entry = heap.entry_mut(handle);
        let rank = entry::rank(entry);
        if rank & HITS_MAX < HITS_MAX {
            entry::set_rank(entry, rank + 1);
        }
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.leave(heap, handle);
    }

    fn victim(&mut self, heap: &mut Heap) -> Option<Handle> {
        let mut passed_over = 0;
        loop {
            let main = self.queues.first(MAIN);
            let small = self
                .queues
                .first(SMALL)
                .filter(|_| self.small_is_full() || main.is_none());
            let handle = small.or(main)?;
            let hits = hits_of(heap.entry(handle));
            let stays = if small.is_some() {
                hits >= HITS_TO_MOVE
            } else {
                hits > 0
            };
            if !stays || passed_over == PASSED_OVER_MAX {
                return Some(handle);
            }
            let hits_left = if small.is_some() { 0 } else { hits - 1 };
            self.leave(heap, handle);
            self.enter(heap, handle, MAIN, hits_left);
            passed_over += 1;
        }
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, hash: u64) {
        self.has_evicted = true;
        if queue_of(heap.entry(handle)) == SMALL {
            self.ghosts.remember(hash);
        }
        self.leave(heap, handle);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.queues.moved(heap, handle);
    }

    fn resized(&mut self, heap: &Heap, handle: Handle, old_bytes: usize, new_bytes: usize) {
        let bytes = &mut self.bytes[queue_of(heap.entry(handle))];
        *bytes = *bytes - old_bytes + new_bytes;
    }

    fn provision(&mut self, entries: usize, ledger: &mut Ledger) -> bool {
        self.ghosts.provision(entries, ledger)
    }

    fn charged_bytes(&self) -> usize {
        self.ghosts.charged_bytes()
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
    entry::rank(entry) & HITS_MAX
}
