//! Closing the holes of a segment, in place.
//!
//! What lives in it moves down over the dead; what is idle behind it then takes new
//! entries or goes back to the account. One slide touches one segment, so it is bounded
//! by 64 KiB.

use super::{Heap, fresh_base};
use crate::entry;
use crate::handle::Handle;
use crate::memory::{Ledger, allocated};

/// A segment's base is renewed where it is older than today's by this.
const REBASE_FROM: u64 = 1 << 30;
/// How many segments are looked at for the one with the most to win.
const WINDOW: usize = 64;

impl Heap {
    /// The segment, of the next few, that sliding wins the most from, if that is
    /// `at_least`.
    pub(crate) fn find_waste(&mut self, at_least: usize) -> Option<usize> {
        let count = self.segments.len();
        let mut best = None;
        let mut most = at_least.max(1);
        for _ in 0..count.min(WINDOW) {
            self.cursor = if self.cursor + 1 < count {
                self.cursor + 1
            } else {
                0
            };
            let segment = &self.segments[self.cursor];
            let wins = segment.wins_bytes();
            if wins >= most && !segment.is_vacant() {
                (best, most) = (Some(self.cursor), wins);
            }
        }
        best
    }

    /// Moves the live entries of a segment down over its holes. `relink` is told
    /// of each move once it is done, and must make everything that points at the
    /// old handle point at the new one.
    pub(crate) fn slide(
        &mut self,
        segment: usize,
        mut relink: impl FnMut(&mut Heap, Handle, Handle),
    ) {
        let end = self.segments[segment].end as usize;
        let (mut from, mut to) = (0, 0);
        while from < end {
            let bytes = &mut self.segments[segment].bytes;
            let size = entry::bytes(&bytes[from..]);
            if !entry::is_dead(&bytes[from..]) {
                if from != to {
                    bytes.copy_within(from..from + size, to);
                    relink(
                        self,
                        Handle::small(segment, from),
                        Handle::small(segment, to),
                    );
                }
                to += size;
            }
            from += size;
        }
        let segment = &mut self.segments[segment];
        debug_assert_eq!(to, segment.live_bytes as usize);
        segment.end = to as u32;
    }

    /// Gives a segment that was slid a base of today, so that it can take new entries;
    /// false where something in it is too old for that.
    pub(crate) fn rebase(&mut self, number: usize, sequence: u64) -> bool {
        let segment = &mut self.segments[number];
        let base = fresh_base(sequence);
        let rise = base - segment.base;
        if rise < REBASE_FROM {
            return true;
        }
        let end = segment.end as usize;
        let mut offset = 0;
        while offset < end {
            let entry = &segment.bytes[offset..];
            if u64::from(entry::age(entry)) < rise {
                return false;
            }
            offset += entry::bytes(entry);
        }
        offset = 0;
        while offset < end {
            let entry = &mut segment.bytes[offset..];
            let age = u64::from(entry::age(entry)) - rise;
            entry::set_age(entry, age as u32);
            offset += entry::bytes(entry);
        }
        segment.base = base;
        true
    }

    /// Gives the idle end of a segment that was slid back to the account.
    pub(crate) fn trim(&mut self, number: usize, ledger: &mut Ledger) {
        if self.segments[number].live_bytes == 0 {
            if self.open == Some(number) {
                self.open = None;
            }
            return self.release(number, ledger);
        }
        let segment = &mut self.segments[number];
        let (old, new) = (segment.bytes.len(), segment.end as usize);
        let mut bytes = std::mem::take(&mut segment.bytes).into_vec();
        bytes.truncate(new);
        segment.bytes = bytes.into_boxed_slice();
        ledger.refund(allocated(old) - allocated(new));
        self.capacity_bytes -= old - new;
    }
}
