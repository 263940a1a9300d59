//! Fetching memory ahead: a batch knows its keys before it reads them, and a key that was
//! not asked for lately lies in memory that takes longer to come than all that is done
//! with it.
//!
//! Twice, because an entry leads to the next one of its chain: some keys ahead the first
//! entry's beginning is asked for; a little later, when that has come, the rest of it, or
//! the next entry if it is another key's. Nothing here waits for what it asked for.

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
            self.known[self.begun % KNOWN] = key.map(|key| first(node, key));
            self.begun += 1;
        }
        if let Some(known) = self.known[(at + REST) % KNOWN]
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

fn first(node: &Node, key: &[u8]) -> Known {
    let partition = node.partition_of(key);
    let hash = node.engine.hash(key);
    let at = node.engine.whereabouts(partition, hash);
    for line in 0..FIRST_LINES {
        begin(at.wrapping_add(line * LINE_BYTES));
    }
    Known { partition, hash }
}

fn rest(node: &Node, Known { partition, hash }: Known, key: &[u8]) {
    let (at, bytes) = node.engine.whereabouts_next(partition, hash, key);
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
