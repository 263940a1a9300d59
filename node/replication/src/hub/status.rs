//! What the agent, other nodes and metrics are told, and what is noticed as time passes.

use std::sync::Arc;

use shoal_engine::{Engine, Now, Position, Role};
use shoal_protos::replication::v1::{CopyPosition, CopyRole, PartitionPosition, PositionsResponse};

use crate::hub::follower::Follower;
use crate::hub::place::State;
use crate::hub::{Hub, Traffic};

/// How long a log is kept for followers that may come back.
const LOG_KEPT_MS: u64 = 60_000;

/// A copy that is open on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which partition.
    pub partition: u32,
    /// What the copy is.
    pub role: Role,
    /// Under which this node is primary; of a follower, the highest that it has obeyed.
    pub epoch: u64,
    /// The last operation applied.
    pub position: Position,
    /// The copy's id.
    pub copy_id: Arc<str>,
    /// What every required copy has; `u64::MAX` where none is required.
    pub committed_seq: u64,
    /// Copies that are known to go on from this primary. They stay in it when their stream
    /// ends, until their node comes with another copy.
    pub followers: Vec<FollowerStatus>,
}

/// A copy that follows this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerStatus {
    /// Where it is.
    pub node: Arc<str>,
    /// Which it is.
    pub copy_id: Arc<str>,
    /// Everything up to here is applied there.
    pub acked_seq: u64,
    /// Age of the oldest record that it has not acknowledged; 0: it has all of them.
    pub lag_ms: u64,
    /// A stream carries it.
    pub is_streaming: bool,
}

impl Hub {
    /// Every copy that is open here.
    pub fn status(&self, engine: &Engine, now: Now) -> Vec<PartitionStatus> {
        let partitions = 0..self.partition_count();
        partitions
            .filter_map(|partition| self.status_of(engine, partition, now))
            .collect()
    }

    /// One copy; `None` where it is closed, or there is no such partition.
    pub fn status_of(&self, engine: &Engine, partition: u32, now: Now) -> Option<PartitionStatus> {
        if partition >= self.partition_count() {
            return None;
        }
        let mut state = self.place(partition).state.lock();
        let role = engine.role(partition)?;
        let position = engine.position(partition)?;
        let mut status = PartitionStatus {
            partition,
            role,
            epoch: state.seen_epoch,
            position,
            copy_id: state.copy_id.clone().unwrap_or_default(),
            committed_seq: self.committed(partition),
            followers: Vec::new(),
        };
        if let Some(served) = &mut state.served {
            status.epoch = served.epoch;
            let known = served.followers.iter_mut().filter(|it| it.is_established);
            status.followers = known.map(|it| it.status(position.seq, now)).collect();
        }
        Some(status)
    }

    /// Notices who falls behind, and lets go of logs that nobody has needed for a while.
    /// Call it every tenth of a second or so.
    pub fn tend(&self, engine: &Engine, now: Now) {
        let behind_ms = self.behind_ms.load(std::sync::atomic::Ordering::Relaxed);
        for (partition, place) in (0..).zip(&self.places) {
            let mut state = place.state.lock();
            if state.copy_id.is_none() {
                continue;
            }
            let mut is_news = false;
            if let Some(served) = &mut state.served
                && !served.followers.is_empty()
                && let Some(head) = engine.position(partition)
            {
                for follower in &mut served.followers {
                    is_news |= follower.look(head.seq, now.0, behind_ms);
                }
            }
            state.release_log(engine, partition, now);
            drop(state);
            if is_news {
                self.tell_news(partition);
            }
        }
    }

    /// The answer to `Positions`. No partition named: all that are open.
    pub fn positions(&self, engine: &Engine, partitions: &[u32]) -> PositionsResponse {
        let position_of = |partition: u32| {
            if partition >= self.partition_count() {
                return None;
            }
            let state = self.place(partition).state.lock();
            let role = engine.role(partition)?;
            let position = engine.position(partition)?;
            Some(PartitionPosition {
                partition,
                copy_id: state.copy_id.as_deref().unwrap_or_default().into(),
                position: Some(CopyPosition {
                    epoch: position.epoch,
                    seq: position.seq,
                }),
                role: match role {
                    Role::Primary => CopyRole::Primary,
                    Role::Follower => CopyRole::Follower,
                    Role::Restoring => CopyRole::Restoring,
                }
                .into(),
            })
        };
        let all = 0..self.partition_count();
        PositionsResponse {
            partitions: if partitions.is_empty() {
                all.filter_map(position_of).collect()
            } else {
                partitions.iter().copied().filter_map(position_of).collect()
            },
        }
    }

    /// What was sent and received so far.
    pub fn traffic(&self) -> Traffic {
        self.tally.read()
    }
}

impl Follower {
    fn status(&mut self, head_seq: u64, now: Now) -> FollowerStatus {
        self.lag.observe(head_seq, self.acked_seq, now.0);
        FollowerStatus {
            node: self.copy.node.clone(),
            copy_id: self.copy.copy_id.clone(),
            acked_seq: self.acked_seq,
            lag_ms: self.lag.ms(now.0),
            is_streaming: self.stream.is_some(),
        }
    }
}

impl State {
    /// A primary's log that no stream reads and no required copy may come back for.
    fn release_log(&mut self, engine: &Engine, partition: u32, now: Now) {
        let Some(served) = &self.served else { return };
        let is_needed =
            !self.streams.is_empty() || served.required.as_ref().is_none_or(|it| !it.is_empty());
        if is_needed {
            self.unneeded_since_ms = None;
            return;
        }
        let since_ms = *self.unneeded_since_ms.get_or_insert(now.0);
        if since_ms != u64::MAX && now.0.saturating_sub(since_ms) >= LOG_KEPT_MS {
            let _ = engine.keep_log(partition, false);
            // Once: the next stream that comes turns it on again.
            self.unneeded_since_ms = Some(u64::MAX);
        }
    }
}
