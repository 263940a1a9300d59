//! What readers of the primary must not see yet: keys whose `IN_SYNC` write is not
//! committed, and everything that a new primary found until its copies have it.
//!
//! A writer reserves before it calls the engine, so that no reader can find the write
//! and not the mark. Where no copy is required there is nothing to wait for; such writes
//! are only counted, and should a copy become required meanwhile, readers wait until
//! those that were under way have ended.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use shoal_engine::Engine;

use crate::hub::Hub;
use crate::hub::commit::TooFewCopies;
use crate::hub::pending::Block;
use crate::hub::place::Served;
use crate::mutants::{self, Mutant};

/// Why an `IN_SYNC` write may not begin. Nothing was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This node is not the partition's primary.
    NotServed,
    /// Too many are not committed yet.
    Full,
    /// Too few copies are in sync.
    TooFewCopies(TooFewCopies),
}

/// An `IN_SYNC` write that may begin. Dropped, nothing was written.
#[must_use]
#[derive(Debug)]
pub struct Reservation<'a> {
    hub: &'a Hub,
    partition: u32,
    epoch: u64,
    key_hash: u64,
    is_marked: bool,
    is_over: bool,
}

impl Hub {
    /// Begins an `IN_SYNC` write of a key. Call it before the engine.
    ///
    /// # Errors
    /// It may not begin.
    pub fn reserve(&self, partition: u32, key_hash: u64) -> Result<Reservation<'_>, Refusal> {
        self.has_min_in_sync(partition)
            .map_err(Refusal::TooFewCopies)?;
        let place = self.place(partition);
        let mut state = place.state.lock();
        let served = state.served.as_mut().ok_or(Refusal::NotServed)?;
        if served.pending.len() + served.unmarked >= self.bounds.pending_max {
            return Err(Refusal::Full);
        }
        let is_marked = served.required.as_ref().is_none_or(|it| !it.is_empty());
        if is_marked {
            served.pending.begin(key_hash);
            place.reguard(served);
        } else {
            served.unmarked += 1;
        }
        Ok(Reservation {
            hub: self,
            partition,
            epoch: served.epoch,
            key_hash,
            is_marked,
            is_over: false,
        })
    }

    /// Until which sequence a read of this key waits. Ask after the engine was read;
    /// answer what was read, or what is read anew, when that is committed.
    #[inline]
    pub fn blocks_read(&self, engine: &Engine, partition: u32, key_hash: u64) -> Option<u64> {
        let is_guarded = self.place(partition).is_guarded.load(Relaxed);
        if is_guarded && !mutants::is(Mutant::ReadBeforeCommit) {
            return self.look_behind(engine, partition, key_hash);
        }
        None
    }

    #[cold]
    fn look_behind(&self, engine: &Engine, partition: u32, key_hash: u64) -> Option<u64> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let served = state.served.as_mut()?;
        let committed = place.committed.load(Acquire);
        let block = match served.pending.block(key_hash, committed) {
            _ if served.has_unmarked => Block::UntilHead,
            Block::Clear if served.promoted_seq > committed => Block::Until(served.promoted_seq),
            Block::Until(seq) => Block::Until(seq.max(served.promoted_seq)),
            other => other,
        };
        match block {
            Block::Clear => None,
            Block::Until(seq) => Some(seq),
            Block::UntilHead => engine
                .position(partition)
                .map(|head| head.seq)
                .filter(|&head_seq| head_seq > committed),
        }
    }
}

impl Reservation<'_> {
    /// It was written, as this sequence. Returns whether it is committed already; else
    /// wait for it ([`Hub::wait`]).
    pub fn wrote(mut self, seq: u64) -> bool {
        self.end(Some(seq));
        self.hub.committed(self.partition) >= seq
    }

    fn end(&mut self, seq: Option<u64>) {
        self.is_over = true;
        let place = self.hub.place(self.partition);
        let committed = || place.committed.load(Acquire);
        let mut state = place.state.lock();
        let same_epoch = |served: &&mut Served| served.epoch == self.epoch;
        let Some(served) = state.served.as_mut().filter(same_epoch) else {
            return;
        };
        let uncommitted = seq.filter(|&seq| seq > committed());
        if self.is_marked {
            served.pending.end(self.key_hash, uncommitted);
        } else {
            served.unmarked -= 1;
            served.has_unmarked &= served.unmarked > 0;
            if let Some(seq) = uncommitted {
                served.pending.add(self.key_hash, seq);
            }
        }
        place.reguard(served);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(None);
        }
    }
}
