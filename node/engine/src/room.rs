//! Making room: what happens when an entry does not fit where the last one ended.
//!
//! In this order:
//! 1. holes, once they are more than a twelfth of the data: the segment with the
//!    most of them is slid and takes the new entry;
//! 2. memory that the account still has;
//! 3. entries whose time is over;
//! 4. whoever the policy names, as long as the caller allows it.
//!
//! Work under one hold of the lock is bounded: after [`LEAVE_MAX`] entries the caller
//! is told to come again. One slide moves at most 64 KiB.

use crate::entry::{self, Draft};
use crate::expiry::{Turn, Wheel};
use crate::heap::LARGE_FROM_BYTES;
use crate::memory::allocated;
use crate::partition::{Leaves, Partition};

/// Holes of up to this part of the data are left alone when room is wanted,
const REUSE_PART: usize = 12;
/// and when entries leave without any room being wanted.
const GIVE_BACK_PART: usize = 8;
/// Holes that are not worth the trouble.
const FREE_WASTE_BYTES: usize = 2 << 10;
/// A slide that wins less than this part of the data is not worth it, ever.
const WORTH_PART: usize = 64;
/// How many entries may leave under one hold of the lock to make room.
const LEAVE_MAX: usize = 256;
/// Live entries that may be moved in the wheel for each that may be reclaimed.
const MOVES_PER_RECLAIM: usize = 8;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// Not yet: let others have the lock, and ask again.
    Again,
    /// This partition gives up nothing, or nothing more.
    Full,
}

/// What becomes of a segment that was slid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slid {
    Opened,
    GivenBack,
}

impl Partition {
    /// After this, the draft can be stored. Handles got before are void: entries may
    /// have moved or left.
    pub(crate) fn make_room(
        &mut self,
        draft: &Draft<'_>,
        now_ms: u64,
        may_evict: bool,
    ) -> Result<(), Short> {
        let size = draft.bytes();
        let small = size < LARGE_FROM_BYTES;
        let slid = if small { Slid::Opened } else { Slid::GivenBack };
        let at_least = if small { size } else { 1 };
        for _ in 0..LEAVE_MAX {
            if small && !self.heap.has_room(draft) && self.is_wasteful(REUSE_PART) {
                self.slide_one(at_least, slid);
            }
            if self.ready(draft, now_ms) {
                return Ok(());
            }
            if !small && self.is_wasteful(REUSE_PART) && self.slide_one(at_least, slid) {
                continue;
            }
            let gave = self.reclaim_one(now_ms) || may_evict && self.evict_one();
            if !gave && !self.slide_one(at_least.max(self.worth_bytes()), slid) {
                return Err(Short::Full);
            }
        }
        Err(Short::Again)
    }

    fn ready(&mut self, draft: &Draft<'_>, now_ms: u64) -> bool {
        self.index.ready(&mut self.ledger)
            && (draft.deadline_ms.is_none() || self.ready_wheel(now_ms))
            && self.heap.ready(draft, self.sequence, &mut self.ledger)
    }

    fn ready_wheel(&mut self, now_ms: u64) -> bool {
        if self.wheel.is_none() && self.ledger.try_charge(allocated(size_of::<Wheel>())) {
            self.wheel = Some(Box::new(Wheel::new(now_ms)));
        }
        self.wheel.is_some()
    }

    /// Gives at least `bytes` back to the account, for another partition. Returns
    /// how many it was; 0 where nothing can be given.
    pub(crate) fn shed(&mut self, bytes: usize, now_ms: u64) -> usize {
        let before = self.ledger.held_bytes();
        for _ in 0..LEAVE_MAX {
            if before.saturating_sub(self.ledger.held_bytes()) >= bytes {
                break;
            }
            if self.is_wasteful(REUSE_PART) && self.slide_one(1, Slid::GivenBack) {
                continue;
            }
            let gave = self.reclaim_one(now_ms) || self.evict_one();
            if !gave && !self.slide_one(self.worth_bytes(), Slid::GivenBack) {
                break;
            }
        }
        before.saturating_sub(self.ledger.held_bytes())
    }

    /// Removes entries whose time is over, at most `budget`, and gives back the
    /// memory that this leaves idle.
    pub(crate) fn reclaim(&mut self, now_ms: u64, budget: usize) -> usize {
        let mut reclaimed = 0;
        let mut moves_left = budget.saturating_mul(MOVES_PER_RECLAIM);
        while reclaimed < budget {
            match self.turn(now_ms) {
                Turn::Due(handle) => {
                    self.remove(handle, self.hash_of(handle), Leaves::Expired);
                    reclaimed += 1;
                }
                Turn::Moved if moves_left > 0 => moves_left -= 1,
                Turn::Moved | Turn::Idle => break,
            }
        }
        self.give_back_waste(1 + reclaimed / LEAVE_MAX);
        reclaimed
    }

    /// Slides up to `segments` of them if there are holes enough.
    pub(crate) fn give_back_waste(&mut self, segments: usize) {
        for _ in 0..segments {
            if !self.is_wasteful(GIVE_BACK_PART) || !self.slide_one(1, Slid::GivenBack) {
                break;
            }
        }
    }

    fn is_wasteful(&self, part: usize) -> bool {
        self.heap.waste_bytes() > self.heap.data_bytes() / part + FREE_WASTE_BYTES
    }

    /// What a slide must win where nothing else is left to be had.
    fn worth_bytes(&self) -> usize {
        (self.heap.data_bytes() / WORTH_PART).clamp(1, FREE_WASTE_BYTES)
    }

    fn reclaim_one(&mut self, now_ms: u64) -> bool {
        for _ in 0..MOVES_PER_RECLAIM {
            match self.turn(now_ms) {
                Turn::Due(handle) => {
                    self.remove(handle, self.hash_of(handle), Leaves::Expired);
                    return true;
                }
                Turn::Moved => {}
                Turn::Idle => return false,
            }
        }
        false
    }

    fn turn(&mut self, now_ms: u64) -> Turn {
        self.wheel
            .as_mut()
            .map_or(Turn::Idle, |wheel| wheel.turn(&mut self.heap, now_ms))
    }

    fn evict_one(&mut self) -> bool {
        let Some(handle) = self.policy.victim(&mut self.heap) else {
            return false;
        };
        self.is_provisioned = self.policy.provision(self.entries, &mut self.ledger);
        self.remove(handle, self.hash_of(handle), Leaves::Evicted);
        true
    }

    /// Slides the segment, of a few, with the most to win. False where there is none
    /// that wins `at_least` bytes.
    fn slide_one(&mut self, at_least: usize, slid: Slid) -> bool {
        let Some(segment) = self.heap.find_waste(at_least) else {
            return false;
        };
        let Partition {
            heap,
            index,
            policy,
            wheel,
            ..
        } = self;
        heap.slide(segment, |heap, old, new| {
            let entry = heap.entry(new);
            let (hash, expires) = (index.hash(entry::key(entry)), entry::expires(entry));
            index.moved(heap, hash, old, new);
            policy.moved(heap, new);
            if expires && let Some(wheel) = wheel {
                wheel.moved(heap, new);
            }
        });
        let opens = slid == Slid::Opened && self.is_provisioned;
        if opens && self.heap.rebase(segment, self.sequence) {
            self.heap.set_open(segment, &mut self.ledger);
        } else {
            self.heap.trim(segment, &mut self.ledger);
            if !self.is_provisioned {
                self.is_provisioned = self.policy.provision(self.entries, &mut self.ledger);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Short;
    use crate::index::Keyed;
    use crate::memory::Account;
    use crate::operations::Stop;
    use crate::partition::Partition;
    use crate::request::{Entry, Now, SetOutcome, Version, Write};
    use crate::settings::Eviction;

    const NOW: Now = Now(1000);

    fn partition(eviction: Eviction) -> Partition {
        Partition::new(
            5,
            eviction,
            Keyed::new(1),
            Arc::new(Account::new(1 << 20, 0)),
        )
    }

    fn set(partition: &mut Partition, key: u64, len: usize) -> Version {
        let value = vec![key as u8; len];
        let write = Write {
            value: &value,
            ttl_ms: 0,
            absent: false,
            condition: None,
        };
        // As the engine does: asked to come again, it comes again.
        for _ in 0..100 {
            match partition.set(&key.to_le_bytes(), &write, NOW, true) {
                Ok(SetOutcome::Applied(version)) => return version,
                Err(Stop::Short {
                    why: Short::Again, ..
                }) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("no room was made");
    }

    fn version(partition: &mut Partition, key: u64) -> Option<Version> {
        partition
            .get(&key.to_le_bytes(), NOW)
            .map(|entry: Entry<'_>| entry.version)
    }

    /// Ages are 32 bits: the partition is written to as if for years between two entries.
    #[test]
    fn versions_are_exact_over_any_number_of_writes() {
        for gap in [
            1 << 20,
            1 << 30,
            (1 << 31) + 5,
            (1 << 32) - 1,
            1 << 32,
            1 << 40,
            1 << 60,
        ] {
            let mut partition = partition(Eviction::Lru);
            let mut expected: Vec<Version> = Vec::new();
            for round in 0..3 {
                for key in 0..200 {
                    expected.push(set(&mut partition, round * 200 + key, 50));
                }
                partition.sequence += gap;
            }
            // In place, and moved by a touch, and to another size.
            expected[0] = set(&mut partition, 0, 50);
            let touched = partition.touch(&1_u64.to_le_bytes(), 500, NOW, true);
            assert_eq!(touched, Ok(Some(expected[1])));
            expected[2] = set(&mut partition, 2, 90);
            for (key, &written) in expected.iter().enumerate() {
                assert_eq!(
                    version(&mut partition, key as u64),
                    Some(written),
                    "gap {gap}"
                );
            }
            partition.validate().unwrap();
        }
    }

    /// Holes in old segments are used again, whatever the age of what lives beside them.
    #[test]
    fn old_segments_are_reused_or_given_back() {
        for gap in [1 << 20, 1 << 30, 1 << 31, 1 << 32, 1 << 40] {
            let mut partition = partition(Eviction::S3Fifo);
            let mut written = Vec::new();
            for round in 0..12 {
                for key in 0..3000 {
                    written.push((
                        round * 3000 + key,
                        set(&mut partition, round * 3000 + key, 100),
                    ));
                }
                partition.sequence += gap;
                partition.validate().unwrap();
            }
            let held = partition.ledger.held_bytes();
            assert!(
                held > 900 << 10 && partition.heap.waste_bytes() < held / 6,
                "gap {gap}"
            );
            let mut found = 0;
            for (key, expected) in written {
                if let Some(version) = version(&mut partition, key) {
                    assert_eq!(version, expected);
                    found += 1;
                }
            }
            assert_eq!(found, partition.entries);
        }
    }
}
