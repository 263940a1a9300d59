//! The table of one partition: by which operation each tag was invalidated last.

use super::Pass;
use crate::memory::{Ledger, allocated, table_bytes};

/// Tags of one partition that are remembered at a time.
pub(crate) const RECORDS_MAX: usize = 1024;
const HEADS: usize = 256;
const NONE: u16 = u16::MAX;

#[derive(Debug)]
struct Record {
    hash: u64,
    seq: u64,
    tag: Box<[u8]>,
    /// The next with the same head.
    chain: u16,
}

/// Empty by default, and then it allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Invalidations {
    heads: Option<Box<[u16; HEADS]>>,
    records: Vec<Record>,
    /// Of all tags, as they are charged.
    tags_bytes: usize,
    /// Every tag counts as invalidated by this operation.
    floor: u64,
    /// The newest invalidation that was noted.
    pub(super) newest: u64,
    /// Nothing is left here that an invalidation up to this one made void.
    pub(super) swept: u64,
    pub(super) pass: Option<Pass>,
    /// Entries of the partition that carry tags, void or not.
    pub(crate) entries: usize,
}

impl Invalidations {
    /// Whether nothing is invalid.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.newest == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The operation that invalidated the tag last, as far as that matters. 0: none.
    #[inline]
    pub(super) fn last(&self, hash: u64, tag: &[u8]) -> u64 {
        let record = self.find(hash, tag).map_or(0, |at| self.records[at].seq);
        record.max(self.floor)
    }

    /// Notes that this operation, the newest, invalidates the tag.
    pub(super) fn note(&mut self, hash: u64, tag: &[u8], seq: u64, ledger: &mut Ledger) {
        self.newest = seq;
        if let Some(at) = self.find(hash, tag) {
            self.records[at].seq = seq;
            return;
        }
        if self.records.len() == RECORDS_MAX {
            self.raise_floor(ledger);
        }
        if !self.add(hash, tag, seq, ledger) {
            self.floor = seq;
            self.forget(seq, ledger);
        }
    }

    /// Forgets the older half, as if every tag had been invalidated with them.
    #[cold]
    fn raise_floor(&mut self, ledger: &mut Ledger) {
        let mut seqs: Vec<u64> = self.records.iter().map(|record| record.seq).collect();
        let half = seqs.len() / 2;
        let (_, &mut floor, _) = seqs.select_nth_unstable(half);
        self.floor = self.floor.max(floor);
        self.forget(floor, ledger);
    }

    /// Forgets what is not younger than this.
    pub(super) fn forget(&mut self, upto: u64, ledger: &mut Ledger) {
        if self.records.iter().all(|record| record.seq > upto) {
            return;
        }
        let before = self.tags_bytes;
        let tags_bytes = &mut self.tags_bytes;
        self.records.retain(|record| {
            let stays = record.seq > upto;
            if !stays {
                *tags_bytes -= allocated(record.tag.len());
            }
            stays
        });
        ledger.refund(before - self.tags_bytes);
        if self.records.is_empty() {
            ledger.refund(table_bytes(&self.records) + self.heads_bytes());
            (self.records, self.heads) = (Vec::new(), None);
            return;
        }
        let heads = self.heads.as_mut().expect("there are records");
        heads.fill(NONE);
        for (at, record) in self.records.iter_mut().enumerate() {
            let head = &mut heads[record.hash as usize % HEADS];
            record.chain = std::mem::replace(head, at as u16);
        }
    }

    /// False: there is no memory for it.
    fn add(&mut self, hash: u64, tag: &[u8], seq: u64, ledger: &mut Ledger) -> bool {
        if self.heads.is_none() {
            if !ledger.try_charge(allocated(size_of::<[u16; HEADS]>())) {
                return false;
            }
            self.heads = Some(Box::new([NONE; HEADS]));
        }
        let fits =
            ledger.room_for_one(&mut self.records) && ledger.try_charge(allocated(tag.len()));
        if !fits {
            self.give_back_if_empty(ledger);
            return false;
        }
        self.tags_bytes += allocated(tag.len());
        let heads = self.heads.as_mut().expect("there is one");
        let head = &mut heads[hash as usize % HEADS];
        let chain = std::mem::replace(head, self.records.len() as u16);
        self.records.push(Record {
            hash,
            seq,
            tag: tag.into(),
            chain,
        });
        true
    }

    fn give_back_if_empty(&mut self, ledger: &mut Ledger) {
        if self.records.is_empty() {
            ledger.refund(self.charged_bytes());
            (self.records, self.heads) = (Vec::new(), None);
        }
    }

    #[inline]
    fn find(&self, hash: u64, tag: &[u8]) -> Option<usize> {
        let mut at = self.heads.as_ref()?[hash as usize % HEADS];
        while at != NONE {
            let record = &self.records[usize::from(at)];
            if record.hash == hash && *record.tag == *tag {
                return Some(at.into());
            }
            at = record.chain;
        }
        None
    }

    fn heads_bytes(&self) -> usize {
        let heads = self.heads.as_ref();
        heads.map_or(0, |heads| allocated(size_of_val(&**heads)))
    }

    /// What the ledger should hold for it.
    pub(crate) fn charged_bytes(&self) -> usize {
        self.heads_bytes() + table_bytes(&self.records) + self.tags_bytes
    }

    /// Checks the module's invariants. `sequence` is the partition's.
    pub(super) fn validate(&self, sequence: u64) -> Result<(), String> {
        if self.records.len() > RECORDS_MAX || self.floor > self.newest || self.newest > sequence {
            return Err(format!(
                "{} tags are invalid, up to {} and all before {}, at {sequence}",
                self.records.len(),
                self.newest,
                self.floor
            ));
        }
        let tags_bytes: usize = self.records.iter().map(|it| allocated(it.tag.len())).sum();
        if tags_bytes != self.tags_bytes {
            return Err(format!(
                "{tags_bytes} bytes of tags are counted as {}",
                self.tags_bytes
            ));
        }
        for (at, record) in self.records.iter().enumerate() {
            if self.find(record.hash, &record.tag) != Some(at) {
                return Err(format!("tag {at} is not what it finds"));
            }
            if record.seq <= self.floor || record.seq > self.newest {
                return Err(format!("tag {at} is not between the floor and the newest"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::index::Keyed;
    use crate::memory::Account;
    use proptest::prelude::*;

    fn ledger(bytes: usize) -> Ledger {
        Ledger::new(Arc::new(Account::new(bytes, 0)))
    }

    #[test]
    fn a_full_table_forgets_its_older_half_and_calls_all_before_it_invalid() {
        let (mut ledger, keyed) = (ledger(1 << 20), Keyed::new(1));
        let mut table = Invalidations::default();
        let tag = |seq: u64| seq.to_le_bytes();
        let all = RECORDS_MAX as u64 + 1;
        for seq in 1..=all {
            table.note(keyed.hash(&tag(seq)), &tag(seq), seq, &mut ledger);
        }
        table.validate(all).unwrap();
        assert_eq!(table.len(), RECORDS_MAX / 2);
        let last = |seq| table.last(keyed.hash(&tag(seq)), &tag(seq));
        let floor = RECORDS_MAX as u64 / 2 + 1;
        assert_eq!(
            (last(all), last(floor), last(1), last(all + 1)),
            (all, floor, floor, floor)
        );
    }

    proptest! {
        /// Whatever memory there is, nobody is told of an earlier invalidation than the last.
        #[test]
        fn the_last_invalidation_is_never_forgotten_downwards(
            steps in prop::collection::vec((any::<u8>(), 0..20_u8), 1..400),
            bytes in prop_oneof![Just(0_usize), 0..3000_usize, Just(1 << 20)],
        ) {
            let (mut ledger, keyed) = (ledger(bytes), Keyed::new(1));
            let mut table = Invalidations::default();
            let mut known = BTreeMap::new();
            for (number, &(tag, act)) in steps.iter().enumerate() {
                let seq = number as u64 + 1;
                if act > 0 {
                    table.note(keyed.hash(&[tag]), &[tag], seq, &mut ledger);
                    known.insert(tag, seq);
                } else {
                    // As after a sweep: nobody asks for these any more.
                    let upto = seq.saturating_sub(u64::from(tag));
                    table.forget(upto, &mut ledger);
                    known.retain(|_, seq| *seq > upto);
                }
                table.validate(seq).unwrap();
                prop_assert_eq!(ledger.held_bytes(), table.charged_bytes());
                for (tag, &last) in &known {
                    let told = table.last(keyed.hash(&[*tag]), &[*tag]);
                    prop_assert!(told >= last);
                    prop_assert!(bytes < 1 << 20 || told == last);
                }
            }
        }
    }
}
