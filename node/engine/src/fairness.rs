//! Who gives when the memory is full: a partition's own entries, or another's.
//!
//! Whoever has waited longest in the whole node, by the [`crate::eviction::Order`] that the
//! partitions share. A writer that needs memory looks at the fronts of a few partitions'
//! queues, without their locks:
//! - where its own front is about as old as the oldest that it saw, or older, it evicts its
//!   own, which costs no other lock and leaves holes that it fills itself;
//! - else the partition with that oldest front gives;
//! - one that has nothing left to give itself takes from anybody.
//!
//! So a partition that was opened late, or that came to be asked for more than others, grows
//! at their expense as long as its entries are the younger ones, and the node's memory is
//! one cache, however many partitions it is cut into.
//!
//! Where partitions of both roles are here, [`mod@crate::replication`] says which of them
//! give; only those are looked at, as long as they have something.
//!
//! Under the policy `none` nothing is taken from others.
//!
//! At most one lock is held at a time: a [`Search`] is used between two holds of the
//! asking partition's lock. Another writer may be quicker to what was freed; after
//! [`ROUNDS_MAX`] attempts the write is refused.

use std::sync::atomic::Ordering::Relaxed;

use crate::engine::Engine;
use crate::eviction::{ANYBODY, Due, MAIN, NOBODY, NOBODY_YET, SLACK_MAX, SMALL, Stamp};
use crate::replication::Giver;
use crate::request::Now;
use crate::room::Short;
use crate::settings::Eviction;

/// Attempts of one write to get its memory. Each does as much as one hold of a lock
/// allows: enough for the largest value, made of the smallest entries.
const ROUNDS_MAX: usize = 1 << 16;
/// How often another partition is asked that gave up entries but no memory yet.
const HOLDS_MAX: usize = 1024;
/// Attempts in a row that freed nothing before the writer gives of its own, due or not.
const VAIN_MAX: usize = 8;
/// Another partition is asked for this part of the memory at least, so that it is not asked
/// for each entry,
const GIFT_PART: usize = 4096;
/// but not for more than this unless it is wanted.
const GIFT_BYTES_MAX: usize = 16 << 10;
/// How many partitions that have somebody to give are compared,
const SEEN_MAX: usize = 16;
/// and at how many places they are looked for.
const LOOKED_AT_MAX: usize = 1024;

/// One write's search for memory.
pub(crate) struct Search<'a> {
    engine: &'a Engine,
    partition: usize,
    own: Own,
    rounds: usize,
    /// How often what was given was less than what was wanted.
    scarce: usize,
    vain: usize,
}

/// Whether the partition's own entries may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    WhenDue,
    Now,
}

/// Which entries a partition may evict for its own sake.
#[derive(Clone, Copy)]
pub(crate) enum MayEvict<'a> {
    /// Any.
    Anything,
    /// Those that have waited about as long as others' in the engine.
    WhatIsDue {
        engine: &'a Engine,
        own: usize,
        slack: usize,
    },
}

impl MayEvict<'_> {
    pub(crate) fn due(self) -> Due {
        match self {
            MayEvict::Anything => ANYBODY,
            MayEvict::WhatIsDue { engine, own, slack } => {
                engine.oldest_but(own, slack).map_or(ANYBODY, |(_, due)| {
                    let gives = engine.giver().is(engine.follows(own));
                    if gives { due } else { NOBODY_YET }
                })
            }
        }
    }
}

impl Engine {
    #[inline]
    pub(crate) fn search(&self, partition: u32) -> Search<'_> {
        Search {
            engine: self,
            partition: partition as usize,
            own: Own::WhenDue,
            rounds: 0,
            scarce: 0,
            vain: 0,
        }
    }

    /// Of a few other partitions the one whose front has waited longest, and who is about as
    /// old as that.
    pub(crate) fn oldest_but(&self, partition: usize, slack: usize) -> Option<(usize, Due)> {
        let queue = self.order.gives();
        let giver = self.giver();
        if let Some((at, entered)) = self.oldest_of(giver, queue, partition) {
            return Some((at, self.order.alike(queue, entered, slack)));
        }
        if giver == Giver::Anybody {
            return None;
        }
        // What of that queue is left may all be on the side that does not give.
        let oldest = self.oldest_of(giver, SMALL + MAIN - queue, partition);
        oldest.map(|(at, _)| (at, ANYBODY))
    }

    fn oldest_of(&self, giver: Giver, queue: usize, but: usize) -> Option<(usize, Stamp)> {
        let count = self.places.len();
        let first = self.hand.load(Relaxed);
        let mut oldest = None;
        let (mut looked_at, mut seen) = (0, 0);
        while looked_at < count.min(LOOKED_AT_MAX) && seen < SEEN_MAX {
            let at = first.wrapping_add(looked_at) % count;
            looked_at += 1;
            let entered = self.places[at].oldest[queue].load(Relaxed);
            if at != but && entered != NOBODY && giver.is(self.follows(at)) {
                seen += 1;
                if oldest.is_none_or(|(_, before)| entered < before) {
                    oldest = Some((at, entered));
                }
            }
        }
        self.hand.store(first.wrapping_add(looked_at), Relaxed);
        oldest
    }

    /// Makes a partition give entries that are due. Returns how much memory that was.
    pub(crate) fn take_from(&self, at: usize, bytes: usize, due: Due, now: Now) -> usize {
        let place = &self.places[at];
        for _ in 0..HOLDS_MAX {
            let mut state = place.state.lock();
            let Some(open) = state.open.as_mut() else {
                break;
            };
            let now_ms = open.own_time_ms(now);
            let shed = open.shed(bytes, due, now_ms);
            place.publish(open);
            let given_up = open.ledger.take_given_up();
            drop(state);
            drop(given_up);
            if shed.bytes > 0 || !shed.more {
                return shed.bytes;
            }
        }
        0
    }

    /// Makes any partition but this one give memory, whatever it holds.
    pub(crate) fn take_from_anybody(&self, partition: usize, bytes: usize, now: Now) -> bool {
        let count = self.places.len();
        // Each search looks at every place: where two shared their steps, each would see
        // a part of them, and could miss the only one that gives.
        let first = self.hand.load(Relaxed);
        let giver = self.giver();
        let takes = |gives: bool| {
            (0..count)
                .map(|step| first.wrapping_add(step) % count)
                .filter(|&at| at != partition && self.places[at].held_bytes.load(Relaxed) > 0)
                .filter(|&at| giver.is(self.follows(at)) == gives)
                .any(|at| self.take_from(at, bytes, ANYBODY, now) > 0)
        };
        takes(true) || giver != Giver::Anybody && takes(false)
    }
}

impl<'a> Search<'a> {
    pub(crate) fn may_evict(&self) -> MayEvict<'a> {
        match self.own {
            Own::WhenDue => MayEvict::WhatIsDue {
                engine: self.engine,
                own: self.partition,
                slack: self.slack(),
            },
            Own::Now => MayEvict::Anything,
        }
    }

    /// A write that needs more than the oldest entries give cannot wait for who is oldest.
    /// One whose memory another writer was quicker to take can: there was enough of it, and
    /// to give of its own instead would cost it what is younger than others'.
    fn slack(&self) -> usize {
        self.scarce.saturating_sub(1)
    }

    /// Where others give first, it is their entries before its own, due or not.
    fn vain_max(&self) -> usize {
        if self.engine.giver().is(self.engine.follows(self.partition)) {
            VAIN_MAX
        } else {
            SLACK_MAX + VAIN_MAX
        }
    }

    /// Whether the partition is so near its share, or above, that it will have to give up
    /// entries of its own once the memory is full.
    pub(crate) fn leaves_ahead(&self) -> bool {
        let open_count = self.engine.open_count.load(Relaxed).max(1) as usize;
        let held_bytes = self.engine.places[self.partition].held_bytes.load(Relaxed);
        held_bytes >= self.engine.account.max_bytes() / open_count / 8 * 7
    }

    /// Whether the operation shall be tried once more. `bytes`: what it wants.
    pub(crate) fn find(&mut self, why: Short, bytes: usize, now: Now) -> bool {
        let max_bytes = self.engine.account.max_bytes();
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX || bytes > max_bytes {
            return false;
        }
        if why == Short::Again {
            return true;
        }
        if self.engine.eviction() == Eviction::None {
            return false;
        }
        let wanted_bytes = bytes;
        let bytes = bytes.max((max_bytes / GIFT_PART).min(GIFT_BYTES_MAX));
        match self.own {
            Own::WhenDue => {
                let given_bytes = self
                    .engine
                    .oldest_but(self.partition, self.scarce)
                    .map(|(at, due)| self.engine.take_from(at, bytes, due, now));
                self.scarce += usize::from(given_bytes.is_none_or(|given| given < wanted_bytes));
                match given_bytes {
                    None => self.own = Own::Now,
                    Some(0) => self.vain += 1,
                    Some(_) => self.vain = 0,
                }
                if self.vain == self.vain_max() {
                    self.own = Own::Now;
                }
                true
            }
            Own::Now => self.engine.take_from_anybody(self.partition, bytes, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Write;
    use crate::settings::Settings;

    const NOW: Now = Now(1000);

    fn set(engine: &Engine, partition: u32, key: u64, bytes: usize) {
        let value = vec![key as u8; bytes];
        let write = Write {
            value: &value,
            ttl_ms: 0,
            ..Write::default()
        };
        let written = engine.set(partition, &key.to_le_bytes(), write, NOW);
        assert!(written.is_ok(), "{written:?}");
    }

    /// Full of the first partition's entries, all older than any that comes.
    fn full() -> Engine {
        let engine = Engine::new(Settings {
            partition_count: 3,
            maxmemory_bytes: 1 << 20,
            eviction: Eviction::Lru,
            key_bytes_max: 64,
            value_bytes_max: 1 << 20,
            hash_seed: 5,
        });
        (0..3).for_each(|partition| engine.open(partition, 1).unwrap());
        (0..2000).for_each(|key| set(&engine, 0, key, 1000));
        assert!(engine.stats().evicted > 0, "there is room left");
        engine
    }

    #[test]
    fn what_was_given_up_is_freed_by_whoever_had_it_given_up() {
        let engine = full();
        let is_freed = || {
            engine.places.iter().all(|place| {
                let open = &mut place.state.lock().open;
                open.as_mut().unwrap().ledger.take_given_up().is_nothing()
            })
        };
        assert!(is_freed(), "by one's own writes");
        (0..20).for_each(|key| set(&engine, 1, key, 60_000));
        assert!(
            engine.stats().evicted > 1000,
            "nothing was taken from the other"
        );
        assert!(is_freed(), "by a write to another partition");
        let write = Write {
            value: &[7; 10_000],
            ttl_ms: 100,
            ..Write::default()
        };
        for key in 0..40_u64 {
            assert!(engine.set(2, &key.to_le_bytes(), write, NOW).is_ok());
        }
        while engine.reclaim(2, Now(5000), 32).more {}
        assert!(
            engine.stats().expired >= 40 && is_freed(),
            "by who reclaims"
        );
    }

    #[test]
    fn who_is_robbed_of_what_was_given_goes_on_asking_the_oldest() {
        let engine = full();
        let mut search = engine.search(1);
        for key in 0..3 * SLACK_MAX as u64 {
            assert!(search.find(Short::Full, 1100, NOW));
            // Quicker, each time.
            set(&engine, 2, key, 1000);
            set(&engine, 2, 1 << 32 | key, 8000);
        }
        assert_eq!(search.slack(), 0);
        assert_ne!(search.may_evict().due(), ANYBODY);
    }

    #[test]
    fn who_wants_more_than_the_oldest_give_takes_from_younger_ones() {
        let engine = full();
        let mut search = engine.search(1);
        for _ in 0..=SLACK_MAX {
            assert!(search.find(Short::Full, 900 << 10, NOW));
        }
        assert_eq!(search.may_evict().due(), ANYBODY);
    }
}
