//! No eviction: a write that does not fit is refused. The entries are in one queue
//! all the same, so that the partition treats every policy alike.

use super::Policy;
use super::order::{Due, NOBODY, QUEUES, Stamp};
use crate::entry::Links;
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::{Chain, Lists};

pub(super) struct Nothing {
    queue: Lists<1>,
}

impl Nothing {
    pub(super) fn new() -> Nothing {
        Nothing {
            queue: Lists::new(Links::Queue),
        }
    }
}

impl Policy for Nothing {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.queue.push_last(heap, 0, handle);
    }

    fn hit(&mut self, _heap: &mut Heap, _handle: Handle) {}

    fn heeds_hit(&self, _heap: &Heap, _handle: Handle) -> bool {
        false
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.unlink(heap, handle);
    }

    fn oldest(&self) -> [Stamp; QUEUES] {
        [NOBODY; QUEUES]
    }

    fn victim(&mut self, _heap: &mut Heap, _due: Due) -> Option<Handle> {
        None
    }

    fn evict(&mut self, _heap: &mut Heap, _handle: Handle, _hash: u64) {
        unreachable!("this policy names no victim");
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.moved(heap, handle);
    }

    fn release(&mut self, heap: &mut Heap) -> Option<Chain> {
        self.queue.take_all(heap)
    }

    fn take_over(&mut self, heap: &mut Heap, chain: Chain) {
        self.queue.append(heap, 0, chain);
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        self.queue.validate(heap, 0)
    }
}
