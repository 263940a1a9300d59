//! From one policy to another, a few entries at a time.
//!
//! The old policy gives its queues up as one chain, who would go first at its front.
//! The chain is walked in bounded slices, and each entry gets the rank that the new
//! policy wants; then the new policy takes the chain over whole. So nothing is lost,
//! no memory is wanted, and no hold of the lock grows with the number of entries.
//!
//! Meanwhile this policy stands in: whoever is at the front goes first, and a hit moves
//! an entry to the end, as under `lru`. Under way to `none` nobody goes.
//!
//! Invariants: *ranked* and *used* hold entries of the new rank, *raw* the others.
//! Which of the three an entry is in need not be known to take it out.

use std::sync::Arc;

use super::order::{Due, NOBODY, Order, QUEUES, Stamp};
use super::{Policy, Turned};
use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::{Chain, Lists};
use crate::settings::Eviction;

/// Was raw. Who goes first: these, then the raw, then the used.
const RANKED: usize = 0;
const RAW: usize = 1;
/// Came or was used since.
const USED: usize = 2;
const LISTS: usize = 3;

pub(super) struct Transition {
    lists: Lists<LISTS>,
    to: Eviction,
    seed: u64,
    order: Arc<Order>,
}

impl Transition {
    pub(super) fn new(
        heap: &mut Heap,
        chain: Option<Chain>,
        to: Eviction,
        seed: u64,
        order: Arc<Order>,
    ) -> Transition {
        let mut lists = Lists::new(Links::Queue);
        if let Some(chain) = chain {
            lists.append(heap, RAW, chain);
        }
        Transition {
            lists,
            to,
            seed,
            order,
        }
    }

    fn put(&mut self, heap: &mut Heap, handle: Handle, list: usize) {
        entry::set_rank(heap.entry_mut(handle), super::rank_taken_over(self.to));
        self.lists.push_last(heap, list, handle);
    }
}

impl Policy for Transition {
    fn admit(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.put(heap, handle, USED);
    }

    fn hit(&mut self, heap: &mut Heap, handle: Handle) {
        self.lists.unlink(heap, handle);
        self.put(heap, handle, USED);
    }

    fn forget(&mut self, heap: &mut Heap, handle: Handle) {
        self.lists.unlink(heap, handle);
    }

    /// As old as can be, so that a partition on its way takes of its own, and others take
    /// from it.
    fn oldest(&self) -> [Stamp; QUEUES] {
        let is_empty = (0..LISTS).all(|list| self.lists.is_empty(list));
        let gives = !is_empty && self.to != Eviction::None;
        [if gives { 0 } else { NOBODY }; QUEUES]
    }

    fn victim(&mut self, _heap: &mut Heap, _due: Due) -> Option<Handle> {
        if self.to == Eviction::None {
            return None;
        }
        (0..LISTS).find_map(|list| self.lists.first(list))
    }

    fn evict(&mut self, heap: &mut Heap, handle: Handle, _hash: u64) {
        self.lists.unlink(heap, handle);
    }

    fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.lists.moved(heap, handle);
    }

    fn release(&mut self, heap: &mut Heap) -> Option<Chain> {
        self.lists.take_all(heap)
    }

    fn take_over(&mut self, _heap: &mut Heap, _chain: Chain) {
        unreachable!("a transition is made from its chain");
    }

    fn is_settled(&self) -> bool {
        false
    }

    fn turn(&mut self, heap: &mut Heap, budget: usize) -> Turned {
        for _ in 0..budget {
            let Some(handle) = self.lists.first(RAW) else {
                break;
            };
            self.lists.unlink(heap, handle);
            self.put(heap, handle, RANKED);
        }
        if !self.lists.is_empty(RAW) {
            return Turned::OnItsWay;
        }
        let mut to = super::policy(self.to, self.seed, Arc::clone(&self.order));
        if let Some(chain) = self.lists.take_all(heap) {
            to.take_over(heap, chain);
        }
        Turned::Into(to)
    }

    fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        for list in 0..LISTS {
            let entries = self.lists.validate(heap, list)?;
            let rank = super::rank_taken_over(self.to);
            if list != RAW
                && entries
                    .iter()
                    .any(|&at| entry::rank(heap.entry(at)) != rank)
            {
                return Err(format!("an entry of list {list} was not ranked anew"));
            }
            found.extend(entries);
        }
        Ok(found)
    }
}
