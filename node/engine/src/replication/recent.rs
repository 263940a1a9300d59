//! Recent requests: what each request with an id came to, so that a repeated one is
//! answered again instead of being applied again.
//!
//! Only what was applied is remembered, at most [`REQUESTS_MAX`] of a partition and for
//! [`KEPT_MS`]. They lie in slots that are linked twice: by age, and by the hash of the id.
//!
//! An id counts for one key and one kind of operation: with another key, or as a set where
//! it was an increment, it is another request. Of the key a mark is kept that is the same
//! on all nodes. It is no secret: who draws ids and keys whose marks are alike only takes
//! one of their own requests for another.
//!
//! Invariants: the queue rises by sequence; it and the chains hold the same slots; all is
//! charged to the ledger, also the room that was made for the next one.

use super::record::ID_BYTES_MAX;
use crate::memory::{Ledger, allocated};
use crate::table::Table;

pub(crate) const REQUESTS_MAX: usize = 4096;
pub(crate) const KEPT_MS: u64 = 10 * 60 * 1000;
const HEADS: usize = 1024;
/// Of those that are too old, so many go for each that comes.
const FORGOTTEN_PER_STEP: usize = 2;
const NONE: u16 = u16::MAX;

/// What a caller calls a request, to be told if it was applied before: 1 to 64 bytes. With
/// another key it is another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId<'a>(&'a [u8]);

impl<'a> RequestId<'a> {
    /// None: too short or too long.
    pub fn new(bytes: &'a [u8]) -> Option<RequestId<'a>> {
        (1..=ID_BYTES_MAX)
            .contains(&bytes.len())
            .then_some(RequestId(bytes))
    }

    /// Of a record that was read: it has such a length.
    pub(super) fn of(bytes: &'a [u8]) -> RequestId<'a> {
        RequestId(bytes)
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(super) key_mark: u64,
    pub(super) is_incr: bool,
}

impl Aim {
    pub(crate) fn new(key: &[u8], is_incr: bool) -> Aim {
        Aim {
            key_mark: key_mark(key),
            is_incr,
        }
    }
}

/// Of a key, the same everywhere and for ever (FNV-1a): it is sent to other nodes.
pub(super) fn key_mark(key: &[u8]) -> u64 {
    key.iter().fold(0xCBF2_9CE4_8422_2325, |mark, &byte| {
        (mark ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// What became of a request that counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once<T> {
    /// What it came to, now or before.
    pub outcome: T,
    /// It had been applied before, and was not applied again.
    pub repeated: bool,
}

impl<T> Once<T> {
    pub(crate) fn fresh(outcome: T) -> Once<T> {
        Once {
            outcome,
            repeated: false,
        }
    }
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) key_mark: u64,
    pub(crate) seq: u64,
    /// The sum, of an increment.
    pub(crate) number: Option<i64>,
    pub(crate) at_ms: u64,
}

impl Result {
    pub(super) fn aim(&self) -> Aim {
        Aim {
            key_mark: self.key_mark,
            is_incr: self.number.is_some(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    id: Box<[u8]>,
    result: Result,
    /// The next with the same head.
    chain: u16,
    /// The next younger one; where vacant, the next vacant one.
    younger: u16,
    older: u16,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            hash: 0,
            id: Box::default(),
            result: Result {
                key_mark: 0,
                seq: 0,
                number: None,
                at_ms: 0,
            },
            chain: NONE,
            younger: NONE,
            older: NONE,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Recent {
    heads: Option<Box<[u16; HEADS]>>,
    slots: Table<Slot, 16>,
    count: usize,
    /// Of all ids, as they are charged.
    ids_bytes: usize,
    oldest: u16,
    youngest: u16,
    vacant: u16,
    /// Charged, for the id that comes next.
    pending: Option<Box<[u8]>>,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            heads: None,
            slots: Table::default(),
            count: 0,
            ids_bytes: 0,
            oldest: NONE,
            youngest: NONE,
            vacant: NONE,
            pending: None,
        }
    }
}

impl Recent {
    /// Makes room for one more, of an id of this length; false where there is no memory.
    #[must_use]
    pub(crate) fn ready(&mut self, id_len: usize, now_ms: u64, ledger: &mut Ledger) -> bool {
        for _ in 0..FORGOTTEN_PER_STEP {
            let is_old = self.count > 0 && {
                let oldest = self.slots[usize::from(self.oldest)].result.at_ms;
                now_ms.saturating_sub(oldest) >= KEPT_MS
            };
            if self.count == REQUESTS_MAX || is_old {
                self.forget_oldest(ledger);
            }
        }
        if self.heads.is_none() {
            if !ledger.try_charge(allocated(size_of::<[u16; HEADS]>())) {
                return false;
            }
            self.heads = Some(Box::new([NONE; HEADS]));
        }
        if self.vacant == NONE && !self.slots.room_for_one(ledger) {
            return false;
        }
        if self.pending.as_ref().is_none_or(|id| id.len() != id_len) {
            if let Some(other) = self.pending.take() {
                ledger.refund(allocated(other.len()));
            }
            if !ledger.try_charge(allocated(id_len)) {
                return false;
            }
            self.pending = Some(vec![0; id_len].into_boxed_slice());
        }
        true
    }

    /// After [`Recent::ready`] of an id of this length.
    pub(crate) fn remember(&mut self, hash: u64, id: &[u8], result: Result) {
        let mut kept = self.pending.take().expect("ready was called");
        kept.copy_from_slice(id);
        self.ids_bytes += allocated(id.len());
        let heads = self.heads.as_mut().expect("ready was called");
        let head = &mut heads[hash as usize % HEADS];
        let slot = Slot {
            hash,
            id: kept,
            result,
            chain: *head,
            younger: NONE,
            older: NONE,
        };
        let at = if self.vacant == NONE {
            self.slots.push(slot)
        } else {
            let at = usize::from(self.vacant);
            self.vacant = self.slots[at].younger;
            self.slots[at] = slot;
            at
        } as u16;
        *head = at;
        self.queue(at, result.seq);
        self.count += 1;
    }

    /// Puts a slot where its sequence belongs: last, but where a snapshot brings it after
    /// some of the log.
    fn queue(&mut self, at: u16, seq: u64) {
        let (mut older, mut younger) = (self.youngest, NONE);
        while older != NONE && self.slots[usize::from(older)].result.seq > seq {
            younger = older;
            older = self.slots[usize::from(older)].older;
        }
        let slot = &mut self.slots[usize::from(at)];
        (slot.older, slot.younger) = (older, younger);
        match older {
            NONE => self.oldest = at,
            _ => self.slots[usize::from(older)].younger = at,
        }
        match younger {
            NONE => self.youngest = at,
            _ => self.slots[usize::from(younger)].older = at,
        }
    }

    pub(crate) fn find(&self, hash: u64, id: &[u8], aim: Aim, now_ms: u64) -> Option<Result> {
        let mut at = self.heads.as_ref()?[hash as usize % HEADS];
        while at != NONE {
            let slot = &self.slots[usize::from(at)];
            let is_kept = now_ms.saturating_sub(slot.result.at_ms) < KEPT_MS;
            if slot.hash == hash && *slot.id == *id && slot.result.aim() == aim && is_kept {
                return Some(slot.result);
            }
            at = slot.chain;
        }
        None
    }

    /// Whether a request is remembered that was this operation.
    pub(super) fn has_sequence(&self, seq: u64) -> bool {
        let mut at = self.youngest;
        while at != NONE {
            let slot = &self.slots[usize::from(at)];
            if slot.result.seq <= seq {
                return slot.result.seq == seq;
            }
            at = slot.older;
        }
        false
    }

    fn forget_oldest(&mut self, ledger: &mut Ledger) {
        let at = self.oldest;
        let slot = std::mem::take(&mut self.slots[usize::from(at)]);
        let head = &mut self.heads.as_mut().expect("there is one")[slot.hash as usize % HEADS];
        if *head == at {
            *head = slot.chain;
        } else {
            let mut before = usize::from(*head);
            while self.slots[before].chain != at {
                before = usize::from(self.slots[before].chain);
            }
            self.slots[before].chain = slot.chain;
        }
        ledger.refund(allocated(slot.id.len()));
        self.ids_bytes -= allocated(slot.id.len());
        self.oldest = slot.younger;
        match self.oldest {
            NONE => self.youngest = NONE,
            oldest => self.slots[usize::from(oldest)].older = NONE,
        }
        self.slots[usize::from(at)].younger = self.vacant;
        self.vacant = at;
        self.count -= 1;
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Result)> {
        let mut at = self.oldest;
        std::iter::from_fn(move || {
            let slot = (at != NONE).then(|| &self.slots[usize::from(at)])?;
            at = slot.younger;
            Some((&*slot.id, slot.result))
        })
    }

    /// What the ledger should hold for this.
    pub(crate) fn charged_bytes(&self) -> usize {
        let heads = self.heads.as_deref().map_or(0, size_of_val);
        let pending = self.pending.as_ref().map_or(0, |id| allocated(id.len()));
        allocated(heads) + self.slots.charged_bytes() + self.ids_bytes + pending
    }

    /// Checks the module's invariants.
    pub(crate) fn validate(&self, head: u64) -> std::result::Result<(), String> {
        let mut count = 0;
        let mut ids_bytes = 0;
        let mut at = self.oldest;
        while at != NONE {
            let slot = &self.slots[usize::from(at)];
            count += 1;
            ids_bytes += allocated(slot.id.len());
            if slot.younger != NONE {
                let younger = &self.slots[usize::from(slot.younger)];
                if younger.older != at || younger.result.seq <= slot.result.seq {
                    return Err("requests are not queued by their sequence".into());
                }
            }
            if slot.result.seq > head {
                return Err(format!("a request at {} is beyond {head}", slot.result.seq));
            }
            // One that is too old may have come again before it was forgotten.
            let found = self.find(slot.hash, &slot.id, slot.result.aim(), slot.result.at_ms);
            if found.is_none_or(|found| found.seq < slot.result.seq) {
                return Err("a request is not what its id finds".into());
            }
            at = slot.younger;
        }
        if ids_bytes != self.ids_bytes {
            return Err("ids are not charged for what they take".into());
        }
        if count != self.count || count > REQUESTS_MAX {
            return Err(format!("{count} requests are counted as {}", self.count));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::memory::Account;

    #[test]
    fn the_newest_are_remembered_and_every_byte_is_charged() {
        let mut ledger = Ledger::new(Arc::new(Account::new(4 << 20, 0)));
        let mut recent = Recent::default();
        let mut all = HashMap::new();
        for seq in 1..=3 * REQUESTS_MAX as u64 {
            let id = vec![(seq % 251) as u8; 1 + (seq as usize * 7 % ID_BYTES_MAX)];
            let id = [&id[..], &seq.to_le_bytes()[..]].concat();
            let result = Result {
                key_mark: seq / 2,
                seq,
                number: seq.is_multiple_of(2).then_some(seq as i64),
                at_ms: seq / 4,
            };
            let hash = seq % 3000;
            assert!(recent.ready(id.len(), result.at_ms, &mut ledger));
            recent.remember(hash, &id, result);
            all.insert(id, (hash, result));
            if seq % 1000 == 0 {
                assert_eq!(ledger.held_bytes(), recent.charged_bytes());
            }
        }
        let newest = 3 * REQUESTS_MAX as u64;
        for (id, (hash, result)) in all {
            let is_kept = result.seq + REQUESTS_MAX as u64 > newest;
            let (aim, at_ms) = (result.aim(), result.at_ms);
            let find = |aim, now_ms| recent.find(hash, &id, aim, now_ms);
            assert_eq!(find(aim, at_ms), is_kept.then_some(result));
            assert_eq!(find(aim, at_ms + KEPT_MS), None);
            let key_mark = aim.key_mark + 1;
            assert_eq!(find(Aim { key_mark, ..aim }, at_ms), None);
            let is_incr = !aim.is_incr;
            assert_eq!(find(Aim { is_incr, ..aim }, at_ms), None);
        }
    }

    #[test]
    fn what_is_too_old_leaves_as_others_come() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 20, 0)));
        let mut recent = Recent::default();
        let mut remember = |seq: u64, at_ms| {
            assert!(recent.ready(8, at_ms, &mut ledger));
            let result = Result {
                key_mark: 7,
                seq,
                number: None,
                at_ms,
            };
            recent.remember(seq, &seq.to_le_bytes(), result);
            recent.validate(seq).unwrap();
            recent.count
        };
        for seq in 1..=100 {
            remember(seq, seq);
        }
        assert_eq!(remember(101, KEPT_MS + 100), 99);
    }

    #[test]
    fn marks_of_keys_never_change() {
        assert_eq!(key_mark(b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(key_mark(b"foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn one_id_is_a_request_for_each_key_and_kind() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 20, 0)));
        let mut recent = Recent::default();
        let mut seq = 0;
        let aims = [(b"a", false), (b"b", false), (b"a", true)].map(|(key, is_incr)| {
            seq += 1;
            assert!(recent.ready(2, 0, &mut ledger));
            let aim = Aim::new(key, is_incr);
            let result = Result {
                key_mark: aim.key_mark,
                seq,
                number: is_incr.then_some(5),
                at_ms: 0,
            };
            recent.remember(9, b"id", result);
            recent.validate(seq).unwrap();
            (aim, result)
        });
        for (aim, result) in aims {
            assert_eq!(recent.find(9, b"id", aim, 0), Some(result));
        }
        assert_eq!(recent.find(9, b"id", Aim::new(b"b", true), 0), None);
    }
}
