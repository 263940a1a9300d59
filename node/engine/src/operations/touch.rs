//! Giving a key a new time to live. The entry keeps its version; the operation takes
//! a sequence of its own when it applies.

use super::Stop;
use crate::entry::{self, Draft};
use crate::extras::tags::Tags;
use crate::fairness::MayEvict;
use crate::handle::Handle;
use crate::partition::{Partition, deadline_ms};
use crate::request::{Now, Version};

impl Partition {
    pub(crate) fn touch(
        &mut self,
        key: &[u8],
        ttl_ms: u64,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Option<Version>, Stop> {
        let now_ms = self.own_time_ms(now);
        let hash = self.index.hash(key);
        let Some(handle) = self.find(hash, key, now_ms) else {
            return Ok(None);
        };
        let version = self.version(handle);
        let deadline_ms = deadline_ms(ttl_ms, now_ms);
        if !self.retime(key, handle, deadline_ms, now_ms, may_evict)? {
            return Ok(None);
        }
        self.number_touch(key, deadline_ms);
        Ok(Some(version))
    }

    /// Gives an entry another deadline. False: it was itself evicted for the room.
    pub(crate) fn retime(
        &mut self,
        key: &[u8],
        handle: Handle,
        deadline_ms: Option<u64>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<bool, Stop> {
        let expires = entry::expires(self.heap.entry(handle));
        match deadline_ms {
            Some(deadline_ms) if expires => {
                self.set_deadline(handle, deadline_ms);
                self.policy.hit(&mut self.heap, handle);
            }
            None if !expires => self.policy.hit(&mut self.heap, handle),
            _ => {
                // An entry with a deadline is longer than one without: it is written
                // anew, which takes a copy of the value for a moment.
                let sequence = self.heap.sequence(handle);
                let hash = self.hash_of(handle);
                let entry = self.heap.entry(handle);
                let value = entry::value(entry).to_vec();
                let extras = entry::extras(entry);
                let tags = extras.tags.bytes().to_vec();
                let draft = Draft {
                    key,
                    value: &value,
                    sequence,
                    deadline_ms,
                    extras: extras.with_tags(Tags::of(&tags)),
                    body: None,
                };
                self.room_for(&draft, now_ms, may_evict)?;
                let Some(standing) = self.index.find(&self.heap, hash, key) else {
                    self.heap.cancel(&mut self.ledger);
                    return Ok(false);
                };
                self.store(hash, &draft, Some(standing));
            }
        }
        Ok(true)
    }
}
