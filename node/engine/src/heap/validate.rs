//! The walk over the heap's invariants, and the sum of what it costs.

use super::{Heap, Large};
use crate::entry;
use crate::handle::Handle;
use crate::memory::allocated;

impl Heap {
    /// What the ledger should hold for this heap.
    pub(crate) fn charged_bytes(&self) -> usize {
        let segments = self.segments.iter().map(|s| allocated(s.bytes.capacity()));
        let large = self.large.iter().map(|l| match l {
            Large::Held { bytes, .. } => allocated(bytes.len()),
            Large::Vacant { .. } => 0,
        });
        segments.chain(large).sum::<usize>()
            + self.segments.charged_bytes()
            + self.large.charged_bytes()
    }

    /// Checks the module's invariants and returns every live entry.
    pub(crate) fn validate(&self) -> Result<Vec<Handle>, String> {
        let mut live = Vec::new();
        let (mut capacity_bytes, mut live_bytes, mut large_bytes) = (0, 0, 0);
        for (number, segment) in self.segments.iter().enumerate() {
            if segment.is_vacant() {
                continue;
            }
            let mut offset = 0;
            let mut alive = 0;
            while offset < segment.bytes.len() {
                let entry = &segment.bytes[offset..];
                if !entry::is_dead(entry) {
                    alive += entry::bytes(entry);
                    live.push(Handle::small(number, offset));
                }
                offset += entry::bytes(entry);
            }
            if offset != segment.bytes.len() || alive != segment.live_bytes as usize {
                return Err(format!("segment {number} is not what its counters say"));
            }
            if alive == 0 && self.open != Some(number) {
                return Err(format!("segment {number} holds nothing and is not freed"));
            }
            capacity_bytes += segment.bytes.capacity();
            live_bytes += alive;
        }
        for (number, large) in self.large.iter().enumerate() {
            if let Large::Held { bytes, .. } = large {
                if entry::bytes(bytes) != bytes.len() || entry::is_dead(bytes) {
                    return Err(format!("large entry {number} is damaged"));
                }
                large_bytes += bytes.len();
                live.push(Handle::large(number));
            }
        }
        let counted = (capacity_bytes, live_bytes, large_bytes);
        let kept = (self.capacity_bytes, self.live_bytes, self.large_bytes);
        if counted != kept {
            return Err(format!(
                "the heap holds {counted:?} bytes and says {kept:?}"
            ));
        }
        if let Some(next) = self.next
            && (self.open == self.next || self.segments[next].is_vacant())
        {
            return Err(format!("segment {next} cannot be the next to be open"));
        }
        if let Some(cleaning) = &self.cleaning {
            cleaning.validate(self, &live)?;
        }
        if self.pending.is_some() {
            return Err("room for a large entry was set aside and forgotten".into());
        }
        Ok(live)
    }
}
