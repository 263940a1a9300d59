//! Cleaning: closing the holes of a segment, a few entries at a time.
//!
//! Two ways, each in steps of a few entries and of [`STEP_BYTES`] bytes:
//! - *evacuating*: what lives in the segment is appended to the open one, and the
//!   segment is freed whole. This is how memory goes back to the account: the allocator
//!   gets back just such blocks as it is asked for.
//! - *sliding*: what lives moves down over the holes, in place, and the segment takes
//!   new entries at its end. It needs no room, so it always works. An evacuation turns
//!   into it where the open segment is full.
//!
//! Invariants:
//! - between two steps the segment is a sequence of entries without gaps, as any other:
//!   what was slid, one dead entry where the gap is, what comes next. Whoever removes
//!   or overwrites entries in it need not know that it is being cleaned;
//! - `to <= from`, both where an entry begins; nothing lives between them;
//! - the segment that is being cleaned is neither the open one nor the next to be open.
//!
//! So that no write pays for a whole segment at once, writes slide one ahead of need, a
//! few entries each; it stands by as the *next* until the open one is full.

use super::{Heap, age, fresh_base};
use crate::entry;
use crate::handle::Handle;
use crate::memory::{Ledger, allocated};
use crate::work::{STEP_BYTES, Work};

/// A segment's base is renewed where it is older than today's by this.
const REBASE_FROM: u64 = 1 << 30;
/// How many segments are looked at for the one with the most to win.
const WINDOW: usize = 64;
/// Evacuating a segment with fewer holes than this part of it is not worth it.
const EVACUATE_PART: usize = 16;

/// What becomes of what lives in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It stays in the segment, which takes new entries then.
    Slide,
    /// The same, and the segment is not the open one.
    SlideAhead,
    /// It goes to the open segment, and the segment goes back to the account.
    Evacuate,
}

/// What one step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    OnItsWay,
    /// This segment has all that is idle at its end. It is for the caller to open or to
    /// trim.
    Slid(usize),
    /// The segment was freed.
    Freed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaning {
    pub(super) segment: usize,
    way: Way,
    /// What comes next.
    from: usize,
    /// Where it goes, if it slides.
    to: usize,
}

impl Heap {
    pub(crate) fn is_cleaning(&self) -> bool {
        self.cleaning.is_some()
    }

    /// Begins with the segment, of the next few, that has the most to win, if that is
    /// `at_least`; false where there is none.
    pub(crate) fn begin_cleaning(&mut self, at_least: usize, way: Way) -> bool {
        debug_assert!(self.cleaning.is_none());
        let Some(segment) = self.find_waste(at_least, way) else {
            return false;
        };
        if self.open == Some(segment) {
            self.open = None;
        }
        let way = match way {
            Way::Slide | Way::SlideAhead => Way::Slide,
            Way::Evacuate => Way::Evacuate,
        };
        self.cleaning = Some(Cleaning {
            segment,
            way,
            from: 0,
            to: 0,
        });
        true
    }

    fn find_waste(&mut self, at_least: usize, way: Way) -> Option<usize> {
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
            let is_worth = match way {
                Way::Slide => segment.live_bytes > 0,
                Way::SlideAhead => self.open != Some(self.cursor),
                Way::Evacuate => {
                    self.open != Some(self.cursor)
                        && wins * EVACUATE_PART >= segment.bytes.capacity()
                }
            };
            let is_free = !segment.is_vacant() && self.next != Some(self.cursor);
            if wins >= most && is_free && is_worth {
                (best, most) = (Some(self.cursor), wins);
            }
        }
        best
    }

    /// One step, of so many entries. `relink` is told of each move once it is done, and must make
    /// everything that points at the old handle point at the new one.
    pub(crate) fn clean(
        &mut self,
        entries_max: usize,
        work: &mut Work,
        ledger: &mut Ledger,
        mut relink: impl FnMut(&mut Heap, Handle, Handle),
    ) -> Step {
        let mut cleaning = self.cleaning.expect("cleaning was begun");
        let Cleaning { segment, from, .. } = cleaning;
        let mut moved = 0;
        let end = self.segments[segment].bytes.len();
        while cleaning.from < end && moved < entries_max && cleaning.from - from < STEP_BYTES {
            let at = cleaning.from;
            let entry = &self.segments[segment].bytes[at..];
            let size = entry::bytes(entry);
            if !entry::is_dead(entry) {
                let to = match cleaning.way {
                    Way::Evacuate => self.evacuate(segment, at, size),
                    Way::Slide | Way::SlideAhead => self.slide(segment, at, size, &mut cleaning.to),
                };
                let Some(to) = to else {
                    cleaning.way = Way::Slide;
                    continue;
                };
                let old = Handle::small(segment, at);
                if to != old {
                    relink(self, old, to);
                    moved += 1;
                }
            }
            cleaning.from += size;
        }
        work.add_entries(moved);
        work.add_bytes(cleaning.from - from);
        self.cleaning = Some(cleaning);
        self.end_step(ledger)
    }

    fn end_step(&mut self, ledger: &mut Ledger) -> Step {
        let cleaning = self.cleaning.expect("cleaning was begun");
        let Cleaning { segment, way, .. } = cleaning;
        let this = &mut self.segments[segment];
        let is_done = cleaning.from >= this.bytes.len();
        if this.live_bytes == 0 {
            self.release(segment, ledger);
            return Step::Freed;
        }
        if way == Way::Slide && is_done {
            this.bytes.truncate(cleaning.to);
            self.cleaning = None;
            return Step::Slid(segment);
        }
        if way == Way::Slide && cleaning.to < cleaning.from {
            entry::fill_gap(&mut this.bytes[cleaning.to..cleaning.from]);
        }
        Step::OnItsWay
    }

    /// Moves an entry to the open segment. None: it does not fit there.
    fn evacuate(&mut self, segment: usize, at: usize, size: usize) -> Option<Handle> {
        let open = self.open?;
        let sequence = self.sequence(Handle::small(segment, at));
        let to = &self.segments[open];
        let age = age(sequence, to.base).filter(|_| to.room_bytes() >= size)?;
        let mut from = std::mem::take(&mut self.segments[segment].bytes);
        let to = &mut self.segments[open];
        let offset = to.bytes.len();
        to.bytes.extend_from_slice(&from[at..at + size]);
        entry::set_age(&mut to.bytes[offset..], age);
        to.live_bytes += size as u32;
        entry::set_dead(&mut from[at..]);
        let this = &mut self.segments[segment];
        this.bytes = from;
        this.live_bytes -= size as u32;
        Some(Handle::small(open, offset))
    }

    /// Moves an entry down to `to`, which then is behind it.
    fn slide(&mut self, segment: usize, at: usize, size: usize, to: &mut usize) -> Option<Handle> {
        let new = Handle::small(segment, *to);
        if at != *to {
            self.segments[segment].bytes.copy_within(at..at + size, *to);
        }
        *to += size;
        Some(new)
    }

    /// Opens a segment that was slid, or lets it be the next where there is more room in
    /// the open one; false where something in it is too old to lie beside new entries.
    pub(crate) fn open_slid(&mut self, number: usize, sequence: u64, ledger: &mut Ledger) -> bool {
        if !self.rebase(number, sequence) {
            return false;
        }
        if self.segments[number].room_bytes() > self.open_room_bytes() {
            self.set_open(number, ledger);
        } else if self.next.is_none() {
            self.next = Some(number);
        }
        true
    }

    /// Whether a segment stands by to be open next.
    pub(crate) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Opens the segment that stands by, if there is one.
    pub(crate) fn open_next(&mut self, ledger: &mut Ledger) {
        if let Some(next) = self.next.take() {
            self.set_open(next, ledger);
        }
    }

    /// Gives a segment that was slid a base of today, so that it can take new entries;
    /// false where something in it is too old for that.
    fn rebase(&mut self, number: usize, sequence: u64) -> bool {
        let segment = &mut self.segments[number];
        let base = fresh_base(sequence);
        let rise = base - segment.base;
        if rise < REBASE_FROM {
            return true;
        }
        let end = segment.bytes.len();
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
        let segment = &mut self.segments[number];
        let (old, new) = (segment.bytes.capacity(), segment.bytes.len());
        segment.bytes.shrink_to_fit();
        debug_assert_eq!(segment.bytes.capacity(), new);
        ledger.refund(allocated(old) - allocated(new));
        self.capacity_bytes -= old - new;
    }
}

impl Cleaning {
    /// Checks the module's invariants.
    pub(super) fn validate(&self, heap: &Heap, live: &[Handle]) -> Result<(), String> {
        let end = heap.segments[self.segment].bytes.len();
        if heap.open == Some(self.segment) || self.to > self.from || self.from > end {
            return Err(format!("{self:?} is not possible"));
        }
        let between = (self.to..self.from).step_by(crate::handle::GRAIN_BYTES);
        let alive = between.map(|at| Handle::small(self.segment, at));
        if self.way == Way::Slide && alive.into_iter().any(|at| live.binary_search(&at).is_ok()) {
            return Err(format!("{self:?} left something alive behind"));
        }
        Ok(())
    }
}
