//! Reading: a hash, a probe, two bits for the policy. Nothing is allocated, nothing
//! is removed.

use crate::entry;
use crate::partition::Partition;
use crate::request::{Entry, Now};

impl Partition {
    /// None: a miss. An entry whose time is over is one, reclaimed or not.
    #[inline]
    pub(crate) fn get(&mut self, key: &[u8], now: Now) -> Option<Entry<'_>> {
        let now_ms = self.own_time_ms(now);
        let hash = self.index.hash(key);
        let found = self.index.find_and_raise(&mut self.heap, hash, key);
        let live = found.and_then(|handle| {
            let deadline_ms = entry::deadline_ms(self.heap.entry(handle));
            let ttl_ms =
                deadline_ms.map_or(Some(0), |at| at.checked_sub(now_ms).filter(|&t| t > 0));
            Some((handle, ttl_ms?))
        });
        let Some((handle, ttl_ms)) = live else {
            self.tally.misses += 1;
            return None;
        };
        self.tally.hits += 1;
        self.policy.hit(&mut self.heap, handle);
        let entry = self.heap.entry(handle);
        Some(Entry {
            value: entry::value(entry),
            version: self.version(handle),
            ttl_ms,
            absent: entry::is_absent(entry),
        })
    }
}
