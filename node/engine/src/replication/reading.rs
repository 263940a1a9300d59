//! The primary's end: where a follower begins, and what it is sent of the log.

use super::batch::{Header, Kind};
use super::log::Place;
use super::position::{Position, Role};
use super::record::Record;
use super::snapshot::SnapshotCursor;
use super::wire::Reader;
use crate::engine::Engine;
use crate::partition::Partition;
use crate::refused::{NotOpen, ReadError};
use crate::request::Now;

/// What one call copies at most of the log, and one record more.
const HOLD_BYTES: usize = 256 << 10;

/// How a follower is brought up to date.
#[derive(Debug)]
pub enum Join {
    /// It goes on from where it is.
    Log(LogCursor),
    /// It begins from nothing.
    Snapshot(SnapshotCursor),
}

/// How far a follower has been sent a partition's log.
#[derive(Debug)]
pub struct LogCursor {
    pub(super) birth: u64,
    pub(super) place: Place,
}

/// What a call of [`Engine::read_log`] has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The follower has all up to this once it applied the batch.
    pub upto_seq: u64,
    /// The newest there is.
    pub head_seq: u64,
    /// There is no more for now.
    pub is_all: bool,
}

impl Engine {
    /// How a follower at this position is brought up to date. From here on the partition
    /// keeps a log. Refused too where it is not primary.
    pub fn join(&self, partition: u32, at: Position) -> Result<Join, NotOpen> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut().ok_or(NotOpen)?;
        if open.role != Role::Primary {
            return Err(NotOpen);
        }
        self.begin_log(open);
        let log = open.log.as_ref().expect("it was begun");
        let birth = log.birth;
        let is_known = open.lineage.holds(at, open.sequence);
        let found = log.seek(at.seq).filter(|_| is_known);
        let join = match found {
            Some(place) => Join::Log(LogCursor { birth, place }),
            None => {
                let place = log.seek(open.sequence).expect("a log tells of its end");
                let log = LogCursor { birth, place };
                Join::Snapshot(SnapshotCursor::new(self.birth(), log))
            }
        };
        place.publish(open);
        Ok(join)
    }

    /// Appends one batch of what comes next to `out`, or nothing where there is no news.
    /// `budget_bytes` is passed by one record at most.
    pub fn read_log(
        &self,
        partition: u32,
        cursor: &mut LogCursor,
        budget_bytes: usize,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<Sent, ReadError> {
        let mut state = self.place(partition).state.lock();
        let open = state.open.as_mut().ok_or(ReadError::NotOpen)?;
        let header = open.header(cursor, now)?;
        let begins = out.len();
        header.write(out);
        let after_header = out.len();
        let budget_bytes = budget_bytes.min(HOLD_BYTES);
        let is_all = open.copy_log(cursor, budget_bytes, out)?;
        if out.len() == after_header {
            out.truncate(begins);
        }
        Ok(Sent {
            upto_seq: cursor.place.seq,
            head_seq: open.sequence,
            is_all,
        })
    }
}

impl Partition {
    /// Of a batch of log that begins where the cursor is.
    pub(super) fn header(&mut self, cursor: &LogCursor, now: Now) -> Result<Header, ReadError> {
        if self.role != Role::Primary {
            return Err(ReadError::NotOpen);
        }
        Ok(Header {
            kind: Kind::Log,
            is_last: false,
            epoch: self.epoch,
            now_ms: self.own_time_ms(now),
            from: self.lineage.position(cursor.place.seq),
            snapshot: 0,
            ordinal: 0,
        })
    }

    /// Copies records until the budget is used up; whether there are no more.
    pub(super) fn copy_log(
        &self,
        cursor: &mut LogCursor,
        budget_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, ReadError> {
        let log = self.log.as_ref().ok_or(ReadError::Truncated)?;
        if log.birth != cursor.birth {
            return Err(ReadError::Truncated);
        }
        let begins = out.len();
        let mut next = self.lineage.first_after(cursor.place.seq);
        loop {
            let run = log.after(&mut cursor.place).ok_or(ReadError::Truncated)?;
            let bytes = run.bytes;
            if bytes.is_empty() {
                return Ok(true);
            }
            let is_of_one_epoch = next.is_none_or(|range| range.first > run.to_seq);
            if is_of_one_epoch && out.len() - begins + bytes.len() <= budget_bytes {
                // No record of it needs to be looked at.
                out.extend_from_slice(bytes);
                let numbered = run.to_seq - cursor.place.seq;
                cursor.place.pass(bytes.len(), numbered);
                continue;
            }
            let mut reader = Reader::new(bytes);
            let mut copied = 0;
            while !reader.is_empty() {
                let is_full = out.len() - begins + (bytes.len() - reader.len() - copied)
                    >= budget_bytes.max(1);
                if is_full {
                    out.extend_from_slice(&bytes[copied..bytes.len() - reader.len()]);
                    return Ok(false);
                }
                let before = reader.len();
                let record = Record::read(&mut reader).expect("the log holds records");
                let numbered = u64::from(record.is_numbered());
                let seq = cursor.place.seq + numbered;
                if numbered == 1
                    && let Some(range) = next.filter(|range| range.first == seq)
                {
                    let at = bytes.len() - before;
                    out.extend_from_slice(&bytes[copied..at]);
                    copied = at;
                    let epoch = range.epoch;
                    Record::Epoch { epoch }.write(out);
                    next = self.lineage.first_after(seq);
                }
                cursor.place.pass(before - reader.len(), numbered);
            }
            out.extend_from_slice(&bytes[copied..]);
        }
    }

    /// Where a longer log was wanted and memory was short: lets entries go for it.
    pub(crate) fn lengthen_log(&mut self, limit_bytes: usize, now_ms: u64) {
        let Some(log) = &mut self.log else {
            return;
        };
        log.set_limit(limit_bytes);
        let Some(wanted) = log.wants_bytes() else {
            return;
        };
        self.shed(wanted, crate::eviction::ANYBODY, now_ms);
        if let Some(log) = &mut self.log {
            log.set_aside(&mut self.ledger);
        }
    }
}
