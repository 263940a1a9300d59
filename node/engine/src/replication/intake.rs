//! The follower's end: a batch becomes part of the copy.
//!
//! A batch is checked whole before anything of it is applied, and must begin where the copy
//! is. It is applied in holds of bounded work ([`mod@crate::work`]); who discards or
//! promotes the copy in between ends it.
//!
//! Deadlines come in the sender's own time, with the sender's now beside them: what is left
//! of them is counted from the follower's now.

use super::SEQUENCE_LIMIT;
use super::batch::{self, Header, Kind};
use super::position::{Position, Role};
use super::recent::{Aim, RequestId, Result as Came};
use super::record::{By, Record, Stored, sum};
use super::wire::Reader;
use crate::engine::Engine;
use crate::entry::{DEADLINE_LIMIT_MS, Draft};
use crate::extras::{Extras, Fresh};
use crate::fairness::MayEvict;
use crate::handle::Handle;
use crate::operations::Stop;
use crate::partition::{Leaves, Partition};
use crate::refused::ApplyError;
use crate::request::Now;
use crate::settings::Eviction;

/// Records that are applied under one hold of the lock.
const HOLD_RECORDS: usize = 64;
/// Bytes of records.
const HOLD_BYTES: usize = 64 << 10;

/// What a batch has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where the copy is now: nothing while a snapshot is on its way into it.
    pub position: Position,
    /// The batch was its snapshot's last.
    pub was_restored: bool,
}

/// Of a snapshot that is on its way into a copy: which batch comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restore {
    epoch: u64,
    snapshot: u64,
    ordinal: u32,
}

/// A batch that is being applied.
struct Intake<'a> {
    header: Header,
    rest: Reader<'a>,
    /// What the copy was when the lock was let go of.
    left: Option<Left>,
    /// There is no memory for the record that comes next: it counts as evicted.
    gives_up: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Left {
    life: u64,
    role: Role,
    sequence: u64,
}

enum Stopped {
    /// Others may have the lock.
    Pauses,
    Short(Stop),
    Error(ApplyError),
}

impl From<ApplyError> for Stopped {
    fn from(error: ApplyError) -> Stopped {
        Stopped::Error(error)
    }
}

impl From<Stop> for Stopped {
    fn from(stop: Stop) -> Stopped {
        Stopped::Short(stop)
    }
}

impl Engine {
    /// Applies a batch that [`Engine::read_log`] or [`Engine::read_snapshot`] of another
    /// node made. Where it is refused at once nothing has changed; where it stopped half
    /// way, [`Engine::position`] says how far it came.
    pub fn apply(&self, partition: u32, batch: &[u8], now: Now) -> Result<Applied, ApplyError> {
        let (header, rest) = batch::read(batch).ok_or(ApplyError::Malformed)?;
        let mut intake = Intake {
            header,
            rest,
            left: None,
            gives_up: false,
        };
        let place = self.place(partition);
        let mut search = self.search(partition);
        loop {
            let mut state = place.state.lock();
            let open = state.open.as_mut().ok_or(ApplyError::NotOpen)?;
            open.leaves_ahead = false;
            let before = intake.rest.len();
            let result = open.take_in(&mut intake, now, search.may_evict());
            place.publish(open);
            let given_up = open.ledger.take_given_up();
            drop(state);
            drop(given_up);
            match result {
                Ok(applied) => return Ok(applied),
                Err(Stopped::Error(error)) => return Err(error),
                Err(Stopped::Pauses) => search = self.search(partition),
                Err(Stopped::Short(Stop::Short { why, bytes })) => {
                    if intake.rest.len() < before {
                        search = self.search(partition);
                    }
                    if !search.find(why, bytes, now) {
                        if self.eviction() == Eviction::None {
                            if let Some(open) = &mut place.state.lock().open {
                                open.tally.memory_full += 1;
                            }
                            return Err(ApplyError::MemoryFull);
                        }
                        intake.gives_up = true;
                    }
                }
                Err(Stopped::Short(Stop::Refused(_))) => return Err(ApplyError::Malformed),
            }
        }
    }
}

impl Partition {
    fn take_in(
        &mut self,
        intake: &mut Intake<'_>,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Applied, Stopped> {
        let now_ms = self.own_time_ms(now);
        match intake.left {
            None => self.begin(&intake.header, &mut intake.rest)?,
            Some(left) if left == self.left() => {}
            Some(_) if self.role == Role::Primary => {
                return Err(ApplyError::NotAFollower.into());
            }
            Some(_) => return Err(ApplyError::Gap.into()),
        }
        let result = self.take_records(intake, now_ms, may_evict);
        intake.left = Some(self.left());
        result?;
        let header = &intake.header;
        if header.kind != Kind::Log {
            self.restore = (!header.is_last).then_some(Restore {
                epoch: header.epoch,
                snapshot: header.snapshot,
                ordinal: header.ordinal.wrapping_add(1),
            });
            if header.is_last {
                self.role = Role::Follower;
            }
        }
        Ok(Applied {
            position: self.position(),
            was_restored: header.is_last,
        })
    }

    fn left(&self) -> Left {
        Left {
            life: self.life,
            role: self.role,
            sequence: self.sequence,
        }
    }

    /// Whether the batch continues what is here.
    fn begin(&mut self, header: &Header, rest: &mut Reader<'_>) -> Result<(), ApplyError> {
        if self.role == Role::Primary {
            return Err(ApplyError::NotAFollower);
        }
        if header.epoch < self.epoch {
            return Err(ApplyError::OldEpoch);
        }
        let is_next = match header.kind {
            Kind::Log => self.role == Role::Follower && header.from == self.position(),
            Kind::First => self.role == Role::Follower && self.sequence == 0 && self.entries == 0,
            Kind::Next => {
                let expected = Restore {
                    epoch: header.epoch,
                    snapshot: header.snapshot,
                    ordinal: header.ordinal,
                };
                let is_next = self.restore == Some(expected);
                is_next && header.from == self.lineage.position(self.sequence)
            }
        };
        if !is_next {
            return Err(ApplyError::Gap);
        }
        if header.kind == Kind::First {
            self.begin_restore(header, rest)?;
        }
        self.epoch = header.epoch;
        Ok(())
    }

    /// The lineage comes first; where it is not what a lineage is, nothing is changed.
    fn begin_restore(&mut self, header: &Header, rest: &mut Reader<'_>) -> Result<(), ApplyError> {
        let head = header.from.seq;
        let mut after = *rest;
        let mut is_sound = true;
        while let Some(Record::Range { epoch, first }) = Record::read(&mut after) {
            *rest = after;
            is_sound &= epoch <= header.epoch && first <= head;
            is_sound = is_sound && self.lineage.begin(epoch, first, &mut self.ledger);
        }
        if !is_sound || self.lineage.is_empty() != (head == 0) {
            self.lineage.cut(0);
            return Err(ApplyError::Malformed);
        }
        self.role = Role::Restoring;
        self.sequence = head;
        if let Some(log) = &mut self.log {
            log.begin_anew(head, &mut self.ledger);
        }
        Ok(())
    }

    fn take_records(
        &mut self,
        intake: &mut Intake<'_>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stopped> {
        let began = intake.rest.len();
        for _ in 0..HOLD_RECORDS {
            if intake.rest.is_empty() {
                return Ok(());
            }
            if !self.work.may_go_on() || began - intake.rest.len() >= HOLD_BYTES {
                break;
            }
            let mut rest = intake.rest;
            let record = Record::read(&mut rest).ok_or(ApplyError::Malformed)?;
            if intake.gives_up {
                self.give_up(&record, now_ms, &intake.header)?;
                intake.gives_up = false;
            } else {
                self.take_record(&record, now_ms, &intake.header, may_evict)?;
            }
            intake.rest = rest;
        }
        if intake.rest.is_empty() {
            return Ok(());
        }
        Err(Stopped::Pauses)
    }

    fn take_record(
        &mut self,
        record: &Record<'_>,
        now_ms: u64,
        header: &Header,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stopped> {
        if record.is_numbered() {
            self.may_number()?;
        }
        match *record {
            Record::Put { stored, by } => {
                let request = by.map(|by| request(&by, &stored));
                if let Some((id, _)) = request {
                    self.ready_request(id, now_ms, may_evict)?;
                }
                let draft = draft(&stored, self.sequence + 1, now_ms, header);
                self.put(&draft, now_ms, may_evict)?;
                let request = self.new_request(request, stored.key, now_ms);
                self.number_put(&draft, request, now_ms);
            }
            Record::Delete { key } => {
                self.drop_key(key, Leaves::Deleted);
                self.give_back_waste();
                self.number_delete(key);
            }
            Record::Invalidate { tag } => {
                let seq = self.number_invalidation(tag);
                self.note_invalidation(tag, seq);
            }
            Record::Touch { key, deadline_ms } => {
                let deadline_ms = own_deadline_ms(deadline_ms, now_ms, header);
                let hash = self.index.hash(key);
                if let Some(standing) = self.index.find(&self.heap, hash, key) {
                    self.retime(key, standing, deadline_ms, now_ms, may_evict)?;
                }
                self.number_touch(key, deadline_ms);
            }
            Record::Removed { key } => self.drop_key(key, Leaves::Mirrored),
            Record::Epoch { epoch } => {
                self.ready_lineage(now_ms, may_evict)?;
                self.begin_epoch(epoch, header)?;
            }
            Record::Entry { seq, stored } => {
                if seq == 0 || seq > self.sequence {
                    return Err(ApplyError::Malformed.into());
                }
                let draft = draft(&stored, seq, now_ms, header);
                self.put(&draft, now_ms, may_evict)?;
            }
            Record::Request {
                id,
                seq,
                age_ms,
                key_mark,
                number,
            } => {
                if seq == 0 || seq > self.sequence {
                    return Err(ApplyError::Malformed.into());
                }
                let id = RequestId::of(id);
                let came = Came {
                    key_mark,
                    seq,
                    number,
                    at_ms: now_ms.saturating_sub(age_ms),
                };
                if self.came_to(id, came.aim(), now_ms).is_none() {
                    // No operation is two requests.
                    if self.recent.has_sequence(seq) {
                        return Err(ApplyError::Malformed.into());
                    }
                    self.ready_request(id, now_ms, may_evict)?;
                    self.remember(id, came);
                }
            }
            Record::Range { .. } => return Err(ApplyError::Malformed.into()),
        }
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: u64, header: &Header) -> Result<(), ApplyError> {
        let first = self.sequence + 1;
        let rises = epoch <= header.epoch && self.lineage.begin(epoch, first, &mut self.ledger);
        if rises {
            Ok(())
        } else {
            Err(ApplyError::Malformed)
        }
    }

    /// A request that is not remembered yet.
    fn new_request<'a>(
        &self,
        request: Option<(RequestId<'a>, Option<i64>)>,
        key: &[u8],
        now_ms: u64,
    ) -> Option<(RequestId<'a>, Option<i64>)> {
        request.filter(|&(id, number)| {
            let aim = Aim::new(key, number.is_some());
            self.came_to(id, aim, now_ms).is_none()
        })
    }

    /// An operation of an epoch that is known, with a sequence that there is.
    fn may_number(&self) -> Result<(), ApplyError> {
        if self.lineage.is_empty() || self.sequence + 1 >= SEQUENCE_LIMIT {
            return Err(ApplyError::Malformed);
        }
        Ok(())
    }

    /// The record as if what it stored had been evicted at once. What its request came to is
    /// remembered all the same, if there is room for that.
    fn give_up(
        &mut self,
        record: &Record<'_>,
        now_ms: u64,
        header: &Header,
    ) -> Result<(), Stopped> {
        self.tally.memory_full += 1;
        match *record {
            Record::Put { stored, by } => {
                self.may_number()?;
                self.drop_key(stored.key, Leaves::Mirrored);
                let request = by.map(|by| request(&by, &stored));
                let request = self.new_request(request, stored.key, now_ms).filter(|it| {
                    let len = it.0.bytes().len();
                    self.recent.ready(len, now_ms, &mut self.ledger)
                });
                let draft = draft(&stored, self.sequence + 1, now_ms, header);
                self.number_put(&draft, request, now_ms);
            }
            Record::Touch { key, deadline_ms } => {
                self.may_number()?;
                self.drop_key(key, Leaves::Mirrored);
                self.number_touch(key, own_deadline_ms(deadline_ms, now_ms, header));
            }
            Record::Entry { stored, .. } => self.drop_key(stored.key, Leaves::Mirrored),
            Record::Epoch { epoch } => self.begin_epoch(epoch, header)?,
            _ => {}
        }
        Ok(())
    }

    fn put(
        &mut self,
        draft: &Draft<'_>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stopped> {
        let hash = self.index.hash(draft.key);
        let standing = self.index.find(&self.heap, hash, draft.key);
        if let Some(handle) = standing
            && self.heap.fits_over(handle, draft)
        {
            self.overwrite(handle, draft);
        } else {
            self.room_for(draft, now_ms, may_evict)?;
            // Making room may have moved the entry, or evicted it.
            let standing = self.index.find(&self.heap, hash, draft.key);
            self.store(hash, draft, standing);
        }
        self.work.add_entries(1);
        Ok(())
    }

    fn drop_key(&mut self, key: &[u8], why: Leaves) {
        let hash = self.index.hash(key);
        let standing: Option<Handle> = self.index.find(&self.heap, hash, key);
        if let Some(handle) = standing {
            self.remove(handle, hash, why);
        }
    }
}

/// Whose the write was, and the sum that it came to.
fn request<'a>(by: &By<'a>, stored: &Stored<'_>) -> (RequestId<'a>, Option<i64>) {
    let number = by.is_incr.then(|| sum(stored.value)).flatten();
    (RequestId::of(by.id), number)
}

fn draft<'a>(stored: &Stored<'a>, sequence: u64, now_ms: u64, header: &Header) -> Draft<'a> {
    Draft {
        key: stored.key,
        value: stored.value,
        sequence,
        deadline_ms: own_deadline_ms(stored.deadline_ms, now_ms, header),
        extras: Extras {
            fresh: stored.extras.fresh.map(|fresh| Fresh {
                until_ms: own_time_ms(fresh.until_ms, now_ms, header),
                ..fresh
            }),
            ..stored.extras
        },
        body: None,
    }
}

/// A deadline in the sender's time, in the receiver's.
fn own_deadline_ms(deadline_ms: Option<u64>, now_ms: u64, header: &Header) -> Option<u64> {
    Some(own_time_ms(deadline_ms?, now_ms, header))
}

/// A time to come in the sender's time, in the receiver's. What has passed is now.
fn own_time_ms(time_ms: u64, now_ms: u64, header: &Header) -> u64 {
    let left_ms = time_ms.saturating_sub(header.now_ms);
    now_ms.saturating_add(left_ms).min(DEADLINE_LIMIT_MS - 1)
}
