//! The log: the newest operations of a partition, encoded, in order.
//!
//! It lies in chunks, so that appending never copies what is there and the oldest are
//! dropped whole; at its limit it goes round in the memory that it has. Everything is
//! charged to the partition's ledger. A log never refuses a write: at its limit, and where
//! there is no memory for another chunk, its oldest go, and whoever had not read them needs
//! a snapshot.
//!
//! Invariants: it tells every numbered operation after `begins_after` and up to `to_seq`;
//! chunks have numbers that only rise, so that a place in it is known to be gone; it holds
//! at most its limit and one record more.

use std::collections::VecDeque;

use super::record::Record;
use super::wire::Reader;
use crate::memory::{Ledger, allocated};

const CHUNK_BYTES_MIN: usize = 512;
const CHUNK_BYTES_MAX: usize = 32 << 10;
/// A chunk is at most this part of the limit, and not larger than what there is by much.
const CHUNK_PART: usize = 8;
const GROWTH_PART: usize = 4;
/// What comes from memory at once.
const LINE_BYTES: usize = 64;
/// The processor follows a long run that it has seen begin.
const LINES_MAX: usize = 20;

#[derive(Debug, Default)]
struct Chunk {
    /// Its capacity is charged; it never grows.
    bytes: Vec<u8>,
    /// The last numbered operation before it.
    before_seq: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    /// The newest, which is appended to. Without capacity: there is none, and no full one.
    open: Chunk,
    to_seq: u64,
    /// No other log of this engine has it.
    pub(super) birth: u64,
    /// Those before it, the oldest first.
    full: VecDeque<Chunk>,
    /// Of the first chunk, or of the one that comes next.
    first_number: u64,
    chunks_bytes: usize,
    limit_bytes: usize,
    /// Memory was short: it would be longer otherwise.
    is_starved: bool,
    /// Charged, for the next chunk.
    spare: Option<Vec<u8>>,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    number: u64,
    offset: usize,
    /// The last numbered operation before it.
    pub(super) seq: u64,
}

/// What follows a place in its chunk. Nothing: the place is at the end of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) bytes: &'a [u8],
    /// The last numbered operation in it, or before it.
    pub(super) to_seq: u64,
}

impl Log {
    /// Of a partition that has come to `head`: what comes next is told.
    pub(super) fn new(birth: u64, head: u64, limit_bytes: usize) -> Log {
        Log {
            open: Chunk::default(),
            to_seq: head,
            birth,
            full: VecDeque::new(),
            first_number: 0,
            chunks_bytes: 0,
            limit_bytes,
            is_starved: false,
            spare: None,
        }
    }

    pub(super) fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
    }

    pub(super) fn begins_after(&self) -> u64 {
        self.chunk(0).map_or(self.to_seq, |chunk| chunk.before_seq)
    }

    fn has_chunks(&self) -> bool {
        self.open.bytes.capacity() > 0
    }

    fn count(&self) -> usize {
        self.full.len() + usize::from(self.has_chunks())
    }

    fn chunk(&self, at: usize) -> Option<&Chunk> {
        let is_open = at == self.full.len() && self.has_chunks();
        self.full.get(at).or(is_open.then_some(&self.open))
    }

    /// `seq`: of a numbered record.
    #[inline]
    pub(super) fn append(&mut self, record: &Record<'_>, seq: Option<u64>, ledger: &mut Ledger) {
        let size = record.bytes();
        let room = self.open.bytes.capacity() - self.open.bytes.len();
        if room >= size || self.add_chunk(size, ledger) {
            record.write(&mut self.open.bytes);
        }
        self.to_seq = seq.unwrap_or(self.to_seq);
    }

    /// A record of about so many bytes comes soon. Nobody has touched the memory that it
    /// goes to for long: asked for now, it comes while the entry is looked for.
    #[inline]
    pub(crate) fn await_append(&mut self, bytes: usize) {
        let free = self.open.bytes.spare_capacity_mut();
        let lines = free.iter_mut().step_by(LINE_BYTES);
        for byte in lines.take(bytes.div_ceil(LINE_BYTES).min(LINES_MAX)) {
            byte.write(0);
        }
    }

    /// False: there is no memory, and nothing is left in the log.
    #[cold]
    fn add_chunk(&mut self, size: usize, ledger: &mut Ledger) -> bool {
        let wanted = self.chunk_bytes().max(size);
        while self.has_chunks() && self.chunks_bytes + allocated(wanted) > self.limit_bytes {
            let oldest = self.take_oldest();
            // At its limit a log goes round in the memory that it has: a chunk from the
            // allocator for each that is given back costs as much as what is written to it.
            if self.spare.is_none() && oldest.capacity() == wanted {
                self.spare = Some(oldest);
            } else {
                ledger.refund(allocated(oldest.capacity()));
            }
        }
        let bytes = loop {
            if let Some(spare) = self.spare.take() {
                if spare.capacity() >= size {
                    break spare;
                }
                ledger.refund(allocated(spare.capacity()));
            }
            if let Some(bytes) = charged(wanted, ledger) {
                break bytes;
            }
            self.is_starved = true;
            if !self.drop_oldest(ledger) {
                match charged(size.max(CHUNK_BYTES_MIN), ledger) {
                    Some(bytes) => break bytes,
                    None => return false,
                }
            }
        };
        if self.has_chunks() && !self.room_for_one(ledger) {
            ledger.refund(allocated(bytes.capacity()));
            while self.drop_oldest(ledger) {}
            return false;
        }
        self.chunks_bytes += allocated(bytes.capacity());
        let new = Chunk {
            bytes,
            before_seq: self.to_seq,
        };
        let had_chunks = self.has_chunks();
        let before = std::mem::replace(&mut self.open, new);
        if had_chunks {
            self.full.push_back(before);
        }
        true
    }

    fn chunk_bytes(&self) -> usize {
        let most = (self.limit_bytes / CHUNK_PART).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        (self.chunks_bytes / GROWTH_PART).clamp(CHUNK_BYTES_MIN, most)
    }

    fn room_for_one(&mut self, ledger: &mut Ledger) -> bool {
        let old = self.full.capacity();
        if self.full.len() < old {
            return true;
        }
        let new = (2 * old).max(4);
        let size = size_of::<Chunk>();
        if !ledger.try_resize(old * size, new * size) {
            return false;
        }
        self.full.reserve_exact(new - self.full.len());
        debug_assert_eq!(self.full.capacity(), new);
        true
    }

    /// Empty, and still charged. There must be one.
    fn take_oldest(&mut self) -> Vec<u8> {
        debug_assert!(self.has_chunks());
        let oldest = self.full.pop_front();
        let mut bytes = oldest
            .unwrap_or_else(|| std::mem::take(&mut self.open))
            .bytes;
        self.first_number += 1;
        self.chunks_bytes -= allocated(bytes.capacity());
        bytes.clear();
        bytes
    }

    fn drop_oldest(&mut self, ledger: &mut Ledger) -> bool {
        if !self.has_chunks() {
            return false;
        }
        ledger.refund(allocated(self.take_oldest().capacity()));
        true
    }

    /// What a longer log wants next, where memory was short.
    pub(super) fn wants_bytes(&self) -> Option<usize> {
        let wanted = allocated(self.chunk_bytes());
        let is_short = self.is_starved
            && self.spare.is_none()
            && self.chunks_bytes + wanted <= self.limit_bytes;
        is_short.then_some(wanted)
    }

    /// Takes the memory for the chunk that comes next, if there is some.
    pub(super) fn set_aside(&mut self, ledger: &mut Ledger) {
        self.spare = charged(self.chunk_bytes(), ledger);
        self.is_starved = self.spare.is_none();
    }

    /// Where what follows `seq` begins. None: that is not all there any more.
    pub(super) fn seek(&self, seq: u64) -> Option<Place> {
        if seq < self.begins_after() || seq > self.to_seq {
            return None;
        }
        let begun = self.full.partition_point(|chunk| chunk.before_seq < seq);
        let is_open_begun = self.has_chunks() && self.open.before_seq < seq;
        let Some(at) = (begun + usize::from(is_open_begun)).checked_sub(1) else {
            return Some(self.place(0, 0, seq));
        };
        let chunk = self.chunk(at)?;
        let mut reader = Reader::new(&chunk.bytes);
        let mut reached = chunk.before_seq;
        while reached < seq {
            let record = Record::read(&mut reader)?;
            reached += u64::from(record.is_numbered());
        }
        Some(self.place(at, chunk.bytes.len() - reader.len(), seq))
    }

    fn place(&self, at: usize, offset: usize, seq: u64) -> Place {
        Place {
            number: self.first_number + at as u64,
            offset,
            seq,
        }
    }

    /// What follows a place, where that is still here.
    pub(super) fn after(&self, place: &mut Place) -> Option<Run<'_>> {
        if place.number < self.first_number {
            if place.seq != self.begins_after() {
                return None;
            }
            *place = self.place(0, 0, place.seq);
        }
        loop {
            let at = (place.number - self.first_number) as usize;
            let Some(chunk) = self.chunk(at) else {
                // It may be that nothing is left of what it had not read.
                let is_end = place.seq == self.to_seq;
                return is_end.then_some(Run {
                    bytes: &[],
                    to_seq: self.to_seq,
                });
            };
            if place.offset < chunk.bytes.len() || at + 1 == self.count() {
                let next = self.chunk(at + 1);
                return Some(Run {
                    bytes: chunk.bytes.get(place.offset..)?,
                    to_seq: next.map_or(self.to_seq, |next| next.before_seq),
                });
            }
            place.number += 1;
            place.offset = 0;
        }
    }

    /// Goes on from elsewhere: all that it holds is gone.
    pub(super) fn begin_anew(&mut self, head: u64, ledger: &mut Ledger) {
        while self.drop_oldest(ledger) {}
        self.to_seq = head;
    }

    /// Gives back what it holds, before it is dropped.
    pub(super) fn clear(&mut self, ledger: &mut Ledger) {
        ledger.refund(self.charged_bytes());
        self.open = Chunk::default();
        self.full = VecDeque::new();
        self.spare = None;
        self.chunks_bytes = 0;
    }

    /// What the ledger should hold for this log.
    pub(crate) fn charged_bytes(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Vec::capacity);
        let table = allocated(self.full.capacity() * size_of::<Chunk>());
        self.chunks_bytes + allocated(spare) + table
    }

    /// Checks the module's invariants.
    pub(crate) fn validate(&self, head: u64) -> Result<(), String> {
        if !self.has_chunks() && !self.full.is_empty() {
            return Err("the log has full chunks and no open one".into());
        }
        let mut seq = self.begins_after();
        let mut bytes = 0;
        for chunk in (0..self.count()).filter_map(|at| self.chunk(at)) {
            if chunk.before_seq != seq {
                return Err(format!(
                    "a chunk of the log begins after {}, not {seq}",
                    chunk.before_seq
                ));
            }
            bytes += allocated(chunk.bytes.capacity());
            let mut reader = Reader::new(&chunk.bytes);
            while !reader.is_empty() {
                let record = Record::read(&mut reader).ok_or("the log holds what is no record")?;
                seq += u64::from(record.is_numbered());
            }
        }
        if bytes != self.chunks_bytes {
            return Err(format!(
                "{bytes} bytes of the log are counted as {}",
                self.chunks_bytes
            ));
        }
        if seq != self.to_seq || seq != head {
            return Err(format!(
                "the log tells up to {seq}, says {}, and the head is {head}",
                self.to_seq
            ));
        }
        Ok(())
    }
}

impl Place {
    pub(super) fn pass(&mut self, bytes: usize, numbered: u64) {
        self.offset += bytes;
        self.seq += numbered;
    }
}

fn charged(bytes: usize, ledger: &mut Ledger) -> Option<Vec<u8>> {
    ledger.try_charge(allocated(bytes)).then(|| {
        let empty = Vec::with_capacity(bytes);
        debug_assert_eq!(empty.capacity(), bytes);
        empty
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Account;

    const LIMIT_BYTES: usize = 64 << 10;

    fn put(log: &mut Log, ledger: &mut Ledger, key_bytes: usize) {
        let key = [b'k'; 1000];
        let record = Record::Delete {
            key: &key[..key_bytes],
        };
        log.append(&record, Some(log.to_seq + 1), ledger);
    }

    #[test]
    fn at_its_limit_it_keeps_the_newest_that_fit_and_holds_what_it_is_charged() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 20, 0)));
        let mut log = Log::new(1, 0, LIMIT_BYTES);
        for turn in 0..20 * LIMIT_BYTES / 1000 {
            put(&mut log, &mut ledger, 1000);
            log.validate(log.to_seq).unwrap();
            assert_eq!(ledger.held_bytes(), log.charged_bytes());
            assert!(log.chunks_bytes <= LIMIT_BYTES);
            let kept = log.to_seq - log.begins_after();
            let is_full = turn * 1000 > LIMIT_BYTES;
            assert!(!is_full || kept * 1000 > LIMIT_BYTES as u64 / 2, "{kept}");
        }
        log.clear(&mut ledger);
        assert_eq!(ledger.held_bytes(), 0);
    }

    #[test]
    fn a_run_says_what_its_records_say() {
        let mut ledger = Ledger::new(Arc::new(Account::new(1 << 20, 0)));
        let mut log = Log::new(1, 7, LIMIT_BYTES);
        let mut place = log.seek(7).unwrap();
        for turn in 1..400 {
            for at in 0..turn % 9 {
                put(&mut log, &mut ledger, 1 + (turn * 37 + at) % 900);
                let removed = Record::Removed { key: b"key" };
                log.append(&removed, None, &mut ledger);
            }
            loop {
                let run = log.after(&mut place).expect("it reads along");
                let mut reader = Reader::new(run.bytes);
                let mut seq = place.seq;
                while !reader.is_empty() {
                    seq += u64::from(Record::read(&mut reader).unwrap().is_numbered());
                }
                assert_eq!(seq, run.to_seq);
                if run.bytes.is_empty() {
                    break;
                }
                place.pass(run.bytes.len(), run.to_seq - place.seq);
            }
            assert_eq!(place.seq, log.to_seq);
        }
    }
}
