//! How old the entry at the front of a queue is, without a stamp in each entry.
//!
//! A queue is cut into a few *groups* of entries that came one after the other. A group
//! has one stamp, that of its first entry. A queue of few entries has a group for each, so
//! it is exact; a long one is cut finely enough that a stamp is off by a twelfth of the
//! age of its front, or so.
//!
//! Where a group begins is one bit of the entry's rank. When there are too many groups two
//! neighbours become one, but the bit cannot be taken back: nobody knows where the entry
//! is. So a group counts how many such bits it holds.
//!
//! Invariants: the front of the queue begins the first group and is not marked; the other
//! marks of the queue are as many as the groups count, the first one's own aside; stamps
//! rise.

use super::order::{NOBODY, Stamp};
use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Lists;

/// The bit of an entry's rank that says: a group begins here.
pub(crate) const MARK: u8 = 16;

const GROUPS: usize = 16;
/// A group spans this part of the queue's age.
const SPAN_PART: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Ages {
    /// When each group's first entry came.
    entered: [Stamp; GROUPS],
    /// How many entries of each began a group when they came.
    begins: [u32; GROUPS],
    groups: usize,
}

impl Ages {
    /// When the entry at the front came, about.
    pub(super) fn oldest(&self) -> Stamp {
        if self.groups == 0 {
            NOBODY
        } else {
            self.entered[0]
        }
    }

    /// Whether an entry that comes now begins a group.
    pub(super) fn is_behind(&self, now: Stamp) -> bool {
        let Some(newest) = self.groups.checked_sub(1) else {
            return true;
        };
        let span = now.saturating_sub(self.entered[0]) / SPAN_PART;
        now.saturating_sub(self.entered[newest]) >= span.max(1)
    }

    /// Appends an entry that is in no list. Its rank has no mark.
    pub(super) fn push_last<const N: usize>(
        &mut self,
        lists: &mut Lists<N>,
        list: usize,
        heap: &mut Heap,
        handle: Handle,
        now: Stamp,
    ) {
        debug_assert!(!is_marked(heap, handle));
        lists.push_last(heap, list, handle);
        if self.groups == 0 {
            return self.begin(now);
        }
        if self.is_behind(now) {
            if self.groups == GROUPS {
                self.merge();
            }
            self.begin(now);
            set_mark(heap, handle, true);
        }
    }

    /// Takes an entry out; its mark goes.
    pub(super) fn unlink<const N: usize>(
        &mut self,
        lists: &mut Lists<N>,
        heap: &mut Heap,
        handle: Handle,
    ) {
        let entry = heap.entry(handle);
        let before = entry::before(entry, Links::Queue).handle();
        let after = entry::after(entry, Links::Queue).handle();
        let was_marked = is_marked(heap, handle);
        lists.unlink(heap, handle);
        if was_marked {
            set_mark(heap, handle, false);
        }
        match (before, after) {
            (None, None) => self.groups = 0,
            (None, Some(front)) => {
                if is_marked(heap, front) {
                    set_mark(heap, front, false);
                    self.end_one(0);
                }
            }
            (Some(_), Some(next)) if was_marked => {
                if is_marked(heap, next) {
                    // It was a group by itself. Which one is not known: one in the middle
                    // is the least wrong, and only until the queue has gone by.
                    self.end_one(self.groups / 2);
                } else {
                    set_mark(heap, next, true);
                }
            }
            (Some(_), None) if was_marked => self.end_one(self.groups - 1),
            (Some(_), _) => {}
        }
    }

    /// Begins a group. The queue may have been filled from elsewhere, at once, with entries
    /// without marks.
    pub(super) fn begin(&mut self, now: Stamp) {
        (self.entered[self.groups], self.begins[self.groups]) = (now, 1);
        self.groups += 1;
    }

    /// Makes one group of the two neighbours that span the least.
    fn merge(&mut self) {
        let span = |&at: &usize| self.entered[at + 1] - self.entered[at - 1];
        let at = (1..self.groups - 1).min_by_key(span).unwrap_or(1);
        self.begins[at - 1] += self.begins[at];
        self.remove(at);
    }

    /// An entry that began one of the groups of this one is gone.
    fn end_one(&mut self, group: usize) {
        self.begins[group] -= 1;
        if self.begins[group] == 0 {
            self.remove(group);
        }
    }

    fn remove(&mut self, group: usize) {
        self.entered.copy_within(group + 1..self.groups, group);
        self.begins.copy_within(group + 1..self.groups, group);
        self.groups -= 1;
    }

    /// Of a list's entries, in order.
    pub(super) fn validate(&self, heap: &Heap, entries: &[Handle]) -> Result<(), String> {
        let marks = entries.iter().filter(|&&at| is_marked(heap, at)).count();
        let begun = marks + usize::from(!entries.is_empty());
        let counted: u32 = self.begins[..self.groups].iter().sum();
        if begun != counted as usize {
            return Err(format!(
                "{begun} groups of a queue are counted as {counted}"
            ));
        }
        if entries.first().is_some_and(|&front| is_marked(heap, front)) {
            return Err("the front of a queue is marked".into());
        }
        if !self.entered[..self.groups].is_sorted() {
            return Err("the groups of a queue are not in order".into());
        }
        Ok(())
    }
}

fn is_marked(heap: &Heap, handle: Handle) -> bool {
    entry::rank(heap.entry(handle)) & MARK != 0
}

fn set_mark(heap: &mut Heap, handle: Handle, marked: bool) {
    let entry = heap.entry_mut(handle);
    let rank = entry::rank(entry) & !MARK;
    entry::set_rank(entry, rank | if marked { MARK } else { 0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_grows_is_cut_evenly() {
        let mut ages = Ages::default();
        for now in 1000..51_000 {
            let is_due = ages.groups == 0
                || now - ages.entered[ages.groups - 1]
                    >= ((now - ages.entered[0]) / SPAN_PART).max(1);
            if is_due {
                if ages.groups == GROUPS {
                    ages.merge();
                }
                ages.begin(now);
            }
        }
        assert_eq!(ages.oldest(), 1000);
        let spans = ages.entered[..ages.groups].windows(2);
        let widest = spans.map(|two| two[1] - two[0]).max();
        assert!(widest < Some(50_000 / 5), "{:?}", ages.entered);
    }
}
