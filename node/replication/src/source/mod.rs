//! The primary's end of one Follow stream, with all partitions that the peer follows.
//!
//! Nothing is queued here. What a follower has not taken lies in the engine's log; when
//! the stream can take a message, [`Source::next`] reads what has come since, of each
//! partition with news in turn, up to a budget. A follower that takes nothing costs its
//! place in a few lists, and in the end its place in the log: then it starts anew.
//!
//! One snapshot at a time, under the rate of the node's bucket and as far as the peer lets
//! it, beside the logs of the other partitions. A snapshot goes to an empty copy only: one that holds something is
//! first asked to drop it, when its turn has come, and never while it is required.
//!
//! Non-goals: the bytes on the wire, and when the stream can take them (the caller).

mod draft;
mod snapshot;
mod turn;
mod wanted;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use prost::Message;
use shoal_engine::{Engine, Now, Position};
use shoal_protos::replication::v1::{FollowRequest, FollowResponse, FollowWant};

use crate::copy::Copy;
use crate::hub::Hub;
use crate::next::Next;
use crate::source::draft::Draft;
use crate::source::wanted::{Stage, Wanted, Wants};
use crate::stream::Stream;

/// What a message is best filled with, in bytes.
pub const BUDGET_BYTES: usize = 256 << 10;

/// Longest name of a node or a copy.
const NAME_BYTES_MAX: usize = 256;

/// The primary's end of one stream. Dropped, the stream has ended.
#[derive(Debug)]
pub struct Source {
    hub: Arc<Hub>,
    cluster_id: String,
    stream: Arc<Stream>,
    /// Who follows, once it has said so.
    node: Option<Arc<str>>,
    wanted: Wants,
    /// Partitions to look at, each once, in the order of their turns.
    turns: VecDeque<u32>,
    /// Partitions that wait for a snapshot, each once.
    due: VecDeque<u32>,
    /// The partition whose snapshot is on its way, or whose copy is being emptied for it.
    snapshot: Option<u32>,
    /// Bytes of snapshots that the peer takes; below 0, a piece was longer. None: any number.
    allowed: Option<i64>,
    has_more: bool,
}

/// The peer breaks the protocol: end the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// It did not say who it is, or said it twice.
    Hello,
    /// It is a node of another cluster.
    OtherCluster,
    /// It named a partition that there is not, or a name that is too long or missing.
    Name,
}

impl Source {
    /// A stream has come. `cluster_id` is this node's.
    pub fn new(hub: Arc<Hub>, cluster_id: &str) -> Source {
        Source {
            stream: hub.new_stream(),
            hub,
            cluster_id: cluster_id.into(),
            node: None,
            wanted: Wants::default(),
            turns: VecDeque::new(),
            due: VecDeque::new(),
            snapshot: None,
            allowed: None,
            has_more: false,
        }
    }

    /// Who follows, once it has said so.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Partitions that the peer follows, or would.
    pub fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Behind a message: whether there was more to send than it took.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes a message of the follower.
    ///
    /// # Errors
    /// It breaks the protocol.
    pub fn receive(
        &mut self,
        engine: &Engine,
        message: FollowRequest,
        now: Now,
    ) -> Result<(), Hostile> {
        match (message.hello, &self.node) {
            (Some(hello), None) => {
                if hello.cluster_id != self.cluster_id {
                    return Err(Hostile::OtherCluster);
                }
                check_name(&hello.node)?;
                self.node = Some(hello.node.into());
                self.allowed = hello.bounds_snapshots.then_some(0);
            }
            (None, Some(_)) => {}
            (Some(_), Some(_)) | (None, None) => return Err(Hostile::Hello),
        }
        let node = self.node.clone().ok_or(Hostile::Hello)?;
        self.allow(message.snapshot_bytes);
        for unwant in message.unwants {
            self.forget(unwant.partition, true);
        }
        for want in message.wants {
            self.want(&node, want)?;
        }
        for applied in message.applied {
            let (partition, epoch) = (applied.partition, applied.epoch);
            self.check_partition(partition)?;
            let wanted = self.wanted.get(partition).map(|wanted| &wanted.copy);
            let named;
            let copy = match wanted.filter(|copy| *copy.copy_id == *applied.copy_id) {
                Some(copy) => copy,
                None => {
                    named = Copy {
                        node: node.clone(),
                        copy_id: applied.copy_id.into(),
                    };
                    &named
                }
            };
            self.hub
                .acknowledge(engine, partition, epoch, copy, applied.seq, now);
        }
        Ok(())
    }

    /// What to send now. Remembers the waker first, so that no news is lost between this
    /// and the caller's sleep.
    pub fn next(
        &mut self,
        engine: &Engine,
        now: Now,
        budget_bytes: usize,
        waker: &Waker,
    ) -> Next<FollowResponse> {
        let mut out = Vec::new();
        let next = self.lay_next(engine, now, budget_bytes, waker, &mut out);
        next.map(|()| FollowResponse::decode(Bytes::from(out)).expect("it was laid as one"))
    }

    /// As [`Source::next`], and appends the message to `out` as it is sent: an encoded
    /// `FollowResponse`. Nothing is appended where nothing is to be sent.
    pub fn lay_next(
        &mut self,
        engine: &Engine,
        now: Now,
        budget_bytes: usize,
        waker: &Waker,
        out: &mut Vec<u8>,
    ) -> Next<()> {
        self.stream.listen(waker);
        let budget_bytes = budget_bytes.max(1);
        let Source {
            stream,
            wanted,
            turns,
            ..
        } = self;
        stream.take(|partition| {
            if let Some(wanted) = wanted.get_mut(partition)
                && !std::mem::replace(&mut wanted.has_turn, true)
            {
                turns.push_back(partition);
            }
        });
        let mut draft = Draft::begin(out);
        // At most half goes to the snapshot, so that the logs always get on.
        let later = self.send_snapshot(engine, now, budget_bytes.div_ceil(2), &mut draft);
        self.take_turns(engine, now, budget_bytes, &mut draft);
        let is_sent = draft.finish();
        // Turns may have made a snapshot due, and a snapshot may have ended in one.
        let may_begin = later.is_none() && self.may_begin_snapshot();
        let may_go_on = later.is_none() && self.may_go_on_with_snapshot();
        self.has_more = may_begin || may_go_on || !self.turns.is_empty();
        if is_sent {
            return Next::Send(());
        }
        if later.is_none() && (may_begin || !self.turns.is_empty()) {
            return Next::Later(now.0);
        }
        later.map_or(Next::Idle, Next::Later)
    }

    fn want(&mut self, node: &Arc<str>, want: FollowWant) -> Result<(), Hostile> {
        let partition = want.partition;
        self.check_partition(partition)?;
        check_name(&want.copy_id)?;
        self.forget(partition, false);
        let position = want.position.unwrap_or_default();
        let wanted = Wanted {
            copy: Copy {
                node: node.clone(),
                copy_id: want.copy_id.into(),
            },
            epoch: want.epoch,
            number: want.number,
            has_turn: true,
            is_answered: false,
            stage: Stage::Asked {
                position: Position {
                    epoch: position.epoch,
                    seq: position.seq,
                },
                is_refused: false,
            },
        };
        if self.hub.attach(partition, &self.stream) {
            self.wanted.put(partition, Box::new(wanted));
            self.turns.push_back(partition);
        }
        Ok(())
    }

    /// The peer follows this partition no longer, for good or until it wants it anew.
    fn forget(&mut self, partition: u32, is_farewell: bool) {
        let Some(wanted) = self.wanted.take(partition) else {
            return;
        };
        self.hub.detach(partition, self.stream.id, is_farewell);
        if wanted.has_turn {
            self.turns.retain(|&other| other != partition);
        }
        self.end_snapshot(partition);
    }

    fn check_partition(&self, partition: u32) -> Result<(), Hostile> {
        if partition < self.hub.partition_count() {
            return Ok(());
        }
        Err(Hostile::Name)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        for partition in self.wanted.partitions() {
            self.hub.detach(partition, self.stream.id, false);
        }
    }
}

fn check_name(name: &str) -> Result<(), Hostile> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Hostile::Name);
    }
    Ok(())
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hostile::Hello => "Say who follows in the first message, and in no other.",
            Hostile::OtherCluster => "This node belongs to another cluster; follow one of yours.",
            Hostile::Name => {
                "A partition or a name is not one of this cluster's; check its config."
            }
        })
    }
}

impl std::error::Error for Hostile {}
