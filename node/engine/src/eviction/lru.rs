//! Least recently used: one queue, hits go to its end, victims come from its front.
//!
//! Exact within a partition; among partitions as exact as [`super::ages`] tells the fronts.

use std::sync::Arc;

use super::Policy;
use super::ages::Ages;
use super::order::{Due, MAIN, Order, QUEUES, SMALL, Stamp};
use crate::entry::Links;
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::{Chain, Lists};

pub(super) struct Lru {
    queue: Lists<1>,
    ages: Ages,
    order: Arc<Order>,
}

impl Lru {
    pub(super) fn new(order: Arc<Order>) -> Lru {
        Lru {
            queue: Lists::new(Links::Queue),
            ages: Ages::default(),
            order,
        }
    }
}

impl Policy for Lru {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        let now = self.order.tick();
        self.ages.push_last(&mut self.queue, 0, heap, handle, now);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        self.ages.unlink(&mut self.queue, heap, handle);
        let now = self.order.now();
        self.ages.push_last(&mut self.queue, 0, heap, handle, now);
    }

    /// Whoever was used last stays where it is, as long as no other stamp is due.
    fn heeds_hit(&self, _heap: &Heap, handle: Handle) -> bool {
        self.queue.last(0) != Some(handle) || self.ages.is_behind(self.order.now())
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.ages.unlink(&mut self.queue, heap, handle);
    }

    fn oldest(&self) -> [Stamp; QUEUES] {
        [self.ages.oldest(); QUEUES]
    }

    fn victim(&mut self, _heap: &mut Heap, due: Due) -> Option<Handle> {
        let front = self.queue.first(0)?;
        (self.ages.oldest() <= due[SMALL].max(due[MAIN])).then_some(front)
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.ages.unlink(&mut self.queue, heap, handle);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.moved(heap, handle);
    }

    fn release(&mut self, heap: &mut Heap) -> Option<Chain> {
        self.queue.take_all(heap)
    }

    fn take_over(&mut self, heap: &mut Heap, chain: Chain) {
        self.queue.append(heap, 0, chain);
        self.ages.begin(self.order.now());
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let entries = self.queue.validate(heap, 0)?;
        self.ages.validate(heap, &entries)?;
        Ok(entries)
    }
}
