//! Snapshots: one at a time on a stream, as fast as the node's bucket and the peer allow.

use shoal_engine::{Engine, Join, Now, Position, ReadError};
use shoal_protos::replication::v1::FollowRefusal;

use crate::hub::{Joined, Tally};
use crate::mutants::{self, Mutant};
use crate::source::Source;
use crate::source::draft::Draft;
use crate::source::wanted::{Stage, Wanted};

/// What one read of a snapshot may take.
const CHUNK_BYTES: usize = 64 << 10;

/// What a read came to.
enum Read {
    More,
    Done,
    /// The copy holds a piece of it, and cannot go on.
    Broken,
    Unserved,
}

impl Source {
    /// Goes on with the snapshot, or begins the next one. Returns when to go on, where the
    /// bucket wants a pause; where the peer does, it says itself when it is over.
    pub(super) fn send_snapshot(
        &mut self,
        engine: &Engine,
        now: Now,
        budget_bytes: usize,
        draft: &mut Draft<'_>,
    ) -> Option<u64> {
        let mut left = budget_bytes;
        loop {
            if self.snapshot.is_none() {
                self.begin_snapshot(engine, now, draft);
            }
            let partition = self.snapshot?;
            if left == 0 || !self.may_go_on_with_snapshot() {
                return None;
            }
            if let Err(later) = self.hub.outgoing.lock().ready(now.0) {
                return Some(later);
            }
            let mut wanted = self.wanted.take(partition)?;
            let (read, own_bytes) = self.read(engine, now, partition, &mut wanted, left, draft);
            let bytes = draft.open_bytes();
            left = left.saturating_sub(bytes.max(1));
            // The log in it would go as fast without a snapshot.
            self.hub.outgoing.lock().pay(own_bytes);
            let goes = bytes > 0 && matches!(read, Read::More | Read::Done);
            let is_middle = goes && wanted.begin() && matches!(read, Read::More);
            if goes && !(is_middle && mutants::is(Mutant::SnapshotCutBroken)) {
                Tally::add(&self.hub.tally.snapshot_bytes, bytes);
                self.allowed = self.allowed.map(|allowed| allowed - own_bytes as i64);
                draft.close(&wanted.piece(partition, own_bytes));
            }
            draft.discard();
            match read {
                Read::More => {}
                Read::Done => {
                    Tally::add(&self.hub.tally.snapshots_done, 1);
                    self.snapshot = None;
                    self.hub.restored(partition, &wanted.copy);
                    wanted.go_on_from_the_log();
                    self.give_turn(partition, &mut wanted);
                }
                Read::Broken => {
                    self.hub.leave(partition, self.stream.id);
                    self.snapshot = None;
                    let is_empty = !wanted.begin();
                    wanted.stage = Stage::Due { is_empty };
                    self.due.push_front(partition);
                }
                Read::Unserved => {
                    // Its turn tells the peer.
                    self.snapshot = None;
                    self.give_turn(partition, &mut wanted);
                }
            }
            self.wanted.put(partition, wanted);
        }
    }

    /// The peer takes so many more bytes of snapshots.
    pub(super) fn allow(&mut self, bytes: u64) {
        if let Some(allowed) = &mut self.allowed {
            *allowed = allowed.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Whether a snapshot is on its way that could go on, and not its copy being emptied for
    /// it.
    pub(super) fn may_go_on_with_snapshot(&self) -> bool {
        let wanted = self.snapshot.and_then(|it| self.wanted.get(it));
        wanted.is_some_and(|it| matches!(it.stage, Stage::Snapshot { .. }))
            && self.allowed.is_none_or(|allowed| allowed > 0)
    }

    /// Whether a snapshot could begin that has not.
    pub(super) fn may_begin_snapshot(&self) -> bool {
        self.snapshot.is_none() && self.due.iter().any(|&it| self.may_begin(it))
    }

    /// The partition's place is free for another, if it was its.
    pub(super) fn end_snapshot(&mut self, partition: u32) {
        self.due.retain(|&other| other != partition);
        if self.snapshot == Some(partition) {
            self.snapshot = None;
        }
    }

    fn give_turn(&mut self, partition: u32, wanted: &mut Wanted) {
        if !std::mem::replace(&mut wanted.has_turn, true) {
            self.turns.push_back(partition);
        }
    }

    fn may_begin(&self, partition: u32) -> bool {
        let Some(wanted) = self.wanted.get(partition) else {
            return false;
        };
        wanted.is_empty() || !self.hub.requires(partition, &wanted.copy)
    }

    /// Gives the place to the first that may have it.
    fn begin_snapshot(&mut self, engine: &Engine, now: Now, draft: &mut Draft<'_>) {
        let Some(at) = self.due.iter().position(|&it| self.may_begin(it)) else {
            return;
        };
        let Some(partition) = self.due.remove(at) else {
            return;
        };
        let Some(mut wanted) = self.wanted.take(partition) else {
            return;
        };
        if self.hub.epoch(partition) != Some(wanted.epoch) {
            self.give_turn(partition, &mut wanted);
        } else if wanted.is_empty() {
            self.begin(engine, now, partition, &mut wanted);
        } else {
            Tally::add(&self.hub.tally.discards_asked, 1);
            let reason = FollowRefusal::Discard;
            draft.refuse(wanted.refused(partition, reason));
            wanted.stage = Stage::Emptying;
            self.snapshot = Some(partition);
        }
        self.wanted.put(partition, wanted);
    }

    fn begin(&mut self, engine: &Engine, now: Now, partition: u32, wanted: &mut Wanted) {
        let nothing = Position::default();
        let joined = match engine.join(partition, nothing) {
            Ok(Join::Snapshot(cursor)) => {
                Tally::add(&self.hub.tally.snapshots_begun, 1);
                wanted.stage = Stage::Snapshot {
                    cursor,
                    is_begun: false,
                };
                self.snapshot = Some(partition);
                Joined::Restoring
            }
            Ok(Join::Log(cursor)) => {
                wanted.stage = Stage::Log(cursor);
                Joined::Established(nothing)
            }
            Err(_) => return self.give_turn(partition, wanted),
        };
        if !self.enter(engine, now, partition, wanted, joined) {
            self.snapshot = None;
        }
        if !matches!(wanted.stage, Stage::Snapshot { .. }) || self.snapshot.is_none() {
            self.give_turn(partition, wanted);
        }
    }

    /// What it came to, and the bytes of it that are no log.
    fn read(
        &self,
        engine: &Engine,
        now: Now,
        partition: u32,
        wanted: &mut Wanted,
        left: usize,
        draft: &mut Draft<'_>,
    ) -> (Read, usize) {
        let Stage::Snapshot { cursor, .. } = &mut wanted.stage else {
            return (Read::Unserved, 0);
        };
        let budget = left.min(CHUNK_BYTES);
        let read = engine.read_snapshot(partition, cursor, budget, now, draft.data());
        // The epoch may have ended while it was read; then it was another's data.
        if self.hub.epoch(partition) != Some(wanted.epoch) {
            return (Read::Unserved, draft.open_bytes());
        }
        match read {
            Ok(sent) if sent.is_done => (Read::Done, sent.own_bytes),
            Ok(sent) => (Read::More, sent.own_bytes),
            Err(ReadError::Truncated) => (Read::Broken, 0),
            Err(ReadError::NotOpen) => (Read::Unserved, 0),
        }
    }
}

impl Wanted {
    /// A piece of the snapshot goes; returns whether one went before.
    fn begin(&mut self) -> bool {
        match &mut self.stage {
            Stage::Snapshot { is_begun, .. } => std::mem::replace(is_begun, true),
            _ => false,
        }
    }

    /// The snapshot is at its end.
    fn go_on_from_the_log(&mut self) {
        let nowhere = Stage::Due { is_empty: false };
        self.stage = match std::mem::replace(&mut self.stage, nowhere) {
            Stage::Snapshot { cursor, .. } => Stage::Log(cursor.into_log()),
            other => other,
        };
    }
}
