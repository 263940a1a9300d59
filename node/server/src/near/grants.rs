//! The grants that may be out: for each key until when somebody may answer it from memory.
//!
//! For a key that was granted several times the latest end stands, and some time more: so
//! who comes soon after finds it noted, and many who read one hot key look at that side by
//! side ([`shoal_threads::Lock`]). A write that finds its key here takes it out and tells so,
//! under the place's lock; whoever comes to that lock meanwhile waits until it was told.
//! [`crate::near`] says why nothing slips between.
//!
//! Bounds: so many keys in a partition, and in all. Where there is no room nothing is
//! granted.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use shoal_threads::{Lock, Seats};

use crate::introspection::AsItIs;
use crate::sync::AtomicUsize;

/// A key is noted for so much longer than it was asked for.
const NOTED_AHEAD_MS: u64 = 250;

#[derive(Debug)]
pub(super) struct Grants {
    places: Box<[Place]>,
    /// Of all partitions.
    noted: AtomicUsize,
    partition_max: usize,
    max: usize,
}

/// One partition's.
#[derive(Debug)]
#[repr(align(64))]
struct Place {
    /// How many are noted; written under the lock.
    noted: AtomicUsize,
    grants: Lock<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// By quick hash. Of two keys with the same hash one is noted, and the other not granted.
    keys: HashMap<u64, Grant, BuildHasherDefault<AsItIs>>,
    /// How often something was granted, looks aside.
    granted: u64,
}

#[derive(Debug)]
struct Grant {
    key: Box<[u8]>,
    until_ms: u64,
}

impl Grants {
    pub(super) fn new(partition_count: u32, partition_max: usize, max: usize) -> Grants {
        let seats = Arc::new(Seats::new(partition_count));
        let place = |partition| Place {
            noted: AtomicUsize::new(0),
            grants: Lock::new(Noted::default(), Arc::clone(&seats), partition),
        };
        Grants {
            places: (0..partition_count).map(place).collect(),
            noted: AtomicUsize::new(0),
            partition_max,
            max,
        }
    }

    /// Note that the key is granted until then. False: there is no room, so it is not.
    pub(super) fn note(&self, partition: u32, hash: u64, key: &[u8], until_ms: u64) -> bool {
        let place = self.place(partition);
        let is_noted = |noted: &Noted| {
            let grant = noted.keys.get(&hash)?;
            (*grant.key == *key && grant.until_ms >= until_ms).then_some(())
        };
        if place.grants.look(is_noted).is_some() {
            return true;
        }
        let mut noted = place.grants.lock_to_read();
        let Noted { keys, granted } = &mut *noted;
        let until_ms = until_ms.saturating_add(NOTED_AHEAD_MS);
        match keys.get_mut(&hash) {
            Some(grant) if *grant.key == *key => grant.until_ms = grant.until_ms.max(until_ms),
            Some(_) => return false,
            None => {
                let is_full = keys.len() >= self.partition_max;
                if is_full || self.noted.load(Relaxed) >= self.max {
                    return false;
                }
                let key = key.into();
                keys.insert(hash, Grant { key, until_ms });
                place.noted.store(keys.len(), Release);
                self.noted.fetch_add(1, Relaxed);
            }
        }
        *granted += 1;
        true
    }

    /// Whether anything of the partition is noted.
    #[inline]
    pub(super) fn has_any(&self, partition: u32) -> bool {
        self.place(partition).noted.load(Acquire) > 0
    }

    /// If the key is granted beyond this time, take it out and tell. Returns whether it was.
    pub(super) fn take(
        &self,
        partition: u32,
        hash: u64,
        key: &[u8],
        beyond_ms: u64,
        tell: impl FnOnce(),
    ) -> bool {
        let place = self.place(partition);
        let mut noted = place.grants.lock();
        let grants = &mut noted.keys;
        let is_granted = |grant: &Grant| *grant.key == *key && grant.until_ms > beyond_ms;
        if !grants.get(&hash).is_some_and(is_granted) {
            return false;
        }
        grants.remove(&hash);
        tell();
        self.left(place, grants.len(), 1);
        true
    }

    /// If anything is granted, take it all out and tell.
    pub(super) fn take_all(&self, partition: u32, tell: impl FnOnce()) {
        let place = self.place(partition);
        let grants = &mut place.grants.lock().keys;
        if grants.is_empty() {
            return;
        }
        let count = grants.len();
        grants.clear();
        tell();
        self.left(place, 0, count);
    }

    /// Forget what is over.
    pub(super) fn sweep(&self, partition: u32, now_ms: u64) {
        if !self.has_any(partition) {
            return;
        }
        let place = self.place(partition);
        let grants = &mut place.grants.lock().keys;
        let before = grants.len();
        grants.retain(|_, grant| grant.until_ms > now_ms);
        let left = grants.len();
        self.left(place, left, before - left);
    }

    /// How many are noted.
    pub(super) fn noted(&self) -> usize {
        self.noted.load(Relaxed)
    }

    /// How often something was granted.
    pub(super) fn granted(&self) -> u64 {
        let counts = self.places.iter().map(|place| {
            let mut noted = place.grants.lock();
            let looks = noted.take_looks() as u64;
            noted.granted += looks;
            noted.granted
        });
        counts.sum()
    }

    /// Behind what was told, so that who sees that nothing is noted knows that it was.
    fn left(&self, place: &Place, left: usize, gone: usize) {
        place.noted.store(left, Release);
        self.noted.fetch_sub(gone, AcqRel);
    }

    fn place(&self, partition: u32) -> &Place {
        &self.places[partition as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Grants {
        Grants::new(2, 3, 4)
    }

    /// Whether the key is granted beyond this time; it is not any more afterwards.
    fn takes(grants: &Grants, hash: u64, key: &[u8], beyond_ms: u64) -> bool {
        let mut is_told = false;
        let is_taken = grants.take(0, hash, key, beyond_ms, || is_told = true);
        assert_eq!(is_taken, is_told);
        is_taken
    }

    #[test]
    fn what_is_noted_is_taken_once_and_the_latest_end_stands() {
        let grants = grants();
        assert!(!grants.has_any(0));
        assert!(grants.note(0, 7, b"k", 100) && grants.note(0, 7, b"k", 90));
        assert!(grants.has_any(0) && !grants.has_any(1));
        assert!(!takes(&grants, 8, b"k", 0), "another hash");
        assert!(
            !takes(&grants, 7, b"k", 100 + NOTED_AHEAD_MS),
            "it ends by then"
        );
        assert!(takes(&grants, 7, b"k", 99 + NOTED_AHEAD_MS));
        assert!(!takes(&grants, 7, b"k", 0), "it was taken");
        assert!(!grants.has_any(0));
        assert_eq!((grants.noted(), grants.granted()), (0, 2));
    }

    /// Many who come to one key at once, and then one after the other.
    #[test]
    fn who_finds_it_noted_long_enough_is_granted_and_counted() {
        const TIMES: u64 = 10_000;
        let grants = grants();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!((0..TIMES).all(|_| grants.note(0, 7, b"k", 100))));
            }
        });
        assert_eq!(grants.granted(), 3 * TIMES);
        // Crowded by chance until here, from now on for sure; that takes a look each time.
        let crowd = || {
            let lock = &grants.place(0).grants;
            let alone = lock.lock();
            assert!(lock.glance(|_| Some(())).is_none());
            drop(alone);
            assert!(lock.look(|_| Some(())).is_some());
        };
        crowd();
        assert!(!grants.note(0, 7, b"l", 100), "another key of this hash");
        for until_ms in [100, 100 + NOTED_AHEAD_MS, 101 + NOTED_AHEAD_MS] {
            crowd();
            assert!(grants.note(0, 7, b"k", until_ms));
        }
        // And the looks of the four crowds.
        assert_eq!((grants.granted(), grants.noted()), (3 * TIMES + 7, 1));
        let beyond_ms = 100 + 2 * NOTED_AHEAD_MS;
        assert!(
            takes(&grants, 7, b"k", beyond_ms),
            "the last came later than was noted"
        );
    }

    #[test]
    fn of_keys_with_one_hash_one_is_granted() {
        let grants = grants();
        assert!(grants.note(0, 7, b"k", 100));
        assert!(!grants.note(0, 7, b"l", 100));
        assert!(!takes(&grants, 7, b"l", 0));
        assert!(takes(&grants, 7, b"k", 0));
    }

    #[test]
    fn past_a_bound_nothing_is_granted() {
        let grants = grants();
        let noted = (0..9).filter(|&hash| grants.note(0, hash, b"k", 10 + hash));
        assert_eq!(noted.count(), 3, "of a partition");
        let noted = (0..9).filter(|&hash| grants.note(1, hash, b"k", 100));
        assert_eq!(noted.count(), 1, "of the node");
        grants.sweep(0, 11 + NOTED_AHEAD_MS);
        assert_eq!((grants.noted(), grants.has_any(0)), (2, true));
        let mut told = 0;
        grants.take_all(0, || told += 1);
        grants.take_all(0, || told += 1);
        assert_eq!((told, grants.noted(), grants.has_any(0)), (1, 1, false));
    }
}
