//! Lists that are taken out whole and hung up again, in constant time.
//!
//! While a chain is out, its ends still name the list that it was in. Nobody may
//! unlink or move one of its entries before it hangs in a list again.

use super::Lists;
use crate::entry;
use crate::handle::{Handle, Link};
use crate::heap::Heap;

/// A list on its own: its first entry and its last.
#[derive(Clone, Copy, Debug)]
#[must_use = "entries that are in no list can never be removed"]
pub(crate) struct Chain {
    first: Handle,
    last: Handle,
}

impl<const N: usize> Lists<N> {
    /// Takes out everything, the lists in their order. None: nothing was there.
    pub(crate) fn take_all(&mut self, heap: &mut Heap) -> Option<Chain> {
        for list in 1..N {
            if let Some(chain) = self.take(list) {
                self.append(heap, 0, chain);
            }
        }
        self.take(0)
    }

    fn take(&mut self, list: usize) -> Option<Chain> {
        let first = std::mem::replace(&mut self.first[list], Link::NONE);
        let last = std::mem::replace(&mut self.last[list], Link::NONE);
        Some(Chain {
            first: first.handle()?,
            last: last.handle()?,
        })
    }

    /// Hangs a chain behind the last entry of a list.
    pub(crate) fn append(&mut self, heap: &mut Heap, list: usize, chain: Chain) {
        let before = match self.last[list].handle() {
            Some(last) => {
                entry::set_after(heap.entry_mut(last), self.links, Link::to(chain.first));
                Link::to(last)
            }
            None => {
                self.first[list] = Link::to(chain.first);
                Link::end(list)
            }
        };
        entry::set_before(heap.entry_mut(chain.first), self.links, before);
        entry::set_after(heap.entry_mut(chain.last), self.links, Link::end(list));
        self.last[list] = Link::to(chain.last);
    }
}
