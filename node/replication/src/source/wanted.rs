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

/// What the peer wants, by partition. Behind a pointer each: a turn takes its own out while
/// it lasts.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    by_partition: Vec<Option<Box<Wanted>>>,
    count: usize,
}

impl Wants {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, partition: u32) -> Option<&Wanted> {
        self.by_partition.get(partition as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, partition: u32) -> Option<&mut Wanted> {
        self.by_partition
            .get_mut(partition as usize)?
            .as_deref_mut()
    }

    pub(crate) fn take(&mut self, partition: u32) -> Option<Box<Wanted>> {
        let taken = self.by_partition.get_mut(partition as usize)?.take()?;
        self.count -= 1;
        Some(taken)
    }

    /// Nothing must be wanted of the partition. There must be such a partition.
    pub(crate) fn put(&mut self, partition: u32, wanted: Box<Wanted>) {
        let at = partition as usize;
        if self.by_partition.len() <= at {
            self.by_partition.resize_with(at + 1, || None);
        }
        let before = self.by_partition[at].replace(wanted);
        debug_assert!(before.is_none());
        self.count += 1;
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = u32> {
        let places = (0..).zip(&self.by_partition);
        places.filter_map(|(partition, it)| it.is_some().then_some(partition))
    }
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
            snapshot_bytes: 0,
        }
    }

    /// As [`Wanted::batch`], of which so many bytes are a snapshot's.
    pub(crate) fn piece(&self, partition: u32, own_bytes: usize) -> FollowBatch {
        FollowBatch {
            snapshot_bytes: u32::try_from(own_bytes).unwrap_or(u32::MAX),
            ..self.batch(partition)
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
