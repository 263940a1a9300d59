//! The follower's end of the stream to one peer, with all partitions that are followed
//! there.
//!
//! A sink asks for each partition with the position of the copy, applies what comes, and
//! acknowledges it, at most once for each partition and message of its own. Where
//! something does not fit it asks anew. It obeys no epoch below one that the copy has
//! obeyed, and before it drops what a copy holds it gives it a new id.
//!
//! Non-goals: connecting and reconnecting (the caller, who says [`Sink::connected`]); the
//! copy's life before and after (see [`Hub::follow`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_engine::{ApplyError, Engine, Now, Position, Role};
use shoal_protos::replication::v1::{
    CopyPosition, FollowApplied, FollowBatch, FollowHello, FollowRefusal, FollowRefused,
    FollowRequest, FollowResponse, FollowUnwant, FollowWant,
};

use crate::allowance::Allowance;
use crate::hub::{Hub, Tally};
use crate::mutants::{self, Mutant};
use crate::next::Next;

/// A want that is not answered is repeated after this long, and then after twice as long
/// each time: streams lose nothing, so it is nearly always only slow.
const PATIENCE_MS: u64 = 5_000;
/// Pause before a want that follows a failed one, doubled each time.
const PAUSE_MS: u64 = 20;
/// Longest such pause.
const PAUSE_MS_MAX: u64 = 1_000;
/// Wants in one message.
const WANTS_MAX: usize = 512;

/// The follower's end of the stream to one peer.
pub struct Sink {
    hub: Arc<Hub>,
    hello: FollowHello,
    draw: Box<dyn FnMut(&str) -> String + Send>,
    followed: BTreeMap<u32, Followed>,
    /// When to want each partition that is not streaming.
    due: BTreeSet<(u64, u32)>,
    /// Partitions with something to acknowledge.
    applied: BTreeSet<u32>,
    unwants: BTreeSet<u32>,
    /// Partitions that were wanted from nothing, and are not whole yet.
    empty: BTreeSet<u32>,
    allowance: Allowance,
    /// Of the last want.
    number: u64,
    is_hello_due: bool,
}

#[derive(Debug)]
struct Followed {
    /// That the copy was told to follow, or has obeyed since.
    epoch: u64,
    /// Of its want. 0: it has none on this stream.
    number: u64,
    /// When it is wanted, or wanted again. None: batches come.
    due_ms: Option<u64>,
    /// Failures since a batch was applied that was no piece of a snapshot.
    failures: u32,
    /// Wants since one was answered.
    unanswered: u32,
    /// The last batch was of this epoch, and the copy has everything up to there.
    applied: Position,
}

impl Sink {
    /// The stream's end on this node, which is called so in that cluster. `draw` makes a fresh
    /// copy id, given the old one.
    pub fn new(
        hub: Arc<Hub>,
        node: &str,
        cluster_id: &str,
        draw: Box<dyn FnMut(&str) -> String + Send>,
    ) -> Sink {
        Sink {
            hub,
            hello: FollowHello {
                node: node.into(),
                cluster_id: cluster_id.into(),
                bounds_snapshots: true,
            },
            draw,
            followed: BTreeMap::new(),
            due: BTreeSet::new(),
            applied: BTreeSet::new(),
            unwants: BTreeSet::new(),
            empty: BTreeSet::new(),
            allowance: Allowance::default(),
            number: 0,
            is_hello_due: true,
        }
    }

    /// Follows a partition there from now on, under this epoch or a higher one. The copy
    /// must be open as a follower. Told again, an epoch that is not higher changes nothing.
    pub fn follow(&mut self, partition: u32, epoch: u64) {
        self.hub.see(partition, epoch);
        self.unwants.remove(&partition);
        let known = self.followed.get(&partition);
        let is_streaming = known.is_some_and(|it| it.number != 0);
        if known.is_some_and(|it| it.epoch >= epoch)
            || (is_streaming && mutants::is(Mutant::ObeyOldEpochs))
        {
            return;
        }
        let epoch = self.hub.seen_epoch(partition);
        self.forget(partition);
        let followed = Followed {
            epoch,
            number: 0,
            due_ms: Some(0),
            failures: 0,
            unanswered: 0,
            applied: Position::default(),
        };
        self.followed.insert(partition, followed);
        self.due.insert((0, partition));
    }

    /// Follows it no longer: nothing that is still on its way is applied.
    pub fn unfollow(&mut self, partition: u32) {
        if self.forget(partition) {
            self.unwants.insert(partition);
        }
    }

    /// Nothing is followed: the stream may end.
    pub fn is_empty(&self) -> bool {
        self.followed.is_empty()
    }

    /// Whether this partition is followed here.
    pub fn follows(&self, partition: u32) -> bool {
        self.followed.contains_key(&partition)
    }

    /// A new stream stands: everything is said anew, and nothing of the old one counts.
    pub fn connected(&mut self) {
        self.is_hello_due = true;
        self.unwants.clear();
        self.applied.clear();
        self.empty.clear();
        self.allowance = Allowance::default();
        let partitions: Vec<u32> = self.followed.keys().copied().collect();
        for partition in partitions {
            if let Some(followed) = self.followed.get_mut(&partition) {
                followed.number = 0;
                followed.unanswered = 0;
            }
            self.want_at(partition, 0);
        }
    }

    /// Takes a message of the primary.
    pub fn receive(&mut self, engine: &Engine, message: FollowResponse, now: Now) {
        for refused in message.refused {
            self.refused(engine, &refused, now);
        }
        for batch in message.batches {
            self.allowance.arrived(batch.snapshot_bytes);
            self.apply(engine, &batch, now);
        }
    }

    /// What to send now.
    pub fn next(&mut self, engine: &Engine, now: Now) -> Next<FollowRequest> {
        let mut message = FollowRequest::default();
        if std::mem::take(&mut self.is_hello_due) {
            message.hello = Some(self.hello.clone());
        }
        let unwants = std::mem::take(&mut self.unwants).into_iter();
        message.unwants = unwants
            .map(|partition| FollowUnwant { partition })
            .collect();
        while message.wants.len() < WANTS_MAX
            && let Some(&(due_ms, partition)) = self.due.first()
            && due_ms <= now.0
        {
            self.stop_timer(partition);
            message.wants.extend(self.want(engine, partition, now));
        }
        for partition in std::mem::take(&mut self.applied) {
            let followed = self.followed.get(&partition);
            let copy_id = self.hub.copy_id(partition);
            if let (Some(followed), Some(copy_id)) = (followed, copy_id) {
                message.applied.push(FollowApplied {
                    partition,
                    epoch: followed.applied.epoch,
                    copy_id: copy_id.as_ref().into(),
                    seq: followed.applied.seq,
                });
            }
        }
        let mut later = self.due.first().map(|&(due_ms, _)| due_ms);
        if !self.empty.is_empty() {
            match self.allowance.grant(&mut self.hub.incoming.lock(), now.0) {
                Ok(bytes) => message.snapshot_bytes = bytes,
                Err(at_ms) => later = Some(later.map_or(at_ms, |due_ms| due_ms.min(at_ms))),
            }
        }
        if message != FollowRequest::default() {
            return Next::Send(message);
        }
        later.map_or(Next::Idle, Next::Later)
    }

    fn forget(&mut self, partition: u32) -> bool {
        let Some(followed) = self.followed.remove(&partition) else {
            return false;
        };
        self.applied.remove(&partition);
        self.empty.remove(&partition);
        if let Some(due_ms) = followed.due_ms {
            self.due.remove(&(due_ms, partition));
        }
        true
    }

    fn want_at(&mut self, partition: u32, at_ms: u64) {
        let Some(followed) = self.followed.get_mut(&partition) else {
            return;
        };
        if let Some(before_ms) = followed.due_ms.replace(at_ms) {
            self.due.remove(&(before_ms, partition));
        }
        self.due.insert((at_ms, partition));
    }

    /// Wants it again, at once after the first failure.
    fn want_anew(&mut self, partition: u32, now: Now) {
        let Some(followed) = self.followed.get_mut(&partition) else {
            return;
        };
        let pause_ms = match followed.failures {
            0 => 0,
            failures => (PAUSE_MS << failures.min(10)).min(PAUSE_MS_MAX),
        };
        followed.failures += 1;
        followed.number = 0;
        self.applied.remove(&partition);
        self.want_at(partition, now.0 + pause_ms);
    }

    fn want(&mut self, engine: &Engine, partition: u32, now: Now) -> Option<FollowWant> {
        if engine.role(partition) == Some(Role::Restoring) {
            // A piece of a snapshot whose rest will not come.
            self.hub.discard(engine, partition, &mut self.draw);
        }
        if engine.role(partition) != Some(Role::Follower) {
            self.forget(partition);
            return None;
        }
        let position = engine.position(partition)?;
        let copy_id = self.hub.copy_id(partition)?;
        self.number += 1;
        let followed = self.followed.get_mut(&partition)?;
        followed.number = self.number;
        // What the want says needs no acknowledgement.
        followed.applied = Position::default();
        let patience_ms = PATIENCE_MS << followed.unanswered.min(4);
        followed.unanswered += 1;
        if position == Position::default() {
            self.empty.insert(partition);
        }
        let want = FollowWant {
            partition,
            epoch: followed.epoch,
            copy_id: copy_id.as_ref().into(),
            position: Some(CopyPosition {
                epoch: position.epoch,
                seq: position.seq,
            }),
            number: self.number,
        };
        self.want_at(partition, now.0 + patience_ms);
        Some(want)
    }

    /// Whether what says this epoch and number speaks to the copy as it is.
    fn obeys(&mut self, partition: u32, epoch: u64, number: u64) -> bool {
        let Some(followed) = self.followed.get_mut(&partition) else {
            return false;
        };
        if followed.number != number || number == 0 {
            return false;
        }
        let is_over = epoch < followed.epoch || !self.hub.see(partition, epoch);
        if is_over && !mutants::is(Mutant::ObeyOldEpochs) {
            Tally::add(&self.hub.tally.old_epochs, 1);
            return false;
        }
        followed.epoch = followed.epoch.max(epoch);
        true
    }

    fn refused(&mut self, engine: &Engine, refused: &FollowRefused, now: Now) {
        let partition = refused.partition;
        match refused.reason() {
            FollowRefusal::Discard => {
                if self.obeys(partition, refused.epoch, refused.number)
                    && self.hub.discard(engine, partition, &mut self.draw)
                {
                    self.want_anew(partition, now);
                }
            }
            FollowRefusal::Again => {
                let followed = self.followed.get(&partition);
                if followed.is_some_and(|it| it.number == refused.number) {
                    self.want_anew(partition, now);
                }
            }
            // The want is kept there.
            FollowRefusal::NotServed | FollowRefusal::Unspecified => {}
        }
    }

    /// The last want was taken, and is not repeated.
    fn answered(&mut self, partition: u32) {
        if let Some(followed) = self.followed.get_mut(&partition) {
            followed.unanswered = 0;
        }
        self.stop_timer(partition);
    }

    fn stop_timer(&mut self, partition: u32) {
        let followed = self.followed.get_mut(&partition);
        if let Some(due_ms) = followed.and_then(|it| it.due_ms.take()) {
            self.due.remove(&(due_ms, partition));
        }
    }

    fn apply(&mut self, engine: &Engine, batch: &FollowBatch, now: Now) {
        let partition = batch.partition;
        if !self.obeys(partition, batch.epoch, batch.number) {
            return;
        }
        if batch.data.is_empty() {
            return self.answered(partition);
        }
        match engine.apply(partition, &batch.data, now) {
            Ok(applied) => {
                self.answered(partition);
                Tally::add(&self.hub.tally.applied_bytes, batch.data.len());
                if applied.was_restored {
                    // From now on it could be promoted.
                    self.hub.tell_news(partition);
                }
                let Some(followed) = self.followed.get_mut(&partition) else {
                    return;
                };
                if engine.role(partition) == Some(Role::Follower) {
                    self.empty.remove(&partition);
                    followed.failures = 0;
                    let has = Position {
                        epoch: batch.epoch,
                        seq: applied.position.seq,
                    };
                    // Records without a sequence bring nothing to acknowledge.
                    if std::mem::replace(&mut followed.applied, has) != has {
                        self.applied.insert(partition);
                    }
                }
            }
            Err(ApplyError::NotOpen | ApplyError::NotAFollower) => {
                self.unfollow(partition);
            }
            Err(_) => {
                Tally::add(&self.hub.tally.gaps, 1);
                self.want_anew(partition, now);
            }
        }
    }
}
