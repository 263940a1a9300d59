//! A partition's side of it: what an invalidation does, and what is void by it.

use crate::engine::Engine;
use crate::entry;
use crate::extras::tags::{Tags, check};
use crate::handle::Handle;
use crate::partition::Partition;
use crate::refused::Refused;
use crate::request::{Now, Version};

impl Engine {
    /// Makes every entry of the partition invisible that carries the tag, and voids every
    /// token under which such an entry might be stored. Costs the same however many there
    /// are. Returns the version of the invalidation.
    pub fn invalidate_tag(&self, partition: u32, tag: &[u8], now: Now) -> Result<Version, Refused> {
        check(tag).map_err(Refused::BadTag)?;
        self.write_to(partition, now, |open, _| Ok(open.invalidate_tag(tag)))
    }
}

impl Partition {
    fn invalidate_tag(&mut self, tag: &[u8]) -> Version {
        let seq = self.number_invalidation(tag);
        self.note_invalidation(tag, seq);
        self.version_of(seq)
    }

    /// It was given this sequence, the newest.
    pub(crate) fn note_invalidation(&mut self, tag: &[u8], seq: u64) {
        if self.tags.entries == 0 && self.fills.is_none() {
            return;
        }
        let hash = self.index.hash(tag);
        self.tags.note(hash, tag, seq, &mut self.ledger);
    }

    /// Whether one of its tags was invalidated since the entry was stored.
    #[inline]
    pub(crate) fn is_void(&self, handle: Handle) -> bool {
        !self.tags.is_idle()
            && entry::is_tagged(self.heap.entry(handle))
            && self.is_void_by_tags(handle)
    }

    fn is_void_by_tags(&self, handle: Handle) -> bool {
        let tags = entry::extras(self.heap.entry(handle)).tags;
        self.is_invalidated(tags, self.heap.sequence(handle))
    }

    /// Whether one of these was invalidated by a later operation than this.
    pub(crate) fn is_invalidated(&self, tags: Tags<'_>, since: u64) -> bool {
        !self.tags.is_idle()
            && tags
                .iter()
                .any(|tag| self.tags.last(self.index.hash(tag), tag) > since)
    }

    /// An entry comes or goes; whether it carries tags.
    #[inline]
    pub(crate) fn is_tagged(&self, handle: Handle) -> usize {
        usize::from(entry::is_tagged(self.heap.entry(handle)))
    }

    /// Checks the module's invariants. `live` are all entries.
    pub(crate) fn validate_tags<'a>(
        &self,
        live: impl Iterator<Item = &'a Handle>,
    ) -> Result<(), String> {
        let tagged: usize = live.map(|&handle| self.is_tagged(handle)).sum();
        if tagged != self.tags.entries {
            return Err(format!(
                "{tagged} entries with tags are counted as {}",
                self.tags.entries
            ));
        }
        self.tags.validate(self.sequence)
    }
}
