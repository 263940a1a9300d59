//! Which copies are required, what they have acknowledged, and what that commits.

use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use shoal_engine::{Engine, Now, Stretch};

use crate::copy::Copy;
use crate::hub::follower::Follower;
use crate::hub::{Hub, wake_all};
use crate::mutants::{self, Mutant};

/// This node is not the partition's primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotServed;

/// The record's in-sync set is smaller than it must be for an `IN_SYNC` write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewCopies {
    /// Copies in it, the primary's among them.
    pub in_sync_count: u32,
    /// How many there must be.
    pub min_in_sync: u32,
}

impl Hub {
    /// From now on these copies must acknowledge a write before it counts as committed:
    /// those of the record's in-sync set and of one that a change on its way would make
    /// it, without the primary's own. `in_sync_count` is the size of the record's set,
    /// with it. Returns the primary's newest sequence: a copy that has acknowledged it,
    /// and is required, misses no write that was ever committed.
    ///
    /// # Errors
    /// The partition is not served here.
    pub fn require(
        &self,
        engine: &Engine,
        partition: u32,
        copies: &[Copy],
        in_sync_count: u32,
    ) -> Result<u64, NotServed> {
        let place = self.place(partition);
        let mut woken = Vec::new();
        let mut state = place.state.lock();
        let state = &mut *state;
        let served = state.served.as_mut().ok_or(NotServed)?;
        served.required = Some(copies.to_vec());
        served.has_unmarked |= served.unmarked > 0 && !copies.is_empty();
        for copy in copies {
            if served.follower(copy).is_none() {
                served.followers.push(Follower::unknown(copy.clone()));
            }
        }
        served.forget_strangers();
        // Before the head is read: a write behind it must find what is required.
        place.recommit(served, &mut woken);
        place.in_sync_count.store(in_sync_count.max(1), Relaxed);
        let head = engine.position(partition).ok_or(NotServed)?;
        for follower in &mut served.followers {
            if follower.acked_seq < head.seq && follower.goal_seq.is_none() {
                follower.goal_seq = Some(head.seq);
            }
        }
        if !copies.is_empty() {
            state.unneeded_since_ms = None;
            let _ = engine.keep_log(partition, true);
        }
        // A stream may wait for a copy to be required no longer.
        state.tell();
        wake_all(woken);
        Ok(head.seq)
    }

    /// Fewer copies in sync than this, and `IN_SYNC` writes are refused.
    pub fn set_min_in_sync(&self, min_in_sync: u32) {
        self.min_in_sync.store(min_in_sync, Relaxed);
    }

    /// Whether `IN_SYNC` writes may be taken.
    ///
    /// # Errors
    /// They may not: too few copies are in sync.
    pub fn has_min_in_sync(&self, partition: u32) -> Result<(), TooFewCopies> {
        let min_in_sync = self.min_in_sync.load(Relaxed);
        let in_sync_count = self.place(partition).in_sync_count.load(Relaxed).max(1);
        if in_sync_count >= min_in_sync {
            return Ok(());
        }
        Err(TooFewCopies {
            in_sync_count,
            min_in_sync,
        })
    }

    /// Something was written, or removed. Call it after the engine has returned.
    #[inline]
    pub fn written(&self, partition: u32) {
        let place = self.place(partition);
        if place.stream_count.load(Relaxed) != 0 && !place.is_told.load(Relaxed) {
            self.tell_streams(partition);
        }
    }

    #[cold]
    fn tell_streams(&self, partition: u32) {
        let place = self.place(partition);
        if !place.is_told.swap(true, AcqRel) {
            place.state.lock().tell();
        }
    }

    /// A stream is about to read what was written: the next write is news again.
    pub(crate) fn listen(&self, partition: u32) {
        self.place(partition).is_told.store(false, Release);
    }

    /// What every required copy has. `u64::MAX`: none is required. 0: this node is not
    /// the primary, or was not told yet. Ask after the engine has applied the write.
    #[inline]
    pub fn committed(&self, partition: u32) -> u64 {
        self.place(partition).committed.load(Acquire)
    }

    /// Where that is kept which `committed` looks at, to fetch it ahead.
    pub fn place_at(&self, partition: u32) -> Stretch {
        let committed = &self.place(partition).committed;
        (std::ptr::from_ref(committed).cast(), size_of_val(committed))
    }

    /// What the copy of this id has acknowledged, if it is known.
    pub fn acked(&self, partition: u32, copy_id: &str) -> Option<u64> {
        let mut state = self.place(partition).state.lock();
        let followers = &state.served.as_mut()?.followers;
        let is_it = |known: &&Follower| &*known.copy.copy_id == copy_id && known.is_established;
        followers.iter().find(is_it).map(|known| known.acked_seq)
    }

    /// A copy says that it has everything up to `seq`, as far as `epoch` goes.
    pub(crate) fn acknowledge(
        &self,
        engine: &Engine,
        partition: u32,
        epoch: u64,
        copy: &Copy,
        seq: u64,
        now: Now,
    ) {
        let place = self.place(partition);
        let mut woken = Vec::new();
        let mut state = place.state.lock();
        let Some(served) = &mut state.served else {
            return;
        };
        if served.epoch != epoch && !mutants::is(Mutant::NoEpochCheckOnAck) {
            return;
        }
        let Some(head) = engine.position(partition) else {
            return;
        };
        let Some(follower) = served.follower(copy) else {
            return;
        };
        let is_news = follower.acknowledge(seq.min(head.seq), head.seq, now.0);
        let acked_seq = follower.acked_seq;
        served
            .waiters
            .take_acked(&copy.copy_id, acked_seq, &mut woken);
        place.recommit(served, &mut woken);
        drop(state);
        if is_news {
            self.tell_news(partition);
        }
        wake_all(woken);
    }
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("This node is not the partition's primary; ask its owner.")
    }
}

impl fmt::Display for TooFewCopies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IN_SYNC writes need {} copies in sync and {} are; wait for a replica, or write with \
             Ack PRIMARY.",
            self.min_in_sync, self.in_sync_count
        )
    }
}

impl std::error::Error for NotServed {}
impl std::error::Error for TooFewCopies {}
