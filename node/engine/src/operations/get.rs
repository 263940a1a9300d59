//! Reading: a hash, a probe, two bits for the policy. Nothing is allocated, nothing
//! is removed.

use crate::entry;
use crate::handle::Handle;
use crate::partition::{Partition, is_expired};
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
