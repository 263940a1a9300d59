//! Where memory lies that a read is about to want, for callers that know some keys ahead and
//! fetch it meanwhile.
//!
//! One step leads to the next, and each is memory to wait for: a partition, which can be
//! told at once; in it the head of the key's chain; the first entry of the chain; the rest
//! of that entry, or the next one. A step is asked for when the one before has come.
//!
//! All of it are hints and nothing else, which may be wrong or null, and stale at once.
//! Nobody waits here for the memory that is told, nor for whoever is in the partition.

use crate::engine::Engine;
use crate::entry;
use crate::partition::Partition;
use crate::place::Place;
use crate::request::KeyHash;

/// Where, and how many bytes.
pub type Stretch = (*const u8, usize);

const NOWHERE: Stretch = (std::ptr::null(), 0);

/// What is to be seen of an entry before it is known to be the key's.
const BEGINNING_BYTES: usize = 128;

impl Engine {
    /// The key's hash, for the steps within the partition.
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.keyed.hash(key))
    }

    /// The partition itself.
    pub fn partition_at(&self, partition: u32) -> Stretch {
        let place = self.place(partition);
        (std::ptr::from_ref(place).cast(), size_of::<Place>())
    }

    /// The head of the chain that the key's entry is in.
    pub fn chain_at(&self, partition: u32, hash: KeyHash) -> Stretch {
        self.hint(partition, |open| {
            let link = open.index.chain(hash.0)?;
            Some((std::ptr::from_ref(link).cast(), size_of_val(link)))
        })
    }

    /// The beginning of the first entry in it.
    pub fn first_at(&self, partition: u32, hash: KeyHash) -> Stretch {
        self.hint(partition, |open| {
            let entry = open.index.first(&open.heap, hash.0)?;
            Some((entry.as_ptr(), BEGINNING_BYTES))
        })
    }

    /// That entry whole if it is the key's, else the beginning of the next.
    pub fn next_at(&self, partition: u32, hash: KeyHash, key: &[u8]) -> Stretch {
        self.hint(partition, |open| {
            let first = open.index.first(&open.heap, hash.0)?;
            if entry::is_of(first, key) {
                return Some((first.as_ptr(), entry::bytes(first)));
            }
            let next = entry::chain(first).handle()?;
            Some((open.heap.entry(next).as_ptr(), BEGINNING_BYTES))
        })
    }

    fn hint(&self, partition: u32, look: impl FnOnce(&Partition) -> Option<Stretch>) -> Stretch {
        let place = self.place(partition);
        let state = place.state.try_share();
        if state.is_none() {
            // Who looks ahead is about to read.
            place.note_crowd();
        }
        let open = state.as_ref().and_then(|state| state.open.as_ref());
        open.and_then(look).unwrap_or(NOWHERE)
    }
}
