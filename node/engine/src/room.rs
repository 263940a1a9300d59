//! Making room: what happens when an entry does not fit where the last one ended.
//!
//! In this order:
//! 1. holes, once they are more than a twelfth of the data: the segment with the
//!    most of them is slid and takes the new entry;
//! 2. memory that the account still has;
//! 3. entries whose time is over;
//! 4. whoever the policy names, as long as the caller allows it.
//!
//! Work under one hold of the lock is bounded (see [`crate::work`]): past the bound the
//! caller is told to come again, and goes on where it stopped.

use crate::entry::{self, Draft};
use crate::eviction::{ANYBODY, Due};
use crate::expiry::{Turn, Wheel};
use crate::fairness::MayEvict;
use crate::heap::{LARGE_FROM_BYTES, Step, Way};
use crate::memory::allocated;
use crate::partition::{Leaves, Partition};
use crate::replication::Role;
use crate::work::{AHEAD_ENTRIES, STEP_ENTRIES};

/// Holes of up to this part of the data are left alone when room is wanted,
const REUSE_PART: usize = 12;
/// where a write prepares room for the writes to come,
const AHEAD_PART: usize = 14;
/// and when entries leave without any room being wanted.
const GIVE_BACK_PART: usize = 8;
/// Holes that are not worth the trouble,
const FREE_WASTE_BYTES: usize = 2 << 10;
/// unless they are this part of the data.
const FREE_WASTE_PART: usize = 8;
/// Cleaning that wins less than this part of the data is not worth it, ever.
const WORTH_PART: usize = 64;
/// Memory is scarce where less than this part of it is free.
const SCARCE_PART: usize = 24;
/// Entries that leave ahead of need for each that comes.
const LEAVE_AHEAD_MAX: usize = 8;
/// Segments that are slid for a write that then does not fit all the same. Until an entry
/// leaves it is of no use to slide more.
const SLID_IN_VAIN_MAX: usize = 16;
/// Live entries that may be moved in the wheel for each that may be reclaimed.
const MOVES_PER_RECLAIM: usize = 8;
/// In a smaller partition what is idle in the open segment is wanted too by those who need
/// memory.
const CLOSE_OPEN_BELOW_BYTES: usize = 64 << 10;
/// In a smaller partition nobody looks ahead: there is little to do at once.
const LEAVE_AHEAD_FROM_BYTES: usize = 256 << 10;
/// One of so many entries may be evicted before it is looked at anew whose turn it is,
const ENTRIES_PER_LOOK: usize = 64;
/// and at most so many.
const LOOKS_SAVED_MAX: usize = 32;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// Not yet: let others have the lock, and ask again.
    Again,
    /// This partition gives up nothing, or nothing more.
    Full,
}

/// What a partition gave to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed {
    pub(crate) bytes: usize,
    /// It would give more if it were asked again.
    pub(crate) more: bool,
}

/// What was reclaimed under one hold of a partition's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Entries whose time was over.
    pub entries: usize,
    /// The budget ended the call: there may be more.
    pub more: bool,
}

impl Partition {
    /// After this, the draft can be stored. Handles got before are void: entries may
    /// have moved or left.
    pub(crate) fn make_room(
        &mut self,
        draft: &Draft<'_>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Short> {
        let size = draft.bytes();
        if !self.ledger.could_fit(size) {
            return Err(Short::Full);
        }
        let small = size < LARGE_FROM_BYTES;
        let (way, at_least) = if small {
            (Way::Slide, size)
        } else {
            (Way::Evacuate, 1)
        };
        if self.leaves_ahead && self.heap.data_bytes() >= LEAVE_AHEAD_FROM_BYTES {
            self.leave_ahead(size, now_ms, may_evict);
        }
        while self.work.may_go_on() {
            if small && !self.heap.has_room(draft) {
                self.heap.open_next(&mut self.ledger);
            }
            let cleans = small && !self.heap.has_room(draft) && self.wants_cleaning(REUSE_PART);
            if cleans && self.clean_step(at_least, way) == Some(Step::OnItsWay) {
                continue;
            }
            if self.ready(draft, now_ms) {
                self.slid_in_vain = 0;
                return Ok(());
            }
            if !small && self.wants_cleaning(REUSE_PART) && self.clean_goes_on() {
                continue;
            }
            let gave = self.reclaim_one(now_ms) || self.evict_due(may_evict);
            if !gave && !self.clean_last(at_least, way) {
                return Err(Short::Full);
            }
        }
        Err(Short::Again)
    }

    /// Where the memory is nearly full and there are fewer holes than there will have to
    /// be, lets entries leave, a few for each that comes: so that when there is no memory
    /// left there are holes enough to live from, and no write has to make them all.
    fn leave_ahead(&mut self, size: usize, now_ms: u64, may_evict: MayEvict<'_>) {
        let wanted = self.heap.data_bytes() / REUSE_PART + FREE_WASTE_BYTES;
        let missing = wanted.saturating_sub(self.heap.waste_bytes());
        if missing == 0 {
            return;
        }
        let Some(free_bytes) = self.ledger.free_part_bytes(SCARCE_PART) else {
            return;
        };
        // What is missing shall be there when what is free is gone.
        let share = size.saturating_mul(missing) / free_bytes.max(size);
        let until = (self.heap.waste_bytes() + share).min(wanted);
        for _ in 0..LEAVE_AHEAD_MAX {
            if self.heap.waste_bytes() >= until || !self.work.may_go_on() {
                break;
            }
            if !(self.reclaim_one(now_ms) || self.evict_due(may_evict)) {
                break;
            }
        }
    }

    /// After an entry of this size was stored: slides a little of the segment that will
    /// take the entries to come.
    pub(crate) fn clean_ahead(&mut self, size: usize) {
        if !self.heap.has_next() && self.wants_cleaning(AHEAD_PART) {
            self.clean(AHEAD_ENTRIES, size, Way::SlideAhead);
        }
    }

    /// A step of evacuation. Whether that, and nothing else, is to be gone on with: where
    /// it only slid a segment, something must leave too, or it might go on for ever.
    fn clean_goes_on(&mut self) -> bool {
        matches!(
            self.clean_step(1, Way::Evacuate),
            Some(Step::OnItsWay | Step::Freed)
        )
    }

    /// A step of cleaning where nothing else gives room. False where that is of no use.
    fn clean_last(&mut self, at_least: usize, way: Way) -> bool {
        if self.slid_in_vain >= SLID_IN_VAIN_MAX {
            return false;
        }
        match self.clean_step(at_least.max(self.worth_bytes()), way) {
            Some(Step::Slid(_)) => self.slid_in_vain += 1,
            Some(Step::Freed) => self.slid_in_vain = 0,
            Some(Step::OnItsWay) => {}
            None => return false,
        }
        true
    }

    fn ready(&mut self, draft: &Draft<'_>, now_ms: u64) -> bool {
        self.index.ready(self.entries, &mut self.ledger)
            && (draft.deadline_ms.is_none() || self.ready_wheel(now_ms))
            && self.heap.ready(draft, self.sequence, &mut self.ledger)
    }

    fn ready_wheel(&mut self, now_ms: u64) -> bool {
        if self.wheel.is_none() && self.ledger.try_charge(allocated(size_of::<Wheel>())) {
            self.wheel = Some(Box::new(Wheel::new(now_ms)));
        }
        self.wheel.is_some()
    }

    /// Gives at least `bytes` back to the account, for another partition, or as many as
    /// one hold of the lock allows, as far as it has entries that are due.
    pub(crate) fn shed(&mut self, bytes: usize, due: Due, now_ms: u64) -> Shed {
        let before = self.ledger.held_bytes();
        let mut more = true;
        while self.work.may_go_on() && before.saturating_sub(self.ledger.held_bytes()) < bytes {
            if self.wants_cleaning(REUSE_PART) && self.clean_goes_on() {
                continue;
            }
            let gave = self.reclaim_one(now_ms) || self.evict_one(due);
            let won = gave || self.clean_last(1, Way::Evacuate);
            self.gives_ends = self.heap.data_bytes() < CLOSE_OPEN_BELOW_BYTES;
            let goes_on = won || self.gives_ends && self.heap.close_open(&mut self.ledger);
            if !goes_on {
                more = false;
                break;
            }
        }
        self.gives_ends = false;
        Shed {
            bytes: before.saturating_sub(self.ledger.held_bytes()),
            more,
        }
    }

    /// Removes entries whose time is over, at most `budget`, and some that are void, and
    /// gives back the memory that this leaves idle.
    pub(crate) fn reclaim(&mut self, now_ms: u64, budget: usize) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        let mut moves_left = budget.saturating_mul(MOVES_PER_RECLAIM);
        reclaimed.more = loop {
            if reclaimed.entries >= budget {
                break true;
            }
            match self.turn(now_ms) {
                Turn::Due(handle) => {
                    self.remove(handle, self.hash_of(handle), Leaves::Expired);
                    reclaimed.entries += 1;
                }
                Turn::Moved if moves_left > 0 => moves_left -= 1,
                Turn::Moved => break true,
                Turn::Idle => break false,
            }
        };
        reclaimed.more |= self.sweep();
        for _ in 0..=reclaimed.entries / STEP_ENTRIES {
            // Whoever calls again also goes on with this.
            reclaimed.more |= self.give_back_waste();
        }
        reclaimed
    }

    /// One step of cleaning if there are holes enough; whether there was one.
    pub(crate) fn give_back_waste(&mut self) -> bool {
        self.is_wasteful(GIVE_BACK_PART) && self.clean_last(1, Way::Evacuate)
    }

    /// What was begun is brought to its end, even if others left no holes meanwhile.
    fn wants_cleaning(&self, part: usize) -> bool {
        self.heap.is_cleaning() || self.is_wasteful(part)
    }

    fn is_wasteful(&self, part: usize) -> bool {
        let data_bytes = self.heap.data_bytes();
        let free_bytes = FREE_WASTE_BYTES.min(data_bytes / FREE_WASTE_PART);
        self.heap.waste_bytes() > data_bytes / part + free_bytes
    }

    /// What cleaning must win where nothing else is left to be had.
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
        if self.role != Role::Primary {
            // Readers hide what has expired; the primary says when it leaves.
            return Turn::Idle;
        }
        let Some(wheel) = self.wheel.as_mut() else {
            return Turn::Idle;
        };
        let turn = wheel.turn(&mut self.heap, now_ms);
        self.work.add_entries(usize::from(turn == Turn::Moved));
        turn
    }

    /// Evicts one of those that may be evicted for the partition's own sake. Where there
    /// are many entries, nobody compares them with others' each time.
    fn evict_due(&mut self, may_evict: MayEvict<'_>) -> bool {
        if matches!(may_evict, MayEvict::Anything) {
            return self.evict_one(ANYBODY);
        }
        if self.due_count == 0 {
            self.due = may_evict.due();
            self.due_count = (self.entries / ENTRIES_PER_LOOK).clamp(1, LOOKS_SAVED_MAX);
        }
        self.due_count -= 1;
        let gave = self.evict_one(self.due);
        if !gave {
            self.due_count = 0;
        }
        gave
    }

    /// False: nothing is given up. True: an entry left, or the policy came nearer to one.
    fn evict_one(&mut self, due: Due) -> bool {
        let victim = self.policy.victim(&mut self.heap, due);
        let passed_over = self.policy.passed_over();
        self.work.add_entries(passed_over);
        let Some(handle) = victim else {
            return passed_over > 0;
        };
        self.is_provisioned = self.policy.provision(self.entries, &mut self.ledger);
        self.remove(handle, self.hash_of(handle), Leaves::Evicted);
        true
    }

    /// Goes on with the segment that is being cleaned, or begins with the one, of a few,
    /// that has the most to win. None where none wins `at_least` bytes.
    fn clean_step(&mut self, at_least: usize, way: Way) -> Option<Step> {
        self.clean(STEP_ENTRIES, at_least, way)
    }

    fn clean(&mut self, entries_max: usize, at_least: usize, way: Way) -> Option<Step> {
        if !self.heap.is_cleaning() && !self.heap.begin_cleaning(at_least, way) {
            return None;
        }
        let Partition {
            heap,
            index,
            policy,
            wheel,
            work,
            ledger,
            ..
        } = self;
        let step = heap.clean(entries_max, work, ledger, |heap, old, new| {
            let entry = heap.entry(new);
            let (hash, expires) = (index.hash(entry::key(entry)), entry::expires(entry));
            index.moved(heap, hash, old, new);
            policy.moved(heap, new);
            if expires && let Some(wheel) = wheel {
                wheel.moved(heap, new);
            }
        });
        if let Step::Slid(segment) = step {
            // A policy that wants memory for itself gets it first.
            let opens = self.is_provisioned && !self.gives_ends;
            if !(opens && heap.open_slid(segment, self.sequence, ledger)) {
                heap.trim(segment, ledger);
            }
        }
        if step != Step::OnItsWay && !self.is_provisioned {
            self.is_provisioned = self.policy.provision(self.entries, &mut self.ledger);
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Short;
    use crate::eviction::Order;
    use crate::extras::load_time::LoadTime;
    use crate::fairness::MayEvict;
    use crate::index::Keyed;
    use crate::memory::Account;
    use crate::operations::Stop;
    use crate::partition::Partition;
    use crate::replication::Role;
    use crate::request::{Entry, Now, SetOutcome, Version, Write};
    use crate::settings::Eviction;

    const NOW: Now = Now(1000);

    fn partition(eviction: Eviction) -> Partition {
        Partition::new(
            5,
            Role::Primary,
            0,
            eviction,
            Keyed::new(1),
            Arc::new(Account::new(1 << 20, 0)),
            Arc::new(Order::new(1 << 20)),
        )
    }

    fn set(partition: &mut Partition, key: u64, len: usize) -> Version {
        let value = vec![key as u8; len];
        let write = Write {
            value: &value,
            ..Write::default()
        };
        // As the engine does: asked to come again, it comes again.
        for _ in 0..100 {
            partition.work.end_hold();
            match partition.set(
                &key.to_le_bytes(),
                &write,
                None,
                LoadTime::default(),
                None,
                NOW,
                MayEvict::Anything,
            ) {
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
            let touched = partition.touch(&1_u64.to_le_bytes(), 500, NOW, MayEvict::Anything);
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
