//! Fetching memory ahead: a batch knows its keys before it reads them, and a key that was
//! not asked for lately lies in memory that takes longer to come than all that is done
//! with it.
//!
//! In steps, because one leads to the next ([`Engine::partition_at`] and what follows it):
//! some keys ahead the partition is asked for; when that has come, the head of the key's
//! chain; then where its first entry lies; then, one entry after the other, what stands in
//! the chain up to the key's own, and all of that. More often than not there is another
//! entry before it. Nothing here waits for what it asked for, nor for a partition in which
//! somebody is: who reads along with others what all want finds it in the processor's own
//! memory, and would only stand in their way. A key that stands in a row is asked for once.
//!
//! [`Engine::partition_at`]: shoal_engine::Engine::partition_at

use std::ops::RangeInclusive;

use shoal_engine::{KeyHash, Next, Stretch};

use crate::node::Node;

/// Bytes that come at once.
const LINE_BYTES: usize = 64;
/// So many of an entry are asked for. Whoever copies it begins at both of its ends, so that
/// the processor would not guess what comes.
const ENTRY_LINES_MAX: usize = 20;
/// How many keys ahead of the one that is read its partition is asked for,
const PARTITION: usize = 9;
/// the head of its chain,
const CHAIN: usize = 8;
/// where the first entry lies,
const SLOT: usize = 7;
/// that entry,
const FIRST: usize = 6;
/// and each time that there is one key less between, the next; here for the last time.
const LAST: usize = 3;
/// A power of two, so that a place among them is soon found.
const KNOWN: usize = (PARTITION + 1).next_power_of_two();

/// What is known of the keys that come next.
#[derive(Default)]
pub(crate) struct Ahead {
    known: [Option<Known>; KNOWN],
    /// How many of them are not done.
    open: usize,
    begun: usize,
}

#[derive(Clone, Copy)]
struct Known {
    spot: Spot,
    /// Nothing more is to be asked for: all of it was, or the key before is the same one.
    is_done: bool,
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
            let known = key.map(|key| Known::of(node, key, before));
            self.open += usize::from(known.is_some_and(|known| !known.is_done));
            self.known[self.begun % KNOWN] = known;
            self.begun += 1;
        }
        if self.open == 0 {
            return;
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
        for Spot { partition, hash } in self.reached(at, SLOT) {
            ask(engine.slot_at(partition, hash));
        }
        for ahead in (LAST..=FIRST).rev() {
            for at in reached(at, ahead) {
                if let (Some(spot), Some(key)) = (self.asked_for(at), key(at)) {
                    let Spot { partition, hash } = spot;
                    let next = engine.entry_at(partition, hash, key, FIRST - ahead);
                    match next {
                        Next::Beginning(stretch) => ask(stretch),
                        Next::Found((begins, bytes)) => {
                            ask((begins, bytes.min(ENTRY_LINES_MAX * LINE_BYTES)));
                        }
                        Next::Nothing => {}
                    }
                    let goes_on = matches!(next, Next::Beginning(_)) && ahead > LAST;
                    if !goes_on {
                        self.done(at);
                    }
                }
            }
        }
    }

    fn done(&mut self, at: usize) {
        if let Some(known) = &mut self.known[at % KNOWN] {
            known.is_done = true;
            self.open -= 1;
        }
    }

    fn reached(&self, at: usize, ahead: usize) -> impl Iterator<Item = Spot> {
        reached(at, ahead).filter_map(|at| self.asked_for(at))
    }

    fn asked_for(&self, at: usize) -> Option<Spot> {
        let known = self.known[at % KNOWN].filter(|known| !known.is_done);
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
            is_done: before.is_some_and(|before| before.spot == spot),
        }
    }
}

/// The keys that are no further ahead than that now, and were before.
fn reached(at: usize, ahead: usize) -> RangeInclusive<usize> {
    let from = if at == 0 { 0 } else { at + ahead };
    from..=at + ahead
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

    use super::{Ahead, Known, PARTITION, Spot};
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
        let is_again = [0_usize, 1, 2, 3, 5].map(|at| {
            let before = at.checked_sub(1).and_then(|before| ahead.known[before]);
            Known::of(&node, keys[at], before).is_done
        });
        assert_eq!(is_again, [false, true, false, false, false]);
        assert!(ahead.known[4].is_none() && ahead.known[6].is_none());
        assert!(keys.len() < PARTITION);
        for (at, key) in keys.iter().enumerate() {
            let may_be = key.len() <= node.key_bytes_max;
            let spot = may_be.then(|| Spot {
                partition: node.partition_of(key),
                hash: node.engine.hash(key),
            });
            assert_eq!(ahead.spot(at), spot);
        }
        assert_eq!(ahead.open, 0, "who is not here is asked for no further");
    }
}
