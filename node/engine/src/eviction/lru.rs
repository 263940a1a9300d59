//! Least recently used: one queue, hits go to its end, victims come from its front.

use super::Policy;
use crate::entry::Links;
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Lists;

pub(super) struct Lru {
    queue: Lists<1>,
}

impl Lru {
    pub(super) fn new() -> Lru {
        Lru {
            queue: Lists::new(Links::Queue),
        }
    }
}

impl Policy for Lru {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.queue.push_last(heap, 0, handle);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.unlink(heap, handle);
        self.queue.push_last(heap, 0, handle);
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.unlink(heap, handle);
    }

    fn victim(&mut self, _heap: &mut Heap) -> Option<Handle> {
        self.queue.first(0)
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.queue.unlink(heap, handle);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.queue.moved(heap, handle);
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        self.queue.validate(heap, 0)
    }
}
