//! The heap: where the bytes of a partition's entries lie.
//!
//! Entries below [`LARGE_FROM_BYTES`] are appended to *segments* of at most 64 KiB;
//! each larger one has an allocation of its own, of its own size. A removed entry
//! leaves a hole; holes are closed by *cleaning* a segment (see [`mod@clean`]). The
//! allocator thus sees few, large blocks of few sizes, taken and freed whole: no header
//! and no rounding for each entry, little fragmentation that the account does not know,
//! and closing a partition frees hundreds of blocks, not millions.
//!
//! Invariants:
//! - a segment is a sequence of entries, dead or alive, without gaps;
//! - `capacity_bytes` and `live_bytes` are the sums over the segments;
//! - new entries go to the *open* segment; a segment without a live entry is freed
//!   unless it is the open one;
//! - everything allocated here was charged to the ledger before;
//! - a segment has a *base*, and an entry's sequence is
//!   the base plus its age of 32 bits. The base lies 2^31 below the partition's sequence
//!   at the segment's creation. An entry whose sequence is out of that range cannot be
//!   appended or overwritten there; it gets another segment, or an allocation of its
//!   own, which is a segment of one. So four bytes are exact for ever. A segment that
//!   was slid gets a new base before it is opened again, if what lives in it is young
//!   enough.
//!
//! Non-goals: it knows nothing of keys, order or time. Whoever cleans must relink
//! what moved.
//!
//! Log-structured memory for caches: Rumble, Kejriwal, Ousterhout, "Log-structured
//! memory for DRAM-based storage", FAST 2014 (here without its two levels: sliding
//! in place needs no free segment).

mod clean;
mod validate;

use std::mem::offset_of;

use crate::entry::{self, Draft};
use crate::handle::{Handle, LARGE_MAX, Place, SEGMENT_BYTES, SEGMENTS_MAX};
use crate::memory::{Ledger, allocated};
use crate::table::Table;

use clean::Cleaning;
pub(crate) use clean::{Step, Way};

/// From this size an entry has an allocation of its own.
pub(crate) const LARGE_FROM_BYTES: usize = 4 << 10;

/// A segment is as large as this part of the partition, so that at most that is idle at
/// the end of the open one,
const SEGMENT_PART: usize = 64;
/// but not smaller than this, as soon as there is a little more in the partition,
const SEGMENT_BYTES_USUAL: usize = 4 << 10;
/// and never smaller than this.
const SEGMENT_BYTES_MIN: usize = 512;
/// Where there is less, a segment is as large as this part of it.
const SEGMENT_PART_MAX: usize = 4;
/// From here on segments have one of three sizes, whatever lies in them, so that one can
/// always take another's place in the allocator.
const UNIFORM_FROM_BYTES: usize = 16 << 10;
/// What the allocator puts before a block: with it a segment takes a power of two.
const HEADER_BYTES: usize = 16;

/// In the order in which it lies in memory: what leads to an entry comes first.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Heap {
    segments: Table<Segment, 32>,
    large: Table<Large, 32>,
    open: Option<usize>,
    vacant_segment: Option<u32>,
    vacant_large: Option<u32>,
    /// Charged, for the large entry that comes next.
    pending: Option<Vec<u8>>,
    /// The segment that is being cleaned.
    cleaning: Option<Cleaning>,
    /// A segment that was slid ahead of need: it is the next to be open.
    next: Option<usize>,
    /// Where the next search for a segment to clean begins.
    cursor: usize,
    capacity_bytes: usize,
    live_bytes: usize,
    large_bytes: usize,
}

/// So far from its beginning lies what leads to an entry.
pub(crate) const READ_BYTES: usize = offset_of!(Heap, open);

/// A segment; vacant where it has no capacity.
#[derive(Debug)]
struct Segment {
    /// The entries, up to where the next one goes. What is behind that was never written
    /// to, so that the system finds its pages one by one, each for the entry that needs it.
    bytes: Vec<u8>,
    /// What the age of its entries is counted from.
    base: u64,
    /// What lives in it. Where vacant: see `next_vacant`.
    live_bytes: u32,
}

#[derive(Debug)]
enum Large {
    Held { bytes: Box<[u8]>, base: u64 },
    Vacant { next: Option<u32> },
}

impl Heap {
    /// The entry, and what follows it.
    #[inline]
    pub(crate) fn entry(&self, handle: Handle) -> &[u8] {
        match handle.place() {
            Place::Small { segment, offset } => &self.segments[segment].bytes[offset..],
            Place::Large { number } => match &self.large[number] {
                Large::Held { bytes, .. } => bytes,
                Large::Vacant { .. } => unreachable!("a handle to a freed entry"),
            },
        }
    }

    /// What is read to find the entry, which is not read itself.
    #[inline]
    pub(crate) fn slot(&self, handle: Handle) -> (*const u8, usize) {
        match handle.place() {
            Place::Small { segment, .. } => whole(&self.segments[segment]),
            Place::Large { number } => whole(&self.large[number]),
        }
    }

    #[inline]
    pub(crate) fn entry_mut(&mut self, handle: Handle) -> &mut [u8] {
        match handle.place() {
            Place::Small { segment, offset } => &mut self.segments[segment].bytes[offset..],
            Place::Large { number } => match &mut self.large[number] {
                Large::Held { bytes, .. } => bytes,
                Large::Vacant { .. } => unreachable!("a handle to a freed entry"),
            },
        }
    }

    /// Everything charged for entries, live or not. The tables are extra.
    pub(crate) fn data_bytes(&self) -> usize {
        self.capacity_bytes + self.large_bytes
    }

    /// What the live entries take.
    pub(crate) fn entry_bytes(&self) -> usize {
        self.live_bytes + self.large_bytes
    }

    /// What cleaning could win back.
    pub(crate) fn waste_bytes(&self) -> usize {
        let next_room = self.next.map_or(0, |next| self.segments[next].room_bytes());
        self.capacity_bytes - self.live_bytes - self.open_room_bytes() - next_room
    }

    pub(crate) fn open_room_bytes(&self) -> usize {
        self.open.map_or(0, |open| self.segments[open].room_bytes())
    }

    /// The sequence of the write that stored the entry.
    #[inline]
    pub(crate) fn sequence(&self, handle: Handle) -> u64 {
        self.base(handle) + u64::from(entry::age(self.entry(handle)))
    }

    #[inline]
    fn base(&self, handle: Handle) -> u64 {
        match handle.place() {
            Place::Small { segment, .. } => self.segments[segment].base,
            Place::Large { number } => match &self.large[number] {
                Large::Held { base, .. } => *base,
                Large::Vacant { .. } => unreachable!("a handle to a freed entry"),
            },
        }
    }

    /// Whether the draft can be written over the entry.
    pub(crate) fn fits_over(&self, handle: Handle, draft: &Draft<'_>) -> bool {
        let entry = self.entry(handle);
        entry::expires(entry) == draft.deadline_ms.is_some()
            && entry::bytes(entry) == draft.bytes()
            && age(draft.sequence, self.base(handle)).is_some()
    }

    pub(crate) fn overwrite(&mut self, handle: Handle, draft: &Draft<'_>) {
        let age = age(draft.sequence, self.base(handle)).expect("asked by fits_over");
        draft.overwrite(self.entry_mut(handle), age);
    }

    /// Whether the draft fits without allocating.
    pub(crate) fn has_room(&self, draft: &Draft<'_>) -> bool {
        let size = draft.bytes();
        size < LARGE_FROM_BYTES
            && self.open_room_bytes() >= size
            && self
                .open
                .is_some_and(|at| age(draft.sequence, self.segments[at].base).is_some())
    }

    /// Makes sure that the next `append` of this draft succeeds; false where the memory
    /// does not allow it. What was set aside and not used is given back by
    /// [`Heap::cancel`]. `sequence` is the partition's.
    #[must_use]
    pub(crate) fn ready(&mut self, draft: &Draft<'_>, sequence: u64, ledger: &mut Ledger) -> bool {
        let base = fresh_base(sequence);
        if draft.bytes() >= LARGE_FROM_BYTES || age(draft.sequence, base).is_none() {
            return self.has_room(draft) || self.ready_large(draft, ledger);
        }
        self.has_room(draft) || self.add_segment(draft.bytes(), base, ledger)
    }

    fn ready_large(&mut self, draft: &Draft<'_>, ledger: &mut Ledger) -> bool {
        debug_assert!(self.pending.is_none());
        if self.vacant_large.is_none()
            && (self.large.len() == LARGE_MAX || !self.large.room_for_one(ledger))
        {
            return false;
        }
        let fits = ledger.try_charge(allocated(draft.bytes()));
        if fits {
            self.pending = Some(draft.own_bytes());
        }
        fits
    }

    /// Gives back what [`Heap::ready`] set aside.
    pub(crate) fn cancel(&mut self, ledger: &mut Ledger) {
        if let Some(pending) = self.pending.take() {
            let bytes = allocated(pending.capacity());
            ledger.give_up(pending, bytes);
        }
    }

    fn add_segment(&mut self, size: usize, base: u64, ledger: &mut Ledger) -> bool {
        if self.vacant_segment.is_none()
            && (self.segments.len() == SEGMENTS_MAX || !self.segments.room_for_one(ledger))
        {
            return false;
        }
        let capacity = segment_bytes(self.data_bytes(), size);
        if !ledger.try_charge(allocated(capacity)) {
            return false;
        }
        let segment = Segment {
            bytes: Vec::with_capacity(capacity),
            base,
            live_bytes: 0,
        };
        let number = match self.vacant_segment {
            Some(number) => {
                let slot = &mut self.segments[number as usize];
                self.vacant_segment = slot.next_vacant();
                *slot = segment;
                number as usize
            }
            None => self.segments.push(segment),
        };
        self.capacity_bytes += capacity;
        self.set_open(number, ledger);
        true
    }

    /// Stores an entry that [`Heap::ready`] made room for: its bytes are copied here,
    /// once.
    pub(crate) fn append(&mut self, draft: &Draft<'_>) -> Handle {
        let size = draft.bytes();
        if let Some(mut bytes) = self.pending.take() {
            draft.write(&mut bytes);
            return self.append_large(bytes.into_boxed_slice(), draft.sequence);
        }
        let open = self.open.expect("ready was called for this entry");
        let segment = &mut self.segments[open];
        let age = age(draft.sequence, segment.base).expect("ready was called for this entry");
        debug_assert!(segment.room_bytes() >= size);
        let offset = segment.bytes.len();
        draft.append(&mut segment.bytes, age);
        segment.live_bytes += size as u32;
        self.live_bytes += size;
        Handle::small(open, offset)
    }

    fn append_large(&mut self, bytes: Box<[u8]>, base: u64) -> Handle {
        self.large_bytes += bytes.len();
        let held = Large::Held { bytes, base };
        let number = match self.vacant_large {
            Some(number) => {
                let slot = &mut self.large[number as usize];
                let Large::Vacant { next } = *slot else {
                    unreachable!("vacant, said the list")
                };
                self.vacant_large = next;
                *slot = held;
                number as usize
            }
            None => self.large.push(held),
        };
        Handle::large(number)
    }

    /// Removes an entry that nothing links to any more.
    pub(crate) fn free(&mut self, handle: Handle, ledger: &mut Ledger) {
        match handle.place() {
            Place::Small { segment, .. } => {
                let entry = self.entry_mut(handle);
                entry::set_dead(entry);
                let size = entry::bytes(entry);
                self.live_bytes -= size;
                self.segments[segment].live_bytes -= size as u32;
                if self.segments[segment].live_bytes == 0 {
                    if self.open == Some(segment) {
                        self.segments[segment].bytes.clear();
                    } else {
                        self.release(segment, ledger);
                    }
                }
            }
            Place::Large { number } => {
                let vacant = Large::Vacant {
                    next: self.vacant_large,
                };
                if let Large::Held { bytes, .. } =
                    std::mem::replace(&mut self.large[number], vacant)
                {
                    self.vacant_large = Some(number as u32);
                    self.large_bytes -= bytes.len();
                    let charged_bytes = allocated(bytes.len());
                    ledger.give_up(bytes, charged_bytes);
                }
            }
        }
    }

    fn release(&mut self, number: usize, ledger: &mut Ledger) {
        debug_assert!(self.open != Some(number));
        self.cleaning = self.cleaning.filter(|cleaning| cleaning.segment != number);
        self.next = self.next.filter(|&next| next != number);
        let vacant = Segment::vacant(self.vacant_segment);
        let segment = std::mem::replace(&mut self.segments[number], vacant);
        self.vacant_segment = Some(number as u32);
        let capacity = segment.bytes.capacity();
        self.capacity_bytes -= capacity;
        ledger.give_up(segment.bytes, allocated(capacity));
    }

    /// Gives up the open segment, so that what is idle in it can go back to the account.
    /// False where there is nothing to win.
    pub(crate) fn close_open(&mut self, ledger: &mut Ledger) -> bool {
        let Some(open) = self.open.take().or_else(|| self.next.take()) else {
            return false;
        };
        if self.segments[open].live_bytes == 0 {
            self.release(open, ledger);
            return true;
        }
        self.segments[open].wins_bytes() > 0
    }

    /// Appends go to this segment from now on.
    pub(crate) fn set_open(&mut self, segment: usize, ledger: &mut Ledger) {
        let before = self.open.replace(segment);
        // What was open may hold nothing alive; then nobody else would free it.
        if let Some(before) = before
            && before != segment
            && self.segments[before].live_bytes == 0
        {
            self.release(before, ledger);
        }
    }
}

impl Segment {
    fn vacant(next: Option<u32>) -> Segment {
        let live_bytes = next.unwrap_or(u32::MAX);
        Segment {
            bytes: Vec::new(),
            base: 0,
            live_bytes,
        }
    }

    fn is_vacant(&self) -> bool {
        self.bytes.capacity() == 0
    }

    fn next_vacant(&self) -> Option<u32> {
        debug_assert!(self.is_vacant());
        (self.live_bytes != u32::MAX).then_some(self.live_bytes)
    }

    fn room_bytes(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    fn wins_bytes(&self) -> usize {
        if self.is_vacant() {
            0
        } else {
            self.bytes.capacity() - self.live_bytes as usize
        }
    }
}

impl Default for Segment {
    fn default() -> Segment {
        Segment::vacant(None)
    }
}

impl Default for Large {
    fn default() -> Large {
        Large::Vacant { next: None }
    }
}

/// How large a segment is made whose first entry takes `entry_bytes`.
fn segment_bytes(data_bytes: usize, entry_bytes: usize) -> usize {
    let least = (data_bytes / SEGMENT_PART_MAX).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_USUAL);
    let wanted = (data_bytes / SEGMENT_PART).clamp(least, SEGMENT_BYTES);
    if wanted >= UNIFORM_FROM_BYTES {
        return (1 << wanted.ilog2()) - HEADER_BYTES;
    }
    // A whole number of entries like this one: where all are alike, no end is idle.
    (wanted / entry_bytes).max(1) * entry_bytes
}

fn whole<T>(it: &T) -> (*const u8, usize) {
    (std::ptr::from_ref(it).cast(), size_of::<T>())
}

/// The base of a segment that is created now.
fn fresh_base(sequence: u64) -> u64 {
    sequence.saturating_sub(1 << 31)
}

/// A sequence counted from a base, if 32 bits can tell it.
fn age(sequence: u64, base: u64) -> Option<u32> {
    sequence.checked_sub(base)?.try_into().ok()
}
