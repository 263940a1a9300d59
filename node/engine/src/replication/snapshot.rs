//! A snapshot: all entries, a few at a time, in one sequence with the log.
//!
//! Each batch first brings the follower to the partition's head by the log, and only then
//! says what some chains of the index hold. So what it says of a key is newer than all log
//! before it, and older than all log after it. The log does not count against the budget:
//! it would be sent all the same, and if it did, a snapshot would stand still while more is
//! written than the budget lets through.
//!
//! Chains are passed in the order of their hashes' bits, reversed: there a chain is one
//! stretch whatever the size of the index, and growing or shrinking only cuts stretches or
//! joins them. A key's place in that order never changes, so every key that stays for as
//! long as the snapshot takes is passed, at least once; what comes or changes meanwhile is
//! in the log. What has expired, or is void by its tags, is left out.

use super::batch::{self, Kind};
use super::reading::LogCursor;
use super::record::{Record, Stored};
use crate::engine::Engine;
use crate::entry;
use crate::partition::{Partition, is_expired};
use crate::refused::ReadError;
use crate::request::Now;

/// What one call copies at most of the log, and of entries, and one record and one chain
/// more.
const HOLD_BYTES: usize = 64 << 10;
/// Chains that one call passes at most, and entries.
const CHAINS_MAX: usize = 512;
const ENTRIES_MAX: usize = 256;

/// How far a follower has been sent a snapshot.
#[derive(Debug)]
pub struct SnapshotCursor {
    number: u64,
    ordinal: u32,
    log: LogCursor,
    /// Requests up to this one were sent. Those after `requests_upto` are in the log.
    request: u64,
    requests_upto: u64,
    /// None: all requests were sent, or all entries.
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Requests,
    /// The hash, its bits reversed, that comes next.
    Entries(u64),
    Done,
}

/// What a call of [`Engine::read_snapshot`] has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSent {
    /// The log that went with it goes up to this.
    pub upto_seq: u64,
    /// Of the batch, what is no log. Whoever bounds the rate of snapshots counts this: what
    /// is not log waits until there is no more log, so to make log wait is to make it more.
    pub own_bytes: usize,
    /// That was the last batch: what comes next is log.
    pub is_done: bool,
}

impl SnapshotCursor {
    pub(super) fn new(number: u64, log: LogCursor) -> SnapshotCursor {
        SnapshotCursor {
            number,
            ordinal: 0,
            request: 0,
            requests_upto: log.place.seq,
            log,
            stage: Stage::Requests,
        }
    }

    /// What comes after the snapshot, once it is done.
    pub fn into_log(self) -> LogCursor {
        self.log
    }
}

impl Engine {
    /// Appends one batch to `out`: log first, then entries. A call copies as much log as
    /// one hold of the lock allows, 64 KiB; where that is all of it, also entries:
    /// `budget_bytes` of them, passed by one chain at most, and at least one chain.
    pub fn read_snapshot(
        &self,
        partition: u32,
        cursor: &mut SnapshotCursor,
        budget_bytes: usize,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<SnapshotSent, ReadError> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut().ok_or(ReadError::NotOpen)?;
        let begins = out.len();
        let sent = open.read_snapshot(cursor, budget_bytes.min(HOLD_BYTES), now, out);
        if sent.is_err() {
            out.truncate(begins);
        } else {
            let now_ms = open.own_time_ms(now);
            open.lengthen_log(self.log_limit_bytes(), now_ms);
            place.publish(open);
        }
        sent
    }
}

impl Partition {
    fn read_snapshot(
        &mut self,
        cursor: &mut SnapshotCursor,
        budget_bytes: usize,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<SnapshotSent, ReadError> {
        let begins = out.len();
        let mut header = self.header(&cursor.log, now)?;
        header.kind = if cursor.ordinal == 0 {
            Kind::First
        } else {
            Kind::Next
        };
        (header.snapshot, header.ordinal) = (cursor.number, cursor.ordinal);
        header.write(out);
        if header.kind == Kind::First {
            let from = header.from.seq;
            for range in self.lineage.ranges().filter(|range| range.first <= from) {
                let (epoch, first) = (range.epoch, range.first);
                Record::Range { epoch, first }.write(out);
            }
        }
        let log_begins = out.len();
        let is_current = self.copy_log(&mut cursor.log, HOLD_BYTES, out)?;
        let log_bytes = out.len() - log_begins;
        let upto = out.len() + budget_bytes.max(1);
        cursor.ordinal += 1;
        if is_current {
            if cursor.stage == Stage::Requests {
                self.copy_requests(cursor, header.now_ms, upto, out);
            }
            if let Stage::Entries(at) = cursor.stage {
                cursor.stage = self.copy_entries(at, header.now_ms, upto, out);
            }
            if cursor.stage == Stage::Done {
                batch::mark_last(out, begins);
            }
        }
        Ok(SnapshotSent {
            upto_seq: cursor.log.place.seq,
            own_bytes: out.len() - begins - log_bytes,
            is_done: is_current && cursor.stage == Stage::Done,
        })
    }

    fn copy_requests(
        &self,
        cursor: &mut SnapshotCursor,
        now_ms: u64,
        upto: usize,
        out: &mut Vec<u8>,
    ) {
        for (id, came) in self.recent.iter() {
            if came.seq <= cursor.request || came.seq > cursor.requests_upto {
                continue;
            }
            if out.len() >= upto {
                return;
            }
            let record = Record::Request {
                id,
                seq: came.seq,
                age_ms: now_ms.saturating_sub(came.at_ms),
                key_mark: came.key_mark,
                number: came.number,
            };
            record.write(out);
            cursor.request = came.seq;
        }
        cursor.stage = Stage::Entries(0);
    }

    fn copy_entries(&self, at: u64, now_ms: u64, upto: usize, out: &mut Vec<u8>) -> Stage {
        let mut at = at;
        let mut entries = 0;
        for _ in 0..CHAINS_MAX {
            if out.len() >= upto || entries >= ENTRIES_MAX {
                break;
            }
            let (mut link, next) = self.index.chain_in_order(at);
            while let Some(handle) = link.handle() {
                let entry = self.heap.entry(handle);
                link = entry::chain(entry);
                entries += 1;
                if is_expired(entry, now_ms) || self.is_void(handle) {
                    continue;
                }
                let seq = self.heap.sequence(handle);
                let stored = Stored {
                    key: entry::key(entry),
                    value: entry::value(entry),
                    deadline_ms: entry::deadline_ms(entry),
                    extras: entry::extras(entry),
                };
                Record::Entry { seq, stored }.write(out);
            }
            match next {
                Some(next) => at = next,
                None => return Stage::Done,
            }
        }
        Stage::Entries(at)
    }
}
