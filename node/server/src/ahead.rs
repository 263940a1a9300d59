//! Fetching memory ahead: a batch knows its keys before it reads them, and a key that was
//! not asked for lately lies in memory that takes longer to come than all that is done
//! with it.
//!
//! In steps, because one leads to the next ([`Engine::partition_at`] and what follows it):
//! some keys ahead the partition is asked for; when that has come, the head of the key's
//! chain; then the first entry's beginning; a little later the rest of it, or the next entry
//! if it is another key's. Nothing here waits for what it asked for, nor for a partition in
//! which somebody is: who reads along with others what all want finds it in the processor's
//! own memory, and would only stand in their way. A key that stands in a row is asked for
//! once.
//!
//! [`Engine::partition_at`]: shoal_engine::Engine::partition_at

use shoal_engine::{KeyHash, Stretch};

use crate::node::Node;

/// Bytes that come at once.
const LINE_BYTES: usize = 64;
/// So many of an entry are asked for: the processor follows a run that it has seen begin.
const ENTRY_LINES_MAX: usize = 6;
/// How many keys ahead of the one that is read its partition is asked for,
const PARTITION: usize = 12;
/// the head of its chain,
const CHAIN: usize = 10;
/// the first entry,
const FIRST: usize = 8;
/// and what follows from it.
const REST: usize = 3;
const KNOWN: usize = PARTITION + 1;

/// What is known of the keys that come next.
#[derive(Default)]
pub(crate) struct Ahead {
    known: [Option<Known>; KNOWN],
    begun: usize,
}

#[derive(Clone, Copy)]
struct Known {
    spot: Spot,
    /// The key before it is the same one.
    is_again: bool,
}

/// What a key's place is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) partition: u32,
    pub(crate) hash: KeyHash,
}

impl Ahead {
    /// The key that is number `at` of the batch is about to be read; `key` gives each
    /// one's, None past the last. To be called for 0, 1, 2, ...
    pub(crate) fn of<'a>(
        &mut self,
        node: &Node,
        at: usize,
        key: impl Fn(usize) -> Option<&'a [u8]>,
    ) {
        while self.begun <= at + PARTITION {
            let key = key(self.begun).filter(|key| key.len() <= node.key_bytes_max);
            let before = self.begun.checked_sub(1);
            let before = before.and_then(|before| self.known[before % KNOWN]);
            self.known[self.begun % KNOWN] = key.map(|key| Known::of(node, key, before));
            self.begun += 1;
        }
        let engine = &node.engine;
        for Spot { partition, .. } in self.reached(at, PARTITION) {
            ask(node.ownership.place_at(partition));
            ask(node.replication.hub.place_at(partition));
            ask(engine.partition_at(partition));
        }
        for Spot { partition, hash } in self.reached(at, CHAIN) {
            ask(engine.chain_at(partition, hash));
        }
        for Spot { partition, hash } in self.reached(at, FIRST) {
            ask(engine.first_at(partition, hash));
        }
        if let Some(Spot { partition, hash }) = self.asked_for(at + REST)
            && let Some(key) = key(at + REST)
        {
            let (at, bytes) = engine.next_at(partition, hash, key);
            ask((at, bytes.min(ENTRY_LINES_MAX * LINE_BYTES)));
        }
    }

    /// The keys that are no further ahead than that now, and were before.
    fn reached(&self, at: usize, ahead: usize) -> impl Iterator<Item = Spot> {
        let from = if at == 0 { 0 } else { at + ahead };
        (from..=at + ahead).filter_map(|at| self.asked_for(at))
    }

    fn asked_for(&self, at: usize) -> Option<Spot> {
        let known = self.known[at % KNOWN].filter(|known| !known.is_again);
        known.map(|known| known.spot)
    }

    /// Of the key that is about to be read, if it was looked up.
    pub(crate) fn spot(&self, at: usize) -> Option<Spot> {
        self.known[at % KNOWN].map(|known| known.spot)
    }
}

impl Known {
    fn of(node: &Node, key: &[u8], before: Option<Known>) -> Known {
        let spot = Spot {
            partition: node.partition_of(key),
            hash: node.engine.hash(key),
        };
        Known {
            spot,
            is_again: before.is_some_and(|before| before.spot == spot),
        }
    }
}

/// The lines of this stretch.
fn ask((at, bytes): Stretch) {
    for line in 0..bytes.div_ceil(LINE_BYTES) {
        begin(at.wrapping_add(line * LINE_BYTES));
    }
}

#[cfg(target_arch = "x86_64")]
fn begin(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing and faults on no address, whatever lies there.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

/// Elsewhere the reads themselves wait.
#[cfg(not(target_arch = "x86_64"))]
fn begin(_: *const u8) {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Ahead, PARTITION, Spot};
    use crate::clock::SystemClock;
    use crate::node::Node;
    use crate::settings::Settings;

    #[test]
    fn a_key_in_a_row_is_asked_for_once_and_known_each_time() {
        let node = Node::new(Settings::small(), None, Arc::new(SystemClock));
        let long = [b'k'; 65];
        let keys: [&[u8]; 6] = [b"a", b"a", b"b", b"a", &long, b"a"];
        let mut ahead = Ahead::default();
        ahead.of(&node, 0, |at| keys.get(at).copied());
        let is_again = ahead.known.map(|known| known.map(|known| known.is_again));
        let told = [Some(false), Some(true), Some(false), Some(false), None];
        assert_eq!(is_again[..5], told);
        assert_eq!(is_again[5..7], [Some(false), None]);
        assert!(keys.len() < PARTITION);
        for (at, key) in keys.iter().enumerate() {
            let may_be = key.len() <= node.key_bytes_max;
            let spot = may_be.then(|| Spot {
                partition: node.partition_of(key),
                hash: node.engine.hash(key),
            });
            assert_eq!(ahead.spot(at), spot);
        }
    }
}
