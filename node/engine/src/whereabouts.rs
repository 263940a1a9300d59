//! Where memory lies that a read is about to want, for callers that know some keys ahead and
//! fetch it meanwhile.
//!
//! One step leads to the next, and each is memory to wait for: a partition, which can be
//! told at once; in it the head of the key's chain; where its first entry lies; that entry;
//! then, one after the other, those behind it until the key's own, of which all is told. A
//! step is asked for when the one before has come.
//!
//! All of it are hints and nothing else, which may be wrong or null, and stale at once.
//! Nobody waits here for the memory that is told, nor for whoever is in the partition.

use crate::engine::Engine;
use crate::entry;
use crate::partition::Partition;
use crate::place::READ_BYTES;
use crate::request::KeyHash;

/// Where, and how many bytes.
pub type Stretch = (*const u8, usize);

const NOWHERE: Stretch = (std::ptr::null(), 0);

/// What stands in a chain behind some of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The beginning of another entry, whose key is not known yet.
    Beginning(Stretch),
    /// The last of them is the key's: all of it.
    Found(Stretch),
    /// Nothing, or the key's was found before.
    Nothing,
}

/// What is to be seen of an entry before it is known to be the key's.
const BEGINNING_BYTES: usize = 128;

impl Engine {
    /// The key's hash, for the steps within the partition.
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.keyed.hash(key))
    }

    /// The partition itself, as much of it as a read looks at.
    pub fn partition_at(&self, partition: u32) -> Stretch {
        let place = self.place(partition);
        (std::ptr::from_ref(place).cast(), READ_BYTES)
    }

    /// The head of the chain that the key's entry is in.
    pub fn chain_at(&self, partition: u32, hash: KeyHash) -> Stretch {
        let head = self.hint(partition, |open| {
            let link = open.index.chain(hash.0)?;
            Some((std::ptr::from_ref(link).cast(), size_of_val(link)))
        });
        head.unwrap_or(NOWHERE)
    }

    /// What tells where the first entry of it lies.
    pub fn slot_at(&self, partition: u32, hash: KeyHash) -> Stretch {
        let slot = self.hint(partition, |open| {
            let first = open.index.chain(hash.0)?.handle()?;
            Some(open.heap.slot(first))
        });
        slot.unwrap_or(NOWHERE)
    }

    /// What comes behind the first `passed` entries of it.
    pub fn entry_at(&self, partition: u32, hash: KeyHash, key: &[u8], passed: usize) -> Next {
        let next = self.hint(partition, |open| {
            let mut next = *open.index.chain(hash.0)?;
            for left in (0..passed).rev() {
                let entry = open.heap.entry(next.handle()?);
                if entry::is_of(entry, key) {
                    let whole = (entry.as_ptr(), entry::bytes(entry));
                    return (left == 0).then_some(Next::Found(whole));
                }
                next = entry::chain(entry);
            }
            let entry = open.heap.entry(next.handle()?);
            Some(Next::Beginning((entry.as_ptr(), BEGINNING_BYTES)))
        });
        next.unwrap_or(Next::Nothing)
    }

    fn hint<R>(&self, partition: u32, look: impl FnOnce(&Partition) -> Option<R>) -> Option<R> {
        let place = self.place(partition);
        place.state.glance(|state| look(state.open.as_ref()?))
    }
}
