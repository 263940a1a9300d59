//! Fetching memory ahead: a batch knows its keys before it reads them, and a key that was
//! not asked for lately lies in memory that takes longer to come than all that is done
//! with it.
//!
//! Twice, because an entry leads to the next one of its chain: some keys ahead the first
//! entry's beginning is asked for; a little later, when that has come, the rest of it, or
//! the next entry if it is another key's. Nothing here waits for what it asked for, nor for
//! a partition in which somebody is: who reads along with others what all want finds it in
//! the processor's own memory, and would only stand in their way. A key that stands in a row
//! is asked for once.

use shoal_engine::KeyHash;

use crate::node::Node;

/// Bytes that come at once.
const LINE_BYTES: usize = 64;
/// An entry's beginning, and that of its value.
const FIRST_LINES: usize = 2;
/// The processor follows a run that it has seen begin.
const REST_LINES_MAX: usize = 6;
/// How many keys ahead of the one that is read the first entry is asked for,
const FIRST: usize = 8;
/// and what follows from it.
const REST: usize = 3;
const KNOWN: usize = FIRST + 1;

/// What is known of the keys that come next.
#[derive(Default)]
pub(crate) struct Ahead {
    known: [Option<Known>; KNOWN],
    begun: usize,
}

#[derive(Clone, Copy)]
struct Known {
    partition: u32,
    hash: KeyHash,
    /// The key before it is the same one.
    is_again: bool,
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
        while self.begun <= at + FIRST {
            let key = key(self.begun).filter(|key| key.len() <= node.key_bytes_max);
            let before = self.begun.checked_sub(1);
            let before = before.and_then(|before| self.known[before % KNOWN]);
            self.known[self.begun % KNOWN] = key.map(|key| first(node, key, before));
            self.begun += 1;
        }
        if let Some(known) = self.known[(at + REST) % KNOWN]
            && !known.is_again
            && let Some(key) = key(at + REST)
        {
            rest(node, known, key);
        }
    }

    /// The partition of the key that is about to be read, if it was looked up.
    pub(crate) fn partition(&self, at: usize) -> Option<u32> {
        self.known[at % KNOWN].map(|known| known.partition)
    }
}

fn first(node: &Node, key: &[u8], before: Option<Known>) -> Known {
    let partition = node.partition_of(key);
    let hash = node.engine.hash(key);
    let known = Known {
        partition,
        hash,
        is_again: before.is_some_and(|it| (it.partition, it.hash) == (partition, hash)),
    };
    if !known.is_again {
        let at = node.engine.whereabouts(partition, hash);
        for line in 0..FIRST_LINES {
            begin(at.wrapping_add(line * LINE_BYTES));
        }
    }
    known
}

fn rest(node: &Node, known: Known, key: &[u8]) {
    let (at, bytes) = node
        .engine
        .whereabouts_next(known.partition, known.hash, key);
    for line in 0..(bytes / LINE_BYTES).min(REST_LINES_MAX) {
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

    use super::{Ahead, FIRST};
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
        assert!(keys.len() < FIRST);
        for (at, key) in keys.iter().enumerate() {
            let may_be = key.len() <= node.key_bytes_max;
            let partition = may_be.then(|| node.partition_of(key));
            assert_eq!(ahead.partition(at), partition);
        }
    }
}
