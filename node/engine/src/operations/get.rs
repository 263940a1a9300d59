//! Reading: a hash, a probe, two bits for the policy. Nothing is allocated, nothing
//! is removed. An entry whose bits say all that they can is read without changing anything.

use crate::entry;
use crate::handle::Handle;
use crate::partition::{Partition, is_expired};
use crate::replication::Role;
use crate::request::{Entry, Now};

impl Partition {
    /// None: a miss. An entry whose time is over, or that is void, is one, reclaimed or not.
    #[inline]
    pub(crate) fn get(&mut self, key: &[u8], now: Now) -> Option<Entry<'_>> {
        self.get_hashed(self.index.hash(key), key, now)
    }

    /// Where the key's hash is known.
    #[inline]
    pub(crate) fn get_hashed(&mut self, hash: u64, key: &[u8], now: Now) -> Option<Entry<'_>> {
        let now_ms = self.own_time_ms(now);
        let found = self.index.find_and_raise(&mut self.heap, hash, key);
        let Some(handle) = found.filter(|&handle| self.is_shown(handle, now_ms)) else {
            self.tally.misses += 1;
            return None;
        };
        self.tally.hits += 1;
        self.policy.hit(&mut self.heap, handle);
        Some(self.shown(handle, now_ms))
    }

    /// As [`Partition::get_hashed`] where that is a hit that the policy does not heed, by
    /// several side by side; the entry keeps its place in its chain, and nothing is counted.
    /// None: it is no such hit, or `read` did not want it.
    pub(crate) fn look<R>(
        &self,
        hash: u64,
        key: &[u8],
        now: Now,
        read: impl FnOnce(Entry<'_>) -> Option<R>,
    ) -> Option<R> {
        let now_ms = now.0.saturating_sub(self.start_ms?);
        let handle = self.index.find(&self.heap, hash, key)?;
        let is_shown = self.role != Role::Restoring && self.is_shown(handle, now_ms);
        if !is_shown || self.policy.heeds_hit(&self.heap, handle) {
            return None;
        }
        read(self.shown(handle, now_ms))
    }

    #[inline]
    pub(crate) fn is_shown(&self, handle: Handle, now_ms: u64) -> bool {
        !is_expired(self.heap.entry(handle), now_ms) && !self.is_void(handle)
    }

    /// What a read is shown of an entry that is to be shown.
    #[inline]
    pub(crate) fn shown(&self, handle: Handle, now_ms: u64) -> Entry<'_> {
        let entry = self.heap.entry(handle);
        let mut shown = Entry {
            value: entry::value(entry),
            version: self.version(handle),
            ttl_ms: entry::deadline_ms(entry).map_or(0, |at_ms| at_ms.saturating_sub(now_ms)),
            absent: false,
            fresh_ms: None,
            load_ms: 0,
        };
        if entry::is_extended(entry) {
            let extras = entry::extras(entry);
            shown.absent = extras.absent;
            if let Some(fresh) = extras.fresh {
                shown.fresh_ms = Some(fresh.until_ms.saturating_sub(now_ms));
                shown.load_ms = fresh.load.ms();
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use crate::entry;
    use crate::eviction::MARK;
    use crate::partition::Partition;
    use crate::settings::{Eviction, Settings};
    use crate::{Engine, Entry, Now, Version, Write};

    const KEYS: u64 = 200;

    fn seen(entry: &Entry<'_>) -> (Vec<u8>, Version, u64) {
        (entry.value.to_vec(), entry.version, entry.ttl_ms)
    }

    /// What the policy knows: the entry's rank, but for where a group of ages begins, and who
    /// goes first.
    fn known(open: &Partition, hash: u64, key: &[u8]) -> (Option<u8>, Vec<u64>) {
        let handle = open.index.find(&open.heap, hash, key);
        let rank = handle.map(|handle| entry::rank(open.heap.entry(handle)) & !MARK);
        let queued = open.policy.validate(&open.heap).unwrap();
        let queued = queued.iter().map(|&handle| open.hash_of(handle));
        (rank, queued.collect())
    }

    /// Reads and writes at random; before each read a look. Where it shows something, the
    /// read shows the same, and the policy knows no more behind it.
    #[test]
    fn a_look_shows_what_a_read_shows_that_the_policy_does_not_heed() {
        for eviction in [
            Eviction::S3Fifo,
            Eviction::Lru,
            Eviction::Lfu,
            Eviction::None,
        ] {
            let engine = Engine::new(Settings {
                partition_count: 1,
                maxmemory_bytes: 32 << 10,
                eviction,
                key_bytes_max: 64,
                value_bytes_max: 1 << 10,
                hash_seed: 3,
            });
            engine.open(0, 1).unwrap();
            let (mut lot, mut looks, mut hits) = (0x9E37_79B9_7F4A_7C15_u64, 0, 0);
            for step in 0..8_000 {
                lot ^= lot << 13;
                lot ^= lot >> 7;
                lot ^= lot << 17;
                let now = Now(1_000_000 + step);
                // Every second step asks for the same key.
                let number = (lot >> 8) % KEYS * (lot >> 40 & 1);
                let key = &number.to_le_bytes();
                if lot >> 60 == 0 {
                    let write = Write {
                        value: &[7; 100],
                        ttl_ms: (number % 2) * 1000,
                        ..Write::default()
                    };
                    // There may be no room.
                    let _ = engine.set(0, key, write, now);
                }
                let hash = engine.hash(key).0;
                let mut place = engine.place(0).state.lock();
                let open = place.open.as_mut().unwrap();
                let looked = open.look(hash, key, now, |entry| Some(seen(&entry)));
                let before = looked.is_some().then(|| known(open, hash, key));
                let read = open.get_hashed(hash, key, now).map(|entry| seen(&entry));
                hits += u64::from(read.is_some());
                if let Some(before) = before {
                    looks += 1;
                    assert_eq!((looked, before), (read, known(open, hash, key)));
                }
            }
            assert!(looks > 0, "{eviction:?}");
            // Of looks the lock keeps count.
            assert_eq!(engine.stats().hits, hits);
            engine.validate(0).unwrap();
        }
    }
}
