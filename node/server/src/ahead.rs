//! Fetching memory ahead: a batch knows its keys before it reads them, and a key that was
//! not asked for lately lies in memory that takes longer to come than all that is done
//! with it.

use crate::node::Node;

/// Bytes that come at once.
const LINE_BYTES: usize = 64;
/// An entry's beginning, and that of its value.
const LINES: usize = 2;
/// How many keys ahead of the one that is read.
pub(crate) const KEYS: usize = 6;

/// Begin to fetch where the key's entry may lie.
pub(crate) fn fetch(node: &Node, key: &[u8]) {
    if key.len() > node.key_bytes_max {
        return;
    }
    let at = node.engine.whereabouts(node.partition_of(key), key);
    for line in 0..LINES {
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
