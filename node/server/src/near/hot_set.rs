//! Which keys are hot: a small table that every read looks at, and one task changes.
//!
//! A key is known by a fingerprint of its hash, in one of four places that its hash leads
//! to. So a read of a cold key costs a load where no key is hot, and else a hash and four
//! loads from 4 KiB that nobody writes to. A fingerprint that another key shares makes that
//! one hot as well, which does no harm: what is granted is noted by the key itself.
//!
//! Beside each stands how often it was read here since it is hot, by each thread for itself,
//! and written while a grant of it was out.
//!
//! Invariant: [`HotSet::add`] and [`HotSet::remove`] are called by one thread at a time.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use shoal_threads::{copy_count, thread_number};

/// Hot keys, at most.
pub(super) const KEYS_MAX: usize = 256;
const PLACES: usize = 4;
const BUCKETS: usize = 256;

/// Where a hot key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot(usize);

/// How often a hot key was used here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) reads: u32,
    pub(super) writes: u32,
}

#[derive(Debug)]
pub(super) struct HotSet {
    count: AtomicUsize,
    /// 0: nobody.
    fingerprints: Box<[[AtomicU32; PLACES]]>,
    /// A power of two of copies; where there are more threads, some share one.
    reads: Box<[Box<[AtomicU32]>]>,
    writes: Box<[AtomicU32]>,
}

impl Default for HotSet {
    fn default() -> HotSet {
        let counters = || (0..BUCKETS * PLACES).map(|_| AtomicU32::new(0)).collect();
        let bucket = || std::array::from_fn(|_| AtomicU32::new(0));
        HotSet {
            count: AtomicUsize::new(0),
            fingerprints: (0..BUCKETS).map(|_| bucket()).collect(),
            reads: (0..copy_count()).map(|_| counters()).collect(),
            writes: counters(),
        }
    }
}

impl HotSet {
    /// Nothing is hot.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Hot keys now.
    pub(super) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Where the key of this hash stands, if it is hot.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<Spot> {
        let (bucket, fingerprint) = place(hash);
        let found = self.fingerprints[bucket]
            .iter()
            .position(|it| it.load(Relaxed) == fingerprint)?;
        Some(Spot(bucket * PLACES + found))
    }

    /// Count a read.
    #[inline]
    pub(super) fn read(&self, spot: Spot) {
        self.reads[thread_number() & (self.reads.len() - 1)][spot.0].fetch_add(1, Relaxed);
    }

    /// Count a write, if the key of this hash is hot.
    pub(super) fn wrote(&self, hash: u64) {
        if let Some(spot) = self.find(hash) {
            self.writes[spot.0].fetch_add(1, Relaxed);
        }
    }

    /// What was counted since it was added. Wraps.
    pub(super) fn uses(&self, spot: Spot) -> Uses {
        Uses {
            reads: self
                .reads
                .iter()
                .map(|reads| reads[spot.0].load(Relaxed))
                .fold(0, u32::wrapping_add),
            writes: self.writes[spot.0].load(Relaxed),
        }
    }

    /// Make a key hot. None: it is, or there is no place for it.
    pub(super) fn add(&self, hash: u64) -> Option<Spot> {
        if self.count.load(Relaxed) >= KEYS_MAX || self.find(hash).is_some() {
            return None;
        }
        let (bucket, fingerprint) = place(hash);
        let places = &self.fingerprints[bucket];
        let free = places.iter().position(|it| it.load(Relaxed) == 0)?;
        let spot = Spot(bucket * PLACES + free);
        self.reads
            .iter()
            .for_each(|reads| reads[spot.0].store(0, Relaxed));
        self.writes[spot.0].store(0, Relaxed);
        places[free].store(fingerprint, Relaxed);
        self.count.fetch_add(1, Relaxed);
        Some(spot)
    }

    /// Make the key that stands there a cold one.
    pub(super) fn remove(&self, spot: Spot) {
        let place = &self.fingerprints[spot.0 / PLACES][spot.0 % PLACES];
        if place.swap(0, Relaxed) != 0 {
            self.count.fetch_sub(1, Relaxed);
        }
    }
}

/// Bucket and fingerprint, of different bits.
#[inline]
fn place(hash: u64) -> (usize, u32) {
    ((hash >> 32) as usize % BUCKETS, (hash as u32).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: u64) -> u64 {
        (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn keys_are_found_until_they_are_removed() {
        let set = HotSet::default();
        assert!(set.is_empty() && set.find(hash(1)).is_none());
        let spot = set.add(hash(1)).unwrap();
        assert_eq!(set.add(hash(1)), None, "it is there");
        assert_eq!((set.find(hash(1)), set.find(hash(2))), (Some(spot), None));
        set.read(spot);
        set.read(spot);
        set.wrote(hash(1));
        set.wrote(hash(2));
        let uses = Uses {
            reads: 2,
            writes: 1,
        };
        assert_eq!(set.uses(spot), uses);
        set.remove(spot);
        set.remove(spot);
        assert!(set.is_empty() && set.find(hash(1)).is_none());
        let spot = set.add(hash(1)).unwrap();
        assert_eq!(set.uses(spot), Uses::default(), "it begins anew");
    }

    #[test]
    fn nearly_every_key_has_a_place_and_no_more_than_may() {
        let set = HotSet::default();
        let added = (0..KEYS_MAX as u64).filter(|&key| set.add(hash(key)).is_some());
        let added = added.count();
        assert!(added >= KEYS_MAX - 8, "{added}");
        for key in 1000..3000 {
            set.add(hash(key));
        }
        assert_eq!(set.count.load(Relaxed), KEYS_MAX);
    }
}
