//! The timer wheel: which entries are due, without looking at the others.
//!
//! A bucket for each of the next 32 ticks of 128 ms, one for each of the next 32
//! rounds of those, and so on over seven levels. An entry waits in the bucket of its
//! deadline's highest digit (base 32) that differs from the wheel's current tick;
//! when the wheel gets there, the bucket is emptied into lower levels, at most six
//! times in an entry's life. Everything in a bucket of the lowest level is over once
//! its tick is, so a call to reclaim sees no live entry but those moving down.
//!
//! Varghese, Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
//!
//! Invariants: the wheel's `tick` only rises; an entry is in the bucket of its digit
//! as seen from some earlier `tick`, or in a bucket being emptied. Reads do not use
//! the wheel: they compare the deadline itself, so they are exact.
//!
//! All times here are milliseconds of the partition's own time.

use crate::entry::{self, Links};
use crate::handle::Handle;
use crate::heap::Heap;
use crate::lists::Lists;

/// A tick is 128 ms: how late an entry may be found due.
const TICK_BITS: u32 = 7;
const DIGIT_BITS: u32 = 5;
const DIGITS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 7;
const BUCKETS: usize = LEVELS * DIGITS;

/// What the wheel came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This entry's time is over. It is still linked.
    Due(Handle),
    /// An entry moved to a lower level.
    Moved,
    /// Nothing is due.
    Idle,
}

#[derive(Debug)]
pub(crate) struct Wheel {
    tick: u64,
    buckets: Lists<BUCKETS>,
    /// For each level, which of its buckets hold something.
    occupied: [u32; LEVELS],
}

impl Wheel {
    pub(crate) fn new(now_ms: u64) -> Wheel {
        Wheel {
            tick: now_ms >> TICK_BITS,
            buckets: Lists::new(Links::Bucket),
            occupied: [0; LEVELS],
        }
    }

    /// Files an entry by its deadline.
    pub(crate) fn link(&mut self, heap: &mut Heap, handle: Handle) {
        let deadline_ms = entry::deadline_ms(heap.entry(handle)).expect("an entry that expires");
        let bucket = self.bucket_of(deadline_ms);
        self.occupied[bucket / DIGITS] |= 1 << (bucket % DIGITS);
        self.buckets.push_last(heap, bucket, handle);
    }

    pub(crate) fn unlink(&mut self, heap: &mut Heap, handle: Handle) {
        if let Some(bucket) = self.buckets.unlink(heap, handle) {
            self.occupied[bucket / DIGITS] &= !(1 << (bucket % DIGITS));
        }
    }

    pub(crate) fn moved(&mut self, heap: &mut Heap, handle: Handle) {
        self.buckets.moved(heap, handle);
    }

    /// One step of work: constant time.
    pub(crate) fn turn(&mut self, heap: &mut Heap, now_ms: u64) -> Turn {
        let now_tick = now_ms >> TICK_BITS;
        loop {
            if let Some(handle) = self.first_of_current(1..LEVELS) {
                self.unlink(heap, handle);
                self.link(heap, handle);
                return Turn::Moved;
            }
            if self.tick < now_tick
                && let Some(handle) = self.first_of_current(0..1)
            {
                return Turn::Due(handle);
            }
            match self.next_occupied() {
                Some(tick) if tick <= now_tick => self.tick = tick,
                _ => {
                    if self.occupied == [0; LEVELS] {
                        self.tick = self.tick.max(now_tick);
                    }
                    return Turn::Idle;
                }
            }
        }
    }

    /// The first entry of the buckets that the current tick is within. Above the
    /// lowest level such a bucket holds something only while it is being emptied.
    fn first_of_current(&self, levels: std::ops::Range<usize>) -> Option<Handle> {
        levels.rev().find_map(|level| {
            let digit = self.digit(self.tick, level);
            let occupied = self.occupied[level] & 1 << digit != 0;
            occupied.then(|| self.buckets.first(level * DIGITS + digit))?
        })
    }

    /// When the next bucket that holds something begins. Lower levels come first.
    fn next_occupied(&self) -> Option<u64> {
        (0..LEVELS).find_map(|level| {
            let digit = self.digit(self.tick, level);
            let later = self.occupied[level] & u32::MAX.checked_shl(digit as u32 + 1).unwrap_or(0);
            (later != 0).then(|| {
                let shift = level as u32 * DIGIT_BITS;
                let round = self.tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
                round | u64::from(later.trailing_zeros()) << shift
            })
        })
    }

    fn bucket_of(&self, deadline_ms: u64) -> usize {
        let tick = (deadline_ms >> TICK_BITS).max(self.tick);
        let differing = u64::BITS - (tick ^ self.tick | 1).leading_zeros() - 1;
        let level = (differing / DIGIT_BITS) as usize;
        level * DIGITS + self.digit(tick, level)
    }

    fn digit(&self, tick: u64, level: usize) -> usize {
        (tick >> (level as u32 * DIGIT_BITS)) as usize % DIGITS
    }

    /// Checks the module's invariants and returns every entry found.
    pub(crate) fn validate(&self, heap: &Heap) -> Result<Vec<Handle>, String> {
        let mut found = Vec::new();
        for bucket in 0..BUCKETS {
            let (level, digit) = (bucket / DIGITS, bucket % DIGITS);
            let entries = self.buckets.validate(heap, bucket)?;
            if entries.is_empty() == (self.occupied[level] & 1 << digit != 0) {
                return Err(format!("bucket {bucket} is not what its bit says"));
            }
            let emptied = level > 0 && digit == self.digit(self.tick, level);
            for &handle in &entries {
                let deadline_ms = entry::deadline_ms(heap.entry(handle));
                let deadline_ms = deadline_ms.ok_or("an entry without deadline in the wheel")?;
                if !emptied && self.bucket_of(deadline_ms) != bucket {
                    return Err(format!(
                        "{handle:?}, due at {deadline_ms}, is in bucket {bucket}"
                    ));
                }
            }
            found.extend(entries);
        }
        Ok(found)
    }
}
