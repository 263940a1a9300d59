//! Where a partition is: here, at another node, or at nobody for now.
//!
//! Waiting is bounded in number and time. A request waits while its partition is
//! frozen, and briefly while nobody is known to serve it, because a handover and
//! a takeover take milliseconds.
//!
//! A partition that was handed over is at its new primary before that one knows. So
//! what comes to the old primary meanwhile is sent on, also where the caller routes for
//! itself; and what comes to a follower whose primary has given it up waits for the news.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::node::{Node, stopped};
use crate::ownership::State;
use crate::sync::AtomicUsize;
use crate::topology::Owner;

/// How long news of a topology may take from one node to another.
const NEWS: Duration = Duration::from_millis(30);
/// How often a node is asked that was given a partition and does not know yet.
const HANDED: Duration = Duration::from_millis(3);

/// Where to go with an operation.
#[derive(Debug)]
pub(crate) enum Located {
    /// This node serves the partition: try.
    Here,
    /// Another node does.
    At(Owner),
}

/// When a request came, and until when it is worth answering.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    deadline_ns: u64,
}

/// What one request has heard and waited for so far, looking for a partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    /// What another node said; it counts if its epoch is the higher one.
    hint: Option<Owner>,
    hops: u32,
    handed_until_ns: Option<u64>,
    frozen_until_ns: Option<u64>,
    unowned_until_ns: Option<u64>,
}

impl Trail {
    /// `asked` said that it is not the owner. Believe it if it knows more; if it
    /// knows less, give it a moment to hear the news.
    pub(crate) async fn follow(
        &mut self,
        node: &Node,
        asked: &Owner,
        told: Owner,
        context: Context,
    ) -> Result<(), Failure> {
        // It takes this node for the owner still, which has just given the partition to
        // it: it hears of that in a moment.
        let is_late = told.node.id == node.id && told.epoch < asked.epoch;
        let until_ns = node.until(&mut self.handed_until_ns, node.limits.frozen_wait);
        let may_wait = is_late && node.clock.boottime_ns() < until_ns;
        self.hops += u32::from(!may_wait);
        if self.hops > node.limits.hops_max {
            return Err(Failure::NoOwner {
                partition: asked.partition,
            });
        }
        if told.epoch > asked.epoch {
            self.hint = Some(told);
            return Ok(());
        }
        let left = context
            .remaining(node)
            .ok_or(Failure::DeadlineExceeded(Outcome::NotApplied))?;
        let news = if is_late { HANDED } else { NEWS };
        let mut revisions = node.topology.subscribe();
        let _ = tokio::time::timeout(left.min(news), revisions.changed()).await;
        Ok(())
    }
}

impl Context {
    pub(crate) fn new(node: &Node, timeout: Option<Duration>) -> Context {
        let timeout = timeout.unwrap_or(node.limits.default_deadline);
        Context {
            deadline_ns: node
                .clock
                .boottime_ns()
                .saturating_add(nanoseconds(timeout)),
        }
    }

    /// Time left, or `None` when there is none.
    pub(crate) fn remaining(&self, node: &Node) -> Option<Duration> {
        let left = self.deadline_ns.checked_sub(node.clock.boottime_ns())?;
        (left > 0).then(|| Duration::from_nanos(left))
    }
}

/// Takes one of a bounded number of places.
pub(crate) struct Permit<'a>(&'a AtomicUsize);

impl<'a> Permit<'a> {
    pub(crate) fn take(taken: &'a AtomicUsize, max: usize) -> Option<Permit<'a>> {
        let permit = Permit(taken);
        (taken.fetch_add(1, Ordering::Relaxed) < max).then_some(permit)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    /// Find the partition, waiting for it where that is likely to help.
    pub(crate) async fn locate(
        &self,
        partition: u32,
        trail: &mut Trail,
        context: Context,
    ) -> Result<Located, Failure> {
        let mut permit = None;
        loop {
            let mut changed = pin!(self.ownership.changed(partition));
            changed.as_mut().enable();
            let mut revisions = self.topology.subscribe();
            let mut stopping = self.stopping.subscribe();
            let (give_up_ns, in_the_end) = match self.ownership.state(partition) {
                State::Open => return Ok(Located::Here),
                State::Frozen => (
                    self.until(&mut trail.frozen_until_ns, self.limits.frozen_wait),
                    Err(Failure::PartitionMoving { partition }),
                ),
                State::Closed | State::Followed => {
                    let owner = self.best(partition, trail.hint.as_ref());
                    let known = match owner.filter(|owner| owner.node.id != self.id) {
                        Some(owner) if self.has_given_up(&owner) => Ok(Located::At(owner)),
                        Some(owner) => return Ok(Located::At(owner)),
                        None => Err(Failure::NoOwner { partition }),
                    };
                    let wait = self.limits.owner_wait;
                    (self.until(&mut trail.unowned_until_ns, wait), known)
                }
            };
            if permit.is_none() {
                permit = Permit::take(&self.parked, self.limits.parked_max);
            }
            let now_ns = self.clock.boottime_ns();
            if permit.is_none() || now_ns >= give_up_ns {
                return in_the_end;
            }
            if now_ns >= context.deadline_ns {
                return Err(Failure::DeadlineExceeded(Outcome::NotApplied));
            }
            let left = Duration::from_nanos(give_up_ns.min(context.deadline_ns) - now_ns);
            tokio::select! {
                () = changed => {}
                _ = revisions.changed() => {}
                () = stopped(&mut stopping) => return Err(Failure::Stopping),
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Whether a request that its caller has routed here is sent on nevertheless: this
    /// node has just handed the partition over, and nobody was told yet.
    pub(crate) fn hands_on(&self, owner: &Owner, trail: &Trail) -> bool {
        let known = self.topology.owner(owner.partition);
        let is_told = known.is_some_and(|known| known.epoch >= owner.epoch);
        trail.frozen_until_ns.is_some() || (!is_told && self.has_handed_over(owner))
    }

    /// Whether this node was the primary before this one.
    fn has_handed_over(&self, owner: &Owner) -> bool {
        let last = self.ownership.last_epoch(owner.partition);
        last > 0 && last + 1 == owner.epoch
    }

    /// Whether this primary, which is followed, has said that it is none any more.
    fn has_given_up(&self, owner: &Owner) -> bool {
        let outbound = &self.replication.outbound;
        // What this node handed over is where the record says, known there or not.
        !self.has_handed_over(owner)
            && outbound.leader(owner.partition).as_ref() == Some(owner)
            && outbound.is_given_up(owner.partition)
    }

    /// The one that is told of with the highest epoch: by the topology, by the agent that
    /// has this node follow it, or by another node.
    fn best(&self, partition: u32, hint: Option<&Owner>) -> Option<Owner> {
        let leader = self.replication.outbound.leader(partition);
        let leader = leader.filter(|leader| !leader.node.address.is_empty());
        let mut best = self.topology.owner(partition);
        for told in [leader.as_ref(), hint].into_iter().flatten() {
            if best.as_ref().is_none_or(|best| told.epoch > best.epoch) {
                best = Some(told.clone());
            }
        }
        best
    }

    fn until(&self, limit_ns: &mut Option<u64>, wait: Duration) -> u64 {
        *limit_ns.get_or_insert_with(|| self.clock.boottime_ns() + nanoseconds(wait))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
