//! Doubly linked lists through the entries themselves.
//!
//! The links are fields of the entry (see [`crate::entry::Links`]), so a list costs
//! its two ends here and nothing elsewhere, and an entry leaves it in constant time.
//! The first entry's link to the one before, and the last one's to the one after,
//! name the list, so that leaving needs to know neither the list nor its length.
//!
//! Invariant: an entry is in at most one of the lists over the same links.

mod chain;

pub(crate) use chain::Chain;

use crate::entry::{self, Links};
use crate::handle::{Handle, Link};
use crate::heap::Heap;

/// `N` lists over the same pair of links.
#[derive(Debug)]
pub(crate) struct Lists<const N: usize> {
    links: Links,
    first: [Link; N],
    last: [Link; N],
}

impl<const N: usize> Lists<N> {
    pub(crate) fn new(links: Links) -> Lists<N> {
        Lists {
            links,
            first: [Link::NONE; N],
            last: [Link::NONE; N],
        }
    }

    pub(crate) fn first(&self, list: usize) -> Option<Handle> {
        self.first[list].handle()
    }

    pub(crate) fn last(&self, list: usize) -> Option<Handle> {
        self.last[list].handle()
    }

    pub(crate) fn is_empty(&self, list: usize) -> bool {
        self.first[list] == Link::NONE
    }

    pub(crate) fn push_last(&mut self, heap: &mut Heap, list: usize, handle: Handle) {
        let last = std::mem::replace(&mut self.last[list], Link::to(handle));
        let entry = heap.entry_mut(handle);
        entry::set_after(entry, self.links, Link::end(list));
        match last.handle() {
            Some(last) => {
                entry::set_before(entry, self.links, Link::to(last));
                entry::set_after(heap.entry_mut(last), self.links, Link::to(handle));
            }
            None => {
                entry::set_before(entry, self.links, Link::end(list));
                self.first[list] = Link::to(handle);
            }
        }
    }

    /// Takes the entry out of its list. Tells which list that was if it is empty now.
    pub(crate) fn unlink(&mut self, heap: &mut Heap, handle: Handle) -> Option<usize> {
        let entry = heap.entry(handle);
        let before = entry::before(entry, self.links);
        let after = entry::after(entry, self.links);
        match (before.list(), after.list()) {
            (Some(list), Some(_)) => {
                (self.first[list], self.last[list]) = (Link::NONE, Link::NONE);
                return Some(list);
            }
            _ => {
                self.set_after(heap, before, after);
                self.set_before(heap, after, before);
            }
        }
        None
    }

    /// The entry lies at `handle` now, its links unchanged: its neighbours are told.
    pub(crate) fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        let entry = heap.entry(handle);
        let before = entry::before(entry, self.links);
        let after = entry::after(entry, self.links);
        self.set_after(heap, before, Link::to(handle));
        self.set_before(heap, after, Link::to(handle));
    }

    #[inline]
    fn set_after(&mut self, heap: &mut Heap, at: Link, to: Link) {
        match (at.handle(), at.list()) {
            (Some(handle), _) => entry::set_after(heap.entry_mut(handle), self.links, to),
            (None, Some(list)) => self.first[list] = to,
            (None, None) => unreachable!("an entry that is in no list"),
        }
    }

    #[inline]
    fn set_before(&mut self, heap: &mut Heap, at: Link, to: Link) {
        match (at.handle(), at.list()) {
            (Some(handle), _) => entry::set_before(heap.entry_mut(handle), self.links, to),
            (None, Some(list)) => self.last[list] = to,
            (None, None) => unreachable!("an entry that is in no list"),
        }
    }

    /// Walks a list both ways at once and returns what is in it, in order.
    pub(crate) fn validate(&self, heap: &Heap, list: usize) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        let mut before = Link::end(list);
        let mut at = self.first[list];
        while let Some(handle) = at.handle() {
            let entry = heap.entry(handle);
            if entry::is_dead(entry) || entry::before(entry, self.links) != before {
                return Err(format!(
                    "list {list} of {:?} is broken at {handle:?}",
                    self.links
                ));
            }
            found.push(handle);
            before = at;
            at = entry::after(entry, self.links);
        }
        let closed = match found.last() {
            None => at == Link::NONE && self.last[list] == Link::NONE,
            Some(&last) => at == Link::end(list) && self.last[list] == Link::to(last),
        };
        if closed {
            Ok(found)
        } else {
            Err(format!("list {list} of {:?} has no end", self.links))
        }
    }
}
