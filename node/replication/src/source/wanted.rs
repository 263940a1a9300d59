//! One partition that the peer follows, and how far it has got.

use bytes::Bytes;
use shoal_engine::{LogCursor, Position, SnapshotCursor};
use shoal_protos::replication::v1::{FollowBatch, FollowRefusal, FollowRefused};

use crate::copy::Copy;

#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) copy: Copy,
    /// That the peer believes in; once it is answered, that which answers.
    pub(crate) epoch: u64,
    /// Of the want.
    pub(crate) number: u64,
    /// It is in the list of turns.
    pub(crate) has_turn: bool,
    /// The peer knows that its want was taken.
    pub(crate) is_answered: bool,
    pub(crate) stage: Stage,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// Not answered: this node does not serve the partition under that epoch yet.
    Asked {
        position: Position,
        /// The peer was told.
        is_refused: bool,
    },
    /// Goes on from the log.
    Log(LogCursor),
    /// Needs a snapshot, and waits for its turn. What the copy holds must go first, unless
    /// it is empty.
    Due { is_empty: bool },
    /// The peer was asked to drop what it holds. Its next want begins the snapshot.
    Emptying,
    /// The snapshot is on its way.
    Snapshot {
        cursor: SnapshotCursor,
        /// The copy holds a piece of it.
        is_begun: bool,
    },
}

impl Wanted {
    /// It waits for a snapshot, and holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.stage, Stage::Due { is_empty: true })
    }

    /// Without its data.
    pub(crate) fn batch(&self, partition: u32) -> FollowBatch {
        FollowBatch {
            partition,
            epoch: self.epoch,
            number: self.number,
            data: Bytes::new(),
        }
    }

    pub(crate) fn refused(&self, partition: u32, reason: FollowRefusal) -> FollowRefused {
        FollowRefused {
            partition,
            epoch: self.epoch,
            number: self.number,
            reason: reason.into(),
        }
    }
}
