//! Turns: each partition with news sends a piece of its log, until the message is full.

use shoal_engine::{Engine, Join, Now, Position, ReadError};
use shoal_protos::replication::v1::FollowRefusal;

use crate::hub::{Coming, Joined, Tally};
use crate::source::Source;
use crate::source::draft::Draft;
use crate::source::wanted::{Stage, Wanted};

/// What one partition may send before others have their turn.
const TURN_BYTES: usize = 32 << 10;

/// What a turn came to.
enum Turn {
    /// There is nothing more to send.
    Over,
    /// There is more.
    More,
    /// A snapshot is needed.
    Due,
    /// The partition is not served here under the epoch of the want any more.
    Unserved,
}

impl Source {
    pub(super) fn take_turns(
        &mut self,
        engine: &Engine,
        now: Now,
        budget_bytes: usize,
        draft: &mut Draft<'_>,
    ) {
        let mut left = budget_bytes.saturating_sub(draft.bytes());
        while left > 0
            && let Some(partition) = self.turns.pop_front()
        {
            let Some(mut wanted) = self.wanted.take(partition) else {
                continue;
            };
            let before = draft.bytes();
            let batch_count = draft.batch_count();
            let turn = self.turn(engine, now, partition, &mut wanted, left, draft);
            left = left.saturating_sub((draft.bytes() - before).max(1));
            wanted.has_turn = matches!(turn, Turn::More);
            match turn {
                Turn::Over => {}
                Turn::More => self.turns.push_back(partition),
                // Who has nothing goes first: it may have dropped what it had for this.
                Turn::Due if wanted.is_empty() => self.due.push_front(partition),
                Turn::Due => self.due.push_back(partition),
                Turn::Unserved => {
                    let reason = FollowRefusal::Again;
                    draft.refuse(wanted.refused(partition, reason));
                    self.hub.detach(partition, self.stream.id, false);
                    self.end_snapshot(partition);
                    continue;
                }
            }
            let is_taken = !matches!(wanted.stage, Stage::Asked { .. });
            if is_taken && !std::mem::replace(&mut wanted.is_answered, true) {
                // There may be no news for long: say that the want was taken.
                if draft.batch_count() == batch_count {
                    draft.close(&wanted.batch(partition));
                }
            }
            self.wanted.put(partition, wanted);
        }
    }

    fn turn(
        &mut self,
        engine: &Engine,
        now: Now,
        partition: u32,
        wanted: &mut Wanted,
        left: usize,
        draft: &mut Draft<'_>,
    ) -> Turn {
        let served = self.hub.epoch(partition);
        if let Stage::Asked {
            position,
            is_refused,
        } = &mut wanted.stage
        {
            let Some(epoch) = served.filter(|&epoch| epoch >= wanted.epoch) else {
                // Kept: it is answered once the partition is served.
                if !std::mem::replace(is_refused, true) {
                    let reason = FollowRefusal::NotServed;
                    draft.refuse(wanted.refused(partition, reason));
                }
                return Turn::Over;
            };
            let position = *position;
            wanted.epoch = epoch;
            if let Some(turn) = self.join(engine, now, partition, wanted, position) {
                return turn;
            }
        }
        if served != Some(wanted.epoch) {
            return Turn::Unserved;
        }
        let is_joined = matches!(wanted.stage, Stage::Log(_) | Stage::Snapshot { .. });
        if is_joined && !self.hub.carries(partition, &wanted.copy, self.stream.id) {
            return Turn::Unserved;
        }
        let Stage::Log(cursor) = &mut wanted.stage else {
            return Turn::Over;
        };
        self.hub.listen(partition);
        let budget = left.min(TURN_BYTES);
        let read = engine.read_log(partition, cursor, budget, now, draft.data());
        // The epoch may have ended while the log was read; then it was another's log.
        if self.hub.epoch(partition) != Some(wanted.epoch) {
            draft.discard();
            return Turn::Unserved;
        }
        match read {
            Ok(sent) => {
                let hub = &self.hub;
                hub.observe(partition, &wanted.copy, sent.head_seq, now);
                let bytes = draft.open_bytes();
                if bytes > 0 {
                    Tally::add(&hub.tally.log_batches, 1);
                    Tally::add(&hub.tally.log_bytes, bytes);
                    draft.close(&wanted.batch(partition));
                }
                if sent.is_all { Turn::Over } else { Turn::More }
            }
            Err(ReadError::Truncated) => {
                draft.discard();
                self.hub.leave(partition, self.stream.id);
                wanted.stage = Stage::Due { is_empty: false };
                Turn::Due
            }
            Err(ReadError::NotOpen) => {
                draft.discard();
                Turn::Unserved
            }
        }
    }

    /// Answers a want, as of now. None: it goes on from the log.
    fn join(
        &mut self,
        engine: &Engine,
        now: Now,
        partition: u32,
        wanted: &mut Wanted,
        position: Position,
    ) -> Option<Turn> {
        let Ok(join) = engine.join(partition, position) else {
            return Some(Turn::Unserved);
        };
        let Join::Log(cursor) = join else {
            let is_empty = position == Position::default();
            wanted.stage = Stage::Due { is_empty };
            return Some(Turn::Due);
        };
        wanted.stage = Stage::Log(cursor);
        let joined = Joined::Established(position);
        if self.enter(engine, now, partition, wanted, joined) {
            return None;
        }
        Some(Turn::Unserved)
    }

    /// Tells the hub how the copy follows.
    pub(super) fn enter(
        &self,
        engine: &Engine,
        now: Now,
        partition: u32,
        wanted: &Wanted,
        joined: Joined,
    ) -> bool {
        let coming = Coming {
            epoch: wanted.epoch,
            copy: &wanted.copy,
            stream: self.stream.id,
            joined,
        };
        self.hub.join(engine, partition, &coming, now)
    }
}
