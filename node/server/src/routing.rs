//! Where a partition is: here, at another node, or at nobody for now.
//!
//! Waiting is bounded in number and time. A request waits while its partition is
//! frozen, and briefly while nobody is known to serve it, because a handover and
//! a takeover take milliseconds.

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
        self.hops += 1;
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
        let mut revisions = node.topology.subscribe();
        let _ = tokio::time::timeout(left.min(NEWS), revisions.changed()).await;
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
            let (give_up_ns, failure) = match self.ownership.state(partition) {
                State::Open => return Ok(Located::Here),
                State::Frozen => (
                    self.until(&mut trail.frozen_until_ns, self.limits.frozen_wait),
                    Failure::PartitionMoving { partition },
                ),
                State::Closed => match self.best(partition, trail.hint.as_ref()) {
                    Some(owner) if owner.node.id != self.id => return Ok(Located::At(owner)),
                    _ => (
                        self.until(&mut trail.unowned_until_ns, self.limits.owner_wait),
                        Failure::NoOwner { partition },
                    ),
                },
            };
            if permit.is_none() {
                permit = Permit::take(&self.parked, self.limits.parked_max);
            }
            let now_ns = self.clock.boottime_ns();
            if permit.is_none() || now_ns >= give_up_ns {
                return Err(failure);
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

    fn best(&self, partition: u32, hint: Option<&Owner>) -> Option<Owner> {
        let known = self.topology.owner(partition);
        match hint {
            Some(hint) if known.as_ref().is_none_or(|known| hint.epoch > known.epoch) => {
                Some(hint.clone())
            }
            _ => known,
        }
    }

    fn until(&self, limit_ns: &mut Option<u64>, wait: Duration) -> u64 {
        *limit_ns.get_or_insert_with(|| self.clock.boottime_ns() + nanoseconds(wait))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
