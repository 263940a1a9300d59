//! Who gives when the memory is full: a partition's own entries, or another's.
//!
//! A partition's *fair share* is the memory divided by the number of open
//! partitions. While there is memory nobody looks at it. Once there is none:
//! - a partition at or above its share evicts its own entries;
//! - one below it takes from the partitions above theirs, each in turn as a rotating
//!   hand finds them, and evicts its own only where no such partition gives;
//! - one that has nothing left to give itself takes from anybody, in the same turn.
//!
//! So a partition that was opened late, or whose keys were few, grows to its share;
//! one that needs more than its share keeps what the others do not ask for.
//!
//! Under the policy `none` nothing is taken from others.
//!
//! At most one lock is held at a time: a [`Search`] is used between two holds of the
//! asking partition's lock. Another writer may be quicker to what was freed; after
//! [`ROUNDS_MAX`] attempts the write is refused.

use std::sync::atomic::Ordering::Relaxed;

use crate::engine::Engine;
use crate::request::Now;
use crate::room::Short;
use crate::settings::Eviction;

/// Attempts of one write to get its memory. Each frees up to 256 entries.
const ROUNDS_MAX: usize = 4096;
/// What is asked of another partition at least, so that it is not asked for each
/// entry.
const GIFT_BYTES_MIN: usize = 4 << 10;

/// One write's search for memory.
pub(crate) struct Search<'a> {
    engine: &'a Engine,
    partition: usize,
    own: Own,
    rounds: usize,
}

/// Whether the partition's own entries may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    /// Only after those of partitions above their share.
    Later,
    Now,
}

impl Engine {
    #[inline]
    pub(crate) fn search(&self, partition: u32) -> Search<'_> {
        let partition = partition as usize;
        let held_bytes = self.places[partition].held_bytes.load(Relaxed);
        let own = if held_bytes < self.fair_share_bytes() {
            Own::Later
        } else {
            Own::Now
        };
        Search {
            engine: self,
            partition,
            own,
            rounds: 0,
        }
    }

    fn fair_share_bytes(&self) -> usize {
        self.account.max_bytes() / self.open_count.load(Relaxed).max(1) as usize
    }

    /// Makes one partition above `floor_bytes` give memory.
    fn take_from_another(
        &self,
        partition: usize,
        bytes: usize,
        floor_bytes: usize,
        now: Now,
    ) -> bool {
        for _ in 0..self.places.len() {
            let at = self.hand.fetch_add(1, Relaxed) % self.places.len();
            let place = &self.places[at];
            if at == partition || place.held_bytes.load(Relaxed) <= floor_bytes {
                continue;
            }
            let mut state = place.state.lock();
            if let Some(open) = state.open.as_mut() {
                let now_ms = open.own_time_ms(now);
                let given_bytes = open.shed(bytes, now_ms);
                place.publish(open);
                if given_bytes > 0 {
                    return true;
                }
            }
        }
        false
    }
}

impl Search<'_> {
    pub(crate) fn may_evict_own(&self) -> bool {
        self.own == Own::Now
    }

    /// Whether the operation shall be tried once more. `bytes`: what it wants.
    pub(crate) fn find(&mut self, why: Short, bytes: usize, now: Now) -> bool {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX || bytes > self.engine.account.max_bytes() {
            return false;
        }
        if why == Short::Again {
            return true;
        }
        let bytes = bytes.max(GIFT_BYTES_MIN);
        let takes = |floor_bytes| {
            self.engine.settings.eviction != Eviction::None
                && self
                    .engine
                    .take_from_another(self.partition, bytes, floor_bytes, now)
        };
        match self.own {
            Own::Later => {
                if !takes(self.engine.fair_share_bytes()) {
                    self.own = Own::Now;
                }
                true
            }
            Own::Now => takes(0),
        }
    }
}
