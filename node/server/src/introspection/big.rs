//! The biggest keys, kept up to date by every write.
//!
//! A list of 64. An entry that is written enters it if the list has a place, or if it is
//! bigger than the least of the list; one that is overwritten or deleted changes or
//! leaves. What leaves by itself (expired, evicted, its partition closed) is found when
//! the list is read, by a look at the engine, which also has the last word on sizes.
//!
//! The promise: every entry *bigger than* `complete_above_bytes` is in the list. That is
//! the highest size that ever kept another entry out: once big entries have left, smaller
//! ones that were kept out meanwhile are not known, and nobody pretends otherwise.
//!
//! Most writes end with one look at an atomic: `floor_bytes` tells whether they are big
//! enough, `members` whether the key may be in the list.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::Mutex;

use super::KEY_BYTES_KEPT;

/// Keys in the list.
pub(super) const KEYS_MAX: usize = 64;
const SLOTS: usize = 256;
/// Nobody of the list is here.
const EMPTY: u64 = 0;
/// More than one is.
const SHARED: u64 = u64::MAX;

/// A key with much in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigKey {
    /// The key. One of more than 1 KiB is not looked at.
    pub key: Bytes,
    /// Its partition.
    pub partition: u32,
    /// Key and value.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct BigKeys {
    /// Entries up to this size need not be looked at, unless they are in the list.
    floor_bytes: AtomicUsize,
    /// For each slot of the hash: EMPTY, SHARED, or 32 bits of hash and 32 of size.
    members: [AtomicU64; SLOTS],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hashes: Vec<u64>,
    keys: Vec<BigKey>,
    complete_above_bytes: usize,
}

impl Default for BigKeys {
    fn default() -> BigKeys {
        BigKeys {
            floor_bytes: AtomicUsize::new(0),
            members: std::array::from_fn(|_| AtomicU64::new(EMPTY)),
            state: Mutex::default(),
        }
    }
}

impl BigKeys {
    /// An entry of so many bytes stands now. `hash`: keyed, of the key.
    #[inline]
    pub(super) fn wrote(&self, hash: u64, key: &[u8], partition: u32, bytes: usize) {
        let member = self.members[slot(hash)].load(Relaxed);
        if member == mark(hash, bytes) {
            return;
        }
        let is_member = member == SHARED || is_of(member, hash);
        if is_member || bytes > self.floor_bytes.load(Relaxed) {
            self.change(hash, key, partition, Some(bytes));
        }
    }

    /// The entry is gone.
    #[inline]
    pub(super) fn removed(&self, hash: u64, key: &[u8], partition: u32) {
        let member = self.members[slot(hash)].load(Relaxed);
        if member == SHARED || is_of(member, hash) {
            self.change(hash, key, partition, None);
        }
    }

    #[cold]
    fn change(&self, hash: u64, key: &[u8], partition: u32, bytes: Option<usize>) {
        if key.len() > KEY_BYTES_KEPT {
            return;
        }
        let mut state = self.state.lock();
        let hashes = state.hashes.iter().enumerate();
        let mut same = hashes.filter(|&(at, &known)| known == hash && state.keys[at].key == key);
        let at = same.next().map(|(at, _)| at);
        match (at, bytes) {
            (None, None) => return,
            (Some(at), None) => state.remove(at),
            (Some(at), Some(bytes)) => {
                state.keys[at].bytes = bytes as u64;
                return self.republish(&mut state, hash, bytes);
            }
            (None, Some(bytes)) => {
                let key = BigKey {
                    key: Bytes::copy_from_slice(key),
                    partition,
                    bytes: bytes as u64,
                };
                state.enter(hash, key);
            }
        }
        self.publish(&mut state);
    }

    /// The biggest first, and the size above which none is missing. `size_of` tells how
    /// big an entry is now; None: it is gone.
    pub(super) fn read(
        &self,
        count: usize,
        mut size_of: impl FnMut(&BigKey) -> Option<usize>,
    ) -> (u64, Vec<BigKey>) {
        let mut state = self.state.lock();
        for at in (0..state.keys.len()).rev() {
            match size_of(&state.keys[at]) {
                Some(bytes) => state.keys[at].bytes = bytes as u64,
                None => state.remove(at),
            }
        }
        self.publish(&mut state);
        let complete_above_bytes = state.complete_above_bytes as u64;
        let mut found = state.keys.clone();
        drop(state);
        found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.key.cmp(&b.key)));
        let left_out = found.get(count).map_or(0, |it| it.bytes);
        found.truncate(count);
        (complete_above_bytes.max(left_out), found)
    }

    /// As `publish`, where one entry has another size and all else is as it was.
    fn republish(&self, state: &mut State, hash: u64, bytes: usize) {
        let member = &self.members[slot(hash)];
        if member.load(Relaxed) != SHARED {
            member.store(mark(hash, bytes), Relaxed);
        }
        self.set_floor(state);
    }

    /// Writes down what the fast path asks for.
    fn publish(&self, state: &mut State) {
        let mut members = [EMPTY; SLOTS];
        for (hash, key) in state.hashes.iter().zip(&state.keys) {
            let member = &mut members[slot(*hash)];
            *member = match *member {
                EMPTY => mark(*hash, key.bytes as usize),
                _ => SHARED,
            };
        }
        for (shown, member) in self.members.iter().zip(members) {
            shown.store(member, Relaxed);
        }
        self.set_floor(state);
    }

    fn set_floor(&self, state: &mut State) {
        let floor_bytes = state.floor_bytes();
        state.complete_above_bytes = state.complete_above_bytes.max(floor_bytes);
        self.floor_bytes.store(floor_bytes, Relaxed);
    }
}

impl State {
    fn enter(&mut self, hash: u64, key: BigKey) {
        if self.keys.len() < KEYS_MAX {
            self.hashes.push(hash);
            self.keys.push(key);
            return;
        }
        let least = (0..self.keys.len()).min_by_key(|&at| self.keys[at].bytes);
        let Some(least) = least.filter(|&at| self.keys[at].bytes < key.bytes) else {
            return;
        };
        let gone_bytes = self.keys[least].bytes as usize;
        self.complete_above_bytes = self.complete_above_bytes.max(gone_bytes);
        self.hashes[least] = hash;
        self.keys[least] = key;
    }

    fn remove(&mut self, at: usize) {
        self.hashes.swap_remove(at);
        self.keys.swap_remove(at);
    }

    /// Up to this size nothing new can enter.
    fn floor_bytes(&self) -> usize {
        if self.keys.len() < KEYS_MAX {
            return 0;
        }
        let least = self.keys.iter().map(|it| it.bytes).min();
        least.unwrap_or(0) as usize
    }
}

fn slot(hash: u64) -> usize {
    hash as usize % SLOTS
}

/// Never EMPTY or SHARED. Two keys that share 39 bits of a keyed hash look alike.
fn mark(hash: u64, bytes: usize) -> u64 {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    (hash & 0x7FFF_FFFF_0000_0000) | u64::from(bytes.max(1))
}

fn is_of(member: u64, hash: u64) -> bool {
    member != EMPTY && (member ^ hash) & 0x7FFF_FFFF_0000_0000 == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn hash(key: u64) -> u64 {
        // Few slots, so that members share them.
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15) & !0xF0
    }

    fn next(lot: &mut u64) -> u64 {
        *lot ^= *lot << 13;
        *lot ^= *lot >> 7;
        *lot ^= *lot << 17;
        *lot
    }

    /// Everything against a plain map: sizes are exact, nothing is there twice or
    /// invented, and nothing above the promised size is missing.
    #[test]
    fn against_a_plain_map() {
        for seed in 1..30_u64 {
            let big = BigKeys::default();
            let mut map: HashMap<u64, usize> = HashMap::new();
            let mut lot = seed.wrapping_mul(0x1234_5678_9ABC_DEF1);
            for step in 0..4000 {
                let key = next(&mut lot) % 500;
                let bytes = (next(&mut lot) % 1000) as usize * (1 + key as usize % 7) + 8;
                match next(&mut lot) % 10 {
                    0 | 1 => {
                        map.remove(&key);
                        big.removed(hash(key), &key.to_le_bytes(), 0);
                    }
                    // Expired: nobody tells.
                    2 => _ = map.remove(&key),
                    _ => {
                        map.insert(key, bytes);
                        big.wrote(hash(key), &key.to_le_bytes(), 0, bytes);
                    }
                }
                if step % 97 == 0 {
                    check(&big, &map, seed);
                }
            }
            check(&big, &map, seed);
        }
    }

    fn check(big: &BigKeys, map: &HashMap<u64, usize>, seed: u64) {
        let number = |key: &BigKey| u64::from_le_bytes(key.key[..].try_into().unwrap());
        for count in [KEYS_MAX, 10] {
            let (above, told) = big.read(count, |key| map.get(&number(key)).copied());
            let listed: HashMap<u64, u64> = told.iter().map(|k| (number(k), k.bytes)).collect();
            assert_eq!(
                listed.len(),
                told.len(),
                "seed {seed}: a key is there twice"
            );
            for (key, bytes) in &listed {
                assert_eq!(map.get(key), Some(&(*bytes as usize)), "seed {seed}");
            }
            for (key, bytes) in map {
                assert!(
                    *bytes as u64 <= above || listed.contains_key(key),
                    "seed {seed}: {bytes} bytes are above {above} and not told"
                );
            }
        }
    }

    #[test]
    fn without_removals_the_list_is_the_true_top() {
        let big = BigKeys::default();
        for key in 0..1000_u64 {
            big.wrote(hash(key), &key.to_le_bytes(), 0, (key * 37 % 1000) as usize);
        }
        let (above, told) = big.read(10, |key| Some(key.bytes as usize));
        let sizes: Vec<u64> = told.iter().map(|it| it.bytes).collect();
        assert_eq!(sizes, (990..1000).rev().collect::<Vec<u64>>());
        assert_eq!(above, 989);
    }

    #[test]
    fn a_write_that_changes_nothing_takes_no_lock() {
        let big = BigKeys::default();
        big.wrote(hash(1), b"one", 0, 100);
        let _held = big.state.lock();
        big.wrote(hash(1), b"one", 0, 100);
        big.removed(hash(2), b"two", 0);
    }
}
