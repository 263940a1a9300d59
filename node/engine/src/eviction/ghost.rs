//! The ghosts: which keys were evicted lately, at two bytes each.
//!
//! A table of buckets of eight 16-bit fingerprints, each bucket a queue: a new ghost
//! pushes the oldest one out. So the ghosts of a partition are remembered for about
//! as many evictions as asked for, and one in some ten thousand strangers is taken
//! for a ghost, which costs nothing but a place in the wrong queue.
//!
//! The table grows a bucket at a time, by linear hashing (see [`crate::index`]): a new
//! bucket begins as a copy of the one that it splits from, since a fingerprint does not
//! tell which of the two it belongs to. So no eviction pays for a table that doubles, and
//! there are as many buckets as wanted, not a power of two. A partition of few entries has
//! its few buckets in here and allocates nothing.

use crate::memory::Ledger;
use crate::table::Table;

const WAYS: usize = 8;
/// Buckets that are allocated at a time.
const PAGE: usize = 64;
/// Buckets that need no allocation.
const FEW: usize = 4;
/// Buckets that one call adds at most: it is made for every eviction.
const ADDED_PER_CALL: usize = 4;
/// 0 is an empty place.
type Fingerprint = u16;
type Bucket = [Fingerprint; WAYS];

#[derive(Default)]
pub(super) struct Ghosts {
    /// All of them while there are no more.
    few: [Bucket; FEW],
    /// All of them else.
    many: Table<Bucket, PAGE>,
    /// How many buckets are used.
    count: usize,
    /// How many places of each bucket are used, so that as many are remembered as asked
    /// for where that is fewer than the buckets hold.
    ways: usize,
}

impl Ghosts {
    /// Remembers `count` ghosts from now on, if the memory allows it; a large table gets
    /// there in several calls. False: it wants memory that there is none of.
    pub(super) fn provision(&mut self, count: usize, ledger: &mut Ledger) -> bool {
        let wanted = count.div_ceil(WAYS).max(1);
        for _ in 0..ADDED_PER_CALL {
            if self.count >= wanted {
                break;
            }
            if self.count >= FEW && self.count >= self.many.capacity() && !self.add_page(ledger) {
                return false;
            }
            self.add_bucket();
        }
        self.ways = count.div_ceil(self.count).clamp(1, WAYS);
        true
    }

    fn add_page(&mut self, ledger: &mut Ledger) -> bool {
        let is_first = self.many.capacity() == 0;
        let fits = self.many.add_page(ledger);
        if fits && is_first {
            for bucket in 0..FEW {
                self.many[bucket] = self.few[bucket];
            }
        }
        fits
    }

    fn add_bucket(&mut self) {
        let bucket = match round(self.count) {
            None => [0; WAYS],
            Some(round) => *self.bucket(self.count - round),
        };
        let new = self.count;
        self.count += 1;
        *self.bucket(new) = bucket;
    }

    pub(super) fn remember(&mut self, hash: u64) {
        if let Some(bucket) = self.bucket_of(hash) {
            let bucket = self.bucket(bucket);
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
        let bucket = self.bucket(bucket);
        let place = bucket[..ways]
            .iter()
            .position(|&ghost| ghost == fingerprint(hash));
        if let Some(place) = place {
            bucket[place] = 0;
        }
        place.is_some()
    }

    pub(super) fn charged_bytes(&self) -> usize {
        self.many.charged_bytes()
    }

    fn bucket(&mut self, bucket: usize) -> &mut Bucket {
        if self.many.capacity() == 0 {
            &mut self.few[bucket]
        } else {
            &mut self.many[bucket]
        }
    }

    /// Bits 16 and up, so that it shares none with the head of the index's chain in
    /// a partition of usual size, and none with the fingerprint.
    fn bucket_of(&self, hash: u64) -> Option<usize> {
        let round = round(self.count)?;
        let bucket = (hash >> 16) as usize & (2 * round - 1);
        Some(if bucket < self.count {
            bucket
        } else {
            bucket - round
        })
    }
}

/// The largest power of two that is not above the number of buckets.
fn round(count: usize) -> Option<usize> {
    Some(1 << count.checked_ilog2()?)
}

fn fingerprint(hash: u64) -> Fingerprint {
    ((hash >> 48) as Fingerprint).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Account;

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) ^ number
    }

    #[test]
    fn ghosts_outlive_every_growth_of_the_table() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 20, 0)));
        let mut ghosts = Ghosts::default();
        for number in 0..200_u64 {
            // Never full, so none is pushed out.
            for _ in 0..10 {
                assert!(ghosts.provision(40 + number as usize * 100, &mut ledger));
            }
            ghosts.remember(hash(number));
            assert_eq!(ledger.held_bytes(), ghosts.charged_bytes());
        }
        assert!((0..200).all(|number| ghosts.take(hash(number))));
    }

    #[test]
    fn a_call_adds_a_few_buckets_and_the_next_goes_on() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 24, 0)));
        let mut ghosts = Ghosts::default();
        let wanted = 1_000_000_usize;
        let mut calls = 0;
        while ghosts.count < wanted.div_ceil(WAYS) {
            let before = ghosts.count;
            assert!(ghosts.provision(wanted, &mut ledger));
            let added = ghosts.count - before;
            assert!(added > 0 && added <= ADDED_PER_CALL);
            calls += 1;
        }
        assert!(calls > 30_000, "{calls}");
        // Two bytes each, and not much more.
        assert!(ledger.held_bytes() < wanted * 2 * 105 / 100);
    }

    #[test]
    fn few_entries_have_few_ghosts_and_allocate_nothing() {
        let mut ledger = Ledger::new(Arc::new(Account::new(0, 0)));
        let mut ghosts = Ghosts::default();
        for number in 0..1000 {
            assert!(ghosts.provision(3, &mut ledger));
            ghosts.remember(hash(number));
        }
        assert_eq!((0..1000).filter(|&n| ghosts.take(hash(n))).count(), 3);
        assert!((0..10).all(|_| ghosts.provision(WAYS * FEW, &mut ledger)));
        assert_eq!(ledger.held_bytes(), 0);
    }

    #[test]
    fn without_memory_it_says_so_and_goes_on_with_what_it_has() {
        let mut ledger = Ledger::new(Arc::new(Account::new(2 << 10, 0)));
        let mut ghosts = Ghosts::default();
        let is_short = (0..100).any(|_| !ghosts.provision(100_000, &mut ledger));
        assert!(is_short);
        ghosts.remember(hash(1));
        assert!(ghosts.take(hash(1)) && !ghosts.take(hash(2)));
    }
}
