//! The log: the newest operations of a partition, encoded, in order.
//!
//! It lies in chunks, so that appending never copies what is there and the oldest are
//! dropped whole. Everything is charged to the partition's ledger. A log never refuses a
//! write: at its limit, and where there is no memory for another chunk, its oldest go, and
//! whoever had not read them needs a snapshot.
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

#[derive(Debug)]
struct Chunk {
    /// Its capacity is charged; it never grows.
    bytes: Vec<u8>,
    /// The last numbered operation before it.
    before_seq: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    /// No other log of this engine has it.
    pub(super) birth: u64,
    chunks: VecDeque<Chunk>,
    /// Of the first chunk, or of the one that comes next.
    first_number: u64,
    to_seq: u64,
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

impl Log {
    /// Of a partition that has come to `head`: what comes next is told.
    pub(super) fn new(birth: u64, head: u64, limit_bytes: usize) -> Log {
        Log {
            birth,
            chunks: VecDeque::new(),
            first_number: 0,
            to_seq: head,
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
        self.chunks
            .front()
            .map_or(self.to_seq, |chunk| chunk.before_seq)
    }

    /// `seq`: of a numbered record.
    pub(super) fn append(&mut self, record: &Record<'_>, seq: Option<u64>, ledger: &mut Ledger) {
        let size = record.bytes();
        let has_room = |chunk: &Chunk| chunk.bytes.capacity() - chunk.bytes.len() >= size;
        if !self.chunks.back().is_some_and(has_room) && !self.add_chunk(size, ledger) {
            self.to_seq = seq.unwrap_or(self.to_seq);
            return;
        }
        let chunk = self.chunks.back_mut().expect("one was added");
        record.write(&mut chunk.bytes);
        self.to_seq = seq.unwrap_or(self.to_seq);
    }

    /// False: there is no memory, and nothing is left in the log.
    #[cold]
    fn add_chunk(&mut self, size: usize, ledger: &mut Ledger) -> bool {
        let wanted = self.chunk_bytes().max(size);
        while !self.chunks.is_empty() && self.chunks_bytes + allocated(wanted) > self.limit_bytes {
            self.drop_oldest(ledger);
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
        if !self.room_for_one(ledger) {
            ledger.refund(allocated(bytes.capacity()));
            while self.drop_oldest(ledger) {}
            return false;
        }
        self.chunks_bytes += allocated(bytes.capacity());
        self.chunks.push_back(Chunk {
            bytes,
            before_seq: self.to_seq,
        });
        true
    }

    fn chunk_bytes(&self) -> usize {
        let most = (self.limit_bytes / CHUNK_PART).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        (self.chunks_bytes / GROWTH_PART).clamp(CHUNK_BYTES_MIN, most)
    }

    fn room_for_one(&mut self, ledger: &mut Ledger) -> bool {
        let old = self.chunks.capacity();
        if self.chunks.len() < old {
            return true;
        }
        let new = (2 * old).max(4);
        let size = size_of::<Chunk>();
        if !ledger.try_resize(old * size, new * size) {
            return false;
        }
        self.chunks.reserve_exact(new - self.chunks.len());
        debug_assert_eq!(self.chunks.capacity(), new);
        true
    }

    fn drop_oldest(&mut self, ledger: &mut Ledger) -> bool {
        let Some(oldest) = self.chunks.pop_front() else {
            return false;
        };
        self.first_number += 1;
        let bytes = allocated(oldest.bytes.capacity());
        self.chunks_bytes -= bytes;
        ledger.refund(bytes);
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
        let begun = self.chunks.partition_point(|chunk| chunk.before_seq < seq);
        let Some(at) = begun.checked_sub(1) else {
            return Some(self.place(0, 0, seq));
        };
        let chunk = &self.chunks[at];
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

    /// What follows a place in its chunk, where that is still here. Nothing: it is at the
    /// end of the log.
    pub(super) fn after(&self, place: &mut Place) -> Option<&[u8]> {
        if place.number < self.first_number {
            if place.seq != self.begins_after() {
                return None;
            }
            *place = self.place(0, 0, place.seq);
        }
        loop {
            let at = (place.number - self.first_number) as usize;
            let Some(chunk) = self.chunks.get(at) else {
                // It may be that nothing is left of what it had not read.
                return (place.seq == self.to_seq).then_some(&[]);
            };
            if place.offset < chunk.bytes.len() || at + 1 == self.chunks.len() {
                return chunk.bytes.get(place.offset..);
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
        self.chunks = VecDeque::new();
        self.spare = None;
        self.chunks_bytes = 0;
    }

    /// What the ledger should hold for this log.
    pub(crate) fn charged_bytes(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Vec::capacity);
        let table = allocated(self.chunks.capacity() * size_of::<Chunk>());
        self.chunks_bytes + allocated(spare) + table
    }

    /// Checks the module's invariants.
    pub(crate) fn validate(&self, head: u64) -> Result<(), String> {
        let mut seq = self.begins_after();
        let mut bytes = 0;
        for chunk in &self.chunks {
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
