//! A table that grows by one page at a time, so that growing never copies what is in
//! it: a vector that doubles would stop its partition for all of its elements at once.
//!
//! Three steps lead to an element: block, page, place. A block holds up to
//! [`PAGES_PER_BLOCK`] pages; the first one stands in the table itself, so that in a
//! table of ordinary size there are two steps: each is a line of memory to wait for.
//! Adding a page moves no element, and of the vectors that
//! point to pages and blocks at most [`PAGES_PER_BLOCK`] pointers, and 24 bytes for each
//! block that there is: a few KiB for ten million elements.
//!
//! Invariants: all blocks but the last are full, the first before any other; elements below `len` are in use; what
//! is allocated here was charged to the ledger before.

use std::ops::{Index, IndexMut};

use crate::memory::{Ledger, allocated, table_bytes};

const PAGES_PER_BLOCK: usize = 256;

/// Elements in pages of `PAGE`.
#[derive(Debug)]
pub(crate) struct Table<T, const PAGE: usize> {
    first: Vec<Box<[T; PAGE]>>,
    more: Vec<Vec<Box<[T; PAGE]>>>,
    pages: usize,
    len: usize,
}

impl<T, const PAGE: usize> Default for Table<T, PAGE> {
    fn default() -> Self {
        Table {
            first: Vec::new(),
            more: Vec::new(),
            pages: 0,
            len: 0,
        }
    }
}

impl<T: Default + Send + Sync + 'static, const PAGE: usize> Table<T, PAGE> {
    const PAGE_BYTES: usize = PAGE * size_of::<T>();

    /// How many elements were pushed.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many elements there is room for. Whoever does not push may use them all.
    pub(crate) fn capacity(&self) -> usize {
        self.pages * PAGE
    }

    /// Makes sure that one more element can be pushed; false where the memory is full.
    #[must_use]
    pub(crate) fn room_for_one(&mut self, ledger: &mut Ledger) -> bool {
        self.len < self.capacity() || self.add_page(ledger)
    }

    /// Uses the next place that [`Table::room_for_one`] made; returns its number.
    pub(crate) fn push(&mut self, element: T) -> usize {
        let number = self.len;
        self.len += 1;
        self[number] = element;
        number
    }

    /// Adds a page of default elements; false where the memory is full.
    #[must_use]
    pub(crate) fn add_page(&mut self, ledger: &mut Ledger) -> bool {
        if self.pages == (1 + self.more.len()) * PAGES_PER_BLOCK {
            if !ledger.room_for_one(&mut self.more) {
                return false;
            }
            self.more.push(Vec::new());
        }
        let block = self.more.last_mut().unwrap_or(&mut self.first);
        let fits = ledger.room_for_one(block) && ledger.try_charge(allocated(Self::PAGE_BYTES));
        if fits {
            block.push(Box::new(std::array::from_fn(|_| T::default())));
            self.pages += 1;
        }
        fits
    }

    /// Takes the last page away. To be called where nothing in it is in use.
    pub(crate) fn remove_page(&mut self, ledger: &mut Ledger) {
        let idle = self.more.pop_if(|block| block.is_empty());
        let idle = idle.or_else(|| {
            let block = self.more.last_mut().unwrap_or(&mut self.first);
            if let Some(page) = block.pop() {
                self.pages -= 1;
                ledger.give_up(page, allocated(Self::PAGE_BYTES));
            }
            if self.pages == 0 {
                return Some(std::mem::take(&mut self.first));
            }
            self.more.pop_if(|block| block.is_empty())
        });
        if let Some(block) = idle {
            let bytes = table_bytes(&block);
            ledger.give_up(block, bytes);
        }
        debug_assert!(self.len <= self.capacity());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let more = self.more.iter().flatten();
        self.first
            .iter()
            .chain(more)
            .flat_map(|page| page.iter())
            .take(self.len)
    }

    /// What the ledger should hold for this table.
    pub(crate) fn charged_bytes(&self) -> usize {
        let more: usize = self.more.iter().map(table_bytes).sum();
        let blocks = table_bytes(&self.first) + table_bytes(&self.more) + more;
        blocks + self.pages * allocated(Self::PAGE_BYTES)
    }
}

impl<T, const PAGE: usize> Index<usize> for Table<T, PAGE> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        let page = at / PAGE;
        let block = match (page / PAGES_PER_BLOCK).checked_sub(1) {
            None => &self.first,
            Some(block) => &self.more[block],
        };
        &block[page % PAGES_PER_BLOCK][at % PAGE]
    }
}

impl<T, const PAGE: usize> IndexMut<usize> for Table<T, PAGE> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        let page = at / PAGE;
        let block = match (page / PAGES_PER_BLOCK).checked_sub(1) {
            None => &mut self.first,
            Some(block) => &mut self.more[block],
        };
        &mut block[page % PAGES_PER_BLOCK][at % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Account;

    #[test]
    fn elements_stay_where_they_are_and_every_byte_is_charged() {
        let account = Arc::new(Account::new(1 << 20, 0));
        let mut ledger = Ledger::new(Arc::clone(&account));
        let mut table = Table::<u32, 4>::default();
        for number in 0..5000 {
            assert!(table.room_for_one(&mut ledger));
            assert_eq!(table.push(number as u32), number);
            assert_eq!(ledger.held_bytes(), table.charged_bytes());
        }
        assert!(table.iter().copied().eq(0..5000));
        assert_eq!((table.len(), table.capacity()), (5000, 5000));
    }

    #[test]
    fn pages_come_and_go_and_leave_nothing_charged() {
        let account = Arc::new(Account::new(1 << 20, 0));
        let mut ledger = Ledger::new(Arc::clone(&account));
        let mut table = Table::<u32, 4>::default();
        for _ in 0..2 {
            for _ in 0..3 * PAGES_PER_BLOCK {
                assert!(table.add_page(&mut ledger));
            }
            assert_eq!(ledger.held_bytes(), table.charged_bytes());
            for _ in 0..3 * PAGES_PER_BLOCK {
                table.remove_page(&mut ledger);
                assert_eq!(ledger.held_bytes(), table.charged_bytes());
            }
            assert_eq!(table.capacity(), 0);
        }
    }

    #[test]
    fn a_page_that_does_not_fit_is_refused() {
        let account = Arc::new(Account::new(500, 0));
        let mut ledger = Ledger::new(Arc::clone(&account));
        let mut table = Table::<u64, 32>::default();
        assert!(table.add_page(&mut ledger));
        assert!(!table.add_page(&mut ledger));
        assert_eq!(ledger.held_bytes(), table.charged_bytes());
        assert_eq!(table.capacity(), 32);
    }
}
