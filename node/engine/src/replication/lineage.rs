//! The lineage of a copy: at which sequence each epoch began.
//!
//! Sequences go on over epochs, so the epoch of a sequence follows from it: an entry keeps
//! its sequence alone. Two copies that agree on a position agree on everything before it.
//!
//! Invariants: epochs and beginnings rise together; the oldest begins at 1; an epoch that
//! nothing was written under yet begins above the head, and is the newest; there are at
//! most [`RANGES_MAX`] of them, and where there would be more the two oldest become one.
//! Then what is of the older counts as of the younger: whoever asks with a position of the
//! older is not known any more and is sent a snapshot.

use super::position::Position;
use crate::memory::{Ledger, table_bytes};

pub(crate) const RANGES_MAX: usize = 1024;

/// An epoch, and the first sequence under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) epoch: u64,
    pub(crate) first: u64,
}

/// Empty by default.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// Where most that is asked for lies. It begins at 0 where there is none.
    newest: Range,
    older: Vec<Range>,
}

impl Lineage {
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.first == 0
    }

    #[inline]
    pub(crate) fn epoch_of(&self, seq: u64) -> u64 {
        if seq >= self.newest.first {
            return self.newest.epoch;
        }
        self.older_epoch_of(seq)
    }

    #[cold]
    fn older_epoch_of(&self, seq: u64) -> u64 {
        let begun = self.older.partition_point(|range| range.first <= seq);
        self.older[begun.saturating_sub(1)].epoch
    }

    /// Of a copy whose last operation is this one.
    pub(crate) fn position(&self, head: u64) -> Position {
        if head == 0 {
            return Position::NOTHING;
        }
        Position {
            epoch: self.epoch_of(head),
            seq: head,
        }
    }

    /// Makes room for one more range; false where there is no memory, and what begins next
    /// would take the place of all before it.
    #[must_use]
    pub(crate) fn ready(&mut self, ledger: &mut Ledger) -> bool {
        let is_bounded = self.is_empty() || self.older.len() + 1 >= RANGES_MAX;
        is_bounded || ledger.room_for_one(&mut self.older)
    }

    /// From `first` on it is `epoch`. False, and nothing is changed, where it does not
    /// rise. What began there and has nothing of its own is replaced.
    #[must_use]
    pub(crate) fn begin(&mut self, epoch: u64, first: u64, ledger: &mut Ledger) -> bool {
        let is_first = self.is_empty();
        let replaces = is_first || first == self.newest.first;
        let before = if replaces {
            self.older.last().copied().unwrap_or_default()
        } else {
            self.newest
        };
        let begins_at_one = first == 1 || !is_first;
        if epoch <= before.epoch || first <= before.first || !begins_at_one {
            return false;
        }
        let is_kept = replaces || self.keep_newest(ledger);
        // Without memory for even one more, what is older counts as of this epoch.
        let first = if is_kept { first } else { 1 };
        self.newest = Range { epoch, first };
        true
    }

    fn keep_newest(&mut self, ledger: &mut Ledger) -> bool {
        let fits = self.older.len() + 1 < RANGES_MAX && ledger.room_for_one(&mut self.older);
        if fits {
            self.older.push(self.newest);
        } else if !self.older.is_empty() {
            let oldest = self.older.remove(0);
            self.older.push(self.newest);
            self.older[0].first = oldest.first;
        }
        !self.older.is_empty()
    }

    /// Forgets epochs that nothing was written under.
    pub(crate) fn cut(&mut self, head: u64) {
        while self.newest.first > head {
            self.newest = self.older.pop().unwrap_or_default();
        }
    }

    /// Whether a copy at this position has nothing but what is of this past.
    pub(crate) fn holds(&self, at: Position, head: u64) -> bool {
        if at == Position::NOTHING {
            return true;
        }
        if at.seq > head || at.seq == 0 || self.is_empty() {
            return false;
        }
        self.epoch_of(at.seq) == at.epoch
    }

    /// The range that begins first after this sequence.
    pub(crate) fn first_after(&self, seq: u64) -> Option<Range> {
        if seq >= self.newest.first {
            return None;
        }
        let begun = self.older.partition_point(|range| range.first <= seq);
        self.older.get(begun).copied().or(Some(self.newest))
    }

    /// The newest: since when the copy is what it is.
    pub(crate) fn newest(&self) -> Range {
        self.newest
    }

    /// All of them, the oldest first.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> {
        let newest = (!self.is_empty()).then_some(self.newest);
        self.older.iter().copied().chain(newest)
    }

    /// What the ledger should hold for this.
    pub(crate) fn charged_bytes(&self) -> usize {
        table_bytes(&self.older)
    }

    /// Checks the module's invariants.
    pub(crate) fn validate(&self, head: u64, is_primary: bool) -> Result<(), String> {
        let ranges: Vec<Range> = self.ranges().collect();
        let rises = ranges
            .windows(2)
            .all(|two| two[0].epoch < two[1].epoch && two[0].first < two[1].first);
        if !rises || ranges.len() > RANGES_MAX {
            return Err(format!("the lineage {ranges:?} does not rise"));
        }
        if ranges.first().is_some_and(|range| range.first != 1) {
            return Err(format!("the lineage {ranges:?} does not begin at 1"));
        }
        if ranges.is_empty() && (head > 0 || is_primary) {
            return Err(format!("there is no lineage at {head}"));
        }
        if self.newest.first > head + 1 {
            return Err(format!("the lineage {ranges:?} is beyond the head {head}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Account;

    fn ledger(bytes: usize) -> Ledger {
        Ledger::new(Arc::new(Account::new(bytes, 0)))
    }

    fn lineage(ranges: &[(u64, u64)], ledger: &mut Ledger) -> Lineage {
        let mut lineage = Lineage::default();
        for &(epoch, first) in ranges {
            assert!(lineage.begin(epoch, first, ledger));
        }
        lineage
    }

    fn at(epoch: u64, seq: u64) -> Position {
        Position { epoch, seq }
    }

    #[test]
    fn a_position_is_held_where_its_epoch_wrote_its_sequence() {
        let mut ledger = ledger(1 << 20);
        let lineage = lineage(&[(2, 1), (5, 101), (6, 201)], &mut ledger);
        for (position, expected) in [
            (Position::NOTHING, true),
            (at(2, 1), true),
            (at(2, 100), true),
            (at(2, 101), false),
            (at(5, 101), true),
            (at(5, 100), false),
            (at(4, 101), false),
            (at(6, 250), true),
            (at(6, 251), false),
            (at(7, 250), false),
            (at(6, 0), false),
            (at(0, 5), false),
        ] {
            assert_eq!(lineage.holds(position, 250), expected, "{position:?}");
        }
        lineage.validate(250, false).unwrap();
        assert_eq!(lineage.first_after(100).map(|r| r.epoch), Some(5));
        assert_eq!(lineage.first_after(101).map(|r| r.epoch), Some(6));
        assert_eq!(lineage.first_after(0).map(|r| r.first), Some(1));
        assert_eq!(lineage.first_after(201), None);
    }

    #[test]
    fn an_epoch_without_writes_is_replaced_or_cut() {
        let mut ledger = ledger(1 << 20);
        let mut lineage = lineage(&[(2, 1), (5, 101), (6, 101)], &mut ledger);
        assert_eq!(lineage.ranges().count(), 2);
        assert_eq!((lineage.epoch_of(101), lineage.epoch_of(100)), (6, 2));
        lineage.cut(100);
        assert_eq!(lineage.position(100), at(2, 100));
        assert!(!lineage.begin(2, 101, &mut ledger), "no epoch begins twice");
        assert!(!lineage.begin(3, 1, &mut ledger) || lineage.epoch_of(1) == 3);
        lineage.cut(0);
        assert!(lineage.is_empty() && lineage.position(0) == Position::NOTHING);
        assert!(!lineage.begin(3, 2, &mut ledger), "it begins at 1");
    }

    #[test]
    fn the_oldest_become_one_where_there_are_too_many() {
        for bytes in [1 << 20, 100, 0] {
            let mut ledger = ledger(bytes);
            let mut lineage = Lineage::default();
            for number in 1..=3000 {
                assert!(lineage.begin(number, number * 10 - 9, &mut ledger));
                assert_eq!(ledger.held_bytes(), lineage.charged_bytes());
                lineage.validate(number * 10, true).unwrap();
            }
            assert!(lineage.holds(at(3000, 29_995), 30_000));
            assert!(!lineage.holds(at(1, 5), 30_000));
            assert_eq!(lineage.holds(at(2999, 29_985), 30_000), bytes > 0);
        }
    }
}
