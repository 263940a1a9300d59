//! The keys of one partition whose latest `IN_SYNC` write is not committed: readers of
//! the primary wait for them.
//!
//! A key is marked before the engine is called, when its sequence is not known yet, and
//! stays so until everything that was written to it is committed. Keys are hashes: two
//! that collide make each other's readers wait, nothing worse. Bounded by the caller,
//! through [`Pending::len`].

use std::collections::{HashMap, VecDeque};

/// What a reader of a key waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Nothing.
    Clear,
    /// This sequence.
    Until(u64),
    /// A write that has no sequence yet: whatever the engine's newest is.
    UntilHead,
}

#[derive(Debug, Default)]
struct Key {
    /// Writes that have no sequence yet.
    begun: u32,
    /// Of the latest that has one.
    seq: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    keys: HashMap<u64, Key>,
    /// Writes with their sequence, nearly in its order.
    written: VecDeque<(u64, u64)>,
    begun: usize,
}

impl Pending {
    /// Writes in it.
    pub(crate) fn len(&self) -> usize {
        self.begun + self.written.len()
    }

    /// A write of this key begins.
    pub(crate) fn begin(&mut self, hash: u64) {
        self.keys.entry(hash).or_default().begun += 1;
        self.begun += 1;
    }

    /// A write that began has ended: it has this sequence, or none.
    pub(crate) fn end(&mut self, hash: u64, seq: Option<u64>) {
        let Some(key) = self.keys.get_mut(&hash) else {
            return;
        };
        key.begun = key.begun.saturating_sub(1);
        self.begun = self.begun.saturating_sub(1);
        if let Some(seq) = seq {
            self.add(hash, seq);
        } else if key.begun == 0 && key.seq == 0 {
            self.keys.remove(&hash);
        }
    }

    /// A write of this key has this sequence.
    pub(crate) fn add(&mut self, hash: u64, seq: u64) {
        let key = self.keys.entry(hash).or_default();
        key.seq = key.seq.max(seq);
        self.written.push_back((seq, hash));
    }

    /// Everything up to `seq` is committed.
    pub(crate) fn commit(&mut self, committed: u64) {
        while let Some(&(seq, hash)) = self.written.front() {
            if seq > committed {
                break;
            }
            self.written.pop_front();
            if let Some(key) = self.keys.get_mut(&hash)
                && key.seq <= committed
            {
                key.seq = 0;
                if key.begun == 0 {
                    self.keys.remove(&hash);
                }
            }
        }
        if self.len() == 0 && self.written.capacity() > 64 {
            (self.keys, self.written) = Default::default();
        }
    }

    /// What a reader of this key waits for.
    pub(crate) fn block(&self, hash: u64, committed: u64) -> Block {
        match self.keys.get(&hash) {
            Some(key) if key.begun > 0 => Block::UntilHead,
            Some(key) if key.seq > committed => Block::Until(key.seq),
            _ => Block::Clear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Pending};

    #[test]
    fn a_key_blocks_from_before_its_write_until_its_commit() {
        let mut pending = Pending::default();
        pending.begin(1);
        assert_eq!(pending.block(1, 0), Block::UntilHead);
        assert_eq!(pending.block(2, 0), Block::Clear);
        pending.end(1, Some(5));
        assert_eq!(pending.block(1, 4), Block::Until(5));
        pending.commit(4);
        assert_eq!(pending.block(1, 4), Block::Until(5));
        pending.commit(5);
        assert_eq!((pending.block(1, 5), pending.len()), (Block::Clear, 0));
        assert!(pending.keys.is_empty());
    }

    #[test]
    fn a_write_that_was_refused_leaves_no_trace() {
        let mut pending = Pending::default();
        pending.begin(1);
        pending.end(1, None);
        assert_eq!((pending.len(), pending.keys.len()), (0, 0));
    }

    #[test]
    fn one_key_written_often_blocks_until_the_last_and_counts_each() {
        let mut pending = Pending::default();
        for seq in [3, 2, 4] {
            pending.begin(7);
            pending.end(7, Some(seq));
        }
        assert_eq!(pending.len(), 3);
        // 2 came after 3 and waits for it, which only makes readers wait.
        pending.commit(2);
        assert_eq!(pending.len(), 3);
        pending.commit(3);
        assert_eq!((pending.len(), pending.block(7, 3)), (1, Block::Until(4)));
        pending.begin(7);
        pending.commit(4);
        assert_eq!(pending.block(7, 4), Block::UntilHead);
        pending.end(7, None);
        assert!(pending.keys.is_empty());
    }
}
