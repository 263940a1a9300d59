//! The ghosts: which keys were evicted lately, at two bytes each.
//!
//! A table of buckets of eight 16-bit fingerprints, each bucket a queue: a new ghost
//! pushes the oldest one out. So the ghosts of a partition are remembered for about
//! as many evictions as asked for, and one in some ten thousand strangers is taken
//! for a ghost, which costs nothing but a place in the wrong queue.

use crate::memory::{Ledger, allocated};

const WAYS: usize = 8;
/// 0 is an empty place.
type Fingerprint = u16;
type Bucket = [Fingerprint; WAYS];

#[derive(Default)]
pub(super) struct Ghosts {
    /// A power of two of them, or none yet.
    buckets: Vec<Bucket>,
    /// How many places of each bucket are used: 4 to 8, so that the number
    /// remembered follows the number of entries closer than by a power of two.
    ways: usize,
}

impl Ghosts {
    /// Remembers `count` ghosts from now on, if the memory allows it.
    pub(super) fn provision(&mut self, count: usize, ledger: &mut Ledger) -> bool {
        let wanted = count.div_ceil(WAYS).next_power_of_two();
        if self.buckets.len() < wanted {
            let (old, new) = (self.buckets.len(), wanted);
            if !ledger.try_resize(old * size_of::<Bucket>(), new * size_of::<Bucket>()) {
                return false;
            }
            self.buckets.reserve_exact(new - old);
            // A ghost of the old table is in either half of one twice as large.
            while self.buckets.len() < new {
                let half = self.buckets.len();
                match half {
                    0 => self.buckets.resize(new, [0; WAYS]),
                    _ => self.buckets.extend_from_within(..half),
                }
            }
        }
        self.ways = count.div_ceil(self.buckets.len()).clamp(1, WAYS);
        true
    }

    pub(super) fn remember(&mut self, hash: u64) {
        if let Some(bucket) = self.bucket_of(hash) {
            let bucket = &mut self.buckets[bucket];
            bucket.copy_within(..WAYS - 1, 1);
            bucket[0] = fingerprint(hash);
        }
    }

    /// Whether it was evicted lately. It is forgotten then.
    pub(super) fn take(&mut self, hash: u64) -> bool {
        let Some(bucket) = self.bucket_of(hash) else {
            return false;
        };
        let ways = self.ways;
        let bucket = &mut self.buckets[bucket];
        let place = bucket[..ways]
            .iter()
            .position(|&ghost| ghost == fingerprint(hash));
        if let Some(place) = place {
            bucket[place] = 0;
        }
        place.is_some()
    }

    pub(super) fn charged_bytes(&self) -> usize {
        allocated(self.buckets.len() * size_of::<Bucket>())
    }

    /// Bits 16 and up, so that it shares none with the head of the index's chain in
    /// a partition of usual size, and none with the fingerprint.
    fn bucket_of(&self, hash: u64) -> Option<usize> {
        let last = self.buckets.len().checked_sub(1)?;
        Some((hash >> 16) as usize & last)
    }
}

fn fingerprint(hash: u64) -> Fingerprint {
    ((hash >> 48) as Fingerprint).max(1)
}
