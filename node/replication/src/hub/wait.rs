//! A future that completes when a sequence is committed, or one copy has it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::hub::Hub;
use crate::hub::waiters::Goal;

/// Why what was waited for will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The partition is not served here any more, or under another epoch: whether the
    /// write stands is unknown.
    Gone,
    /// Too many wait already.
    Full,
}

/// Waits, without a bound in time: that is the caller's. Dropped, it waits no longer.
#[must_use]
#[derive(Debug)]
pub struct Wait {
    hub: Arc<Hub>,
    partition: u32,
    epoch: u64,
    seq: u64,
    goal: Goal,
    /// Once it is on the list.
    number: Option<u64>,
}

impl Hub {
    /// Waits until everything up to `seq`, which was written under `epoch`, is committed.
    /// Check fence and epoch again afterwards.
    pub fn wait(hub: &Arc<Hub>, partition: u32, epoch: u64, seq: u64) -> Wait {
        Wait {
            hub: hub.clone(),
            partition,
            epoch,
            seq,
            goal: Goal::Committed,
            number: None,
        }
    }

    /// Waits until the copy of this id has acknowledged `seq`.
    pub fn wait_acked(hub: &Arc<Hub>, partition: u32, epoch: u64, copy_id: &str, seq: u64) -> Wait {
        let mut wait = Hub::wait(hub, partition, epoch, seq);
        wait.goal = Goal::Copy(copy_id.into());
        wait
    }

    /// How many wait, over all partitions.
    pub fn waiter_count(&self) -> usize {
        let waiting = |state: &crate::hub::place::State| {
            state.served.as_ref().map_or(0, |it| it.waiters.len())
        };
        self.places.iter().map(|it| waiting(&it.state.lock())).sum()
    }
}

impl Future for Wait {
    type Output = Result<(), Unmet>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let place = this.hub.place(this.partition);
        let mut state = place.state.lock();
        let Some(served) = &mut state.served else {
            return Poll::Ready(Err(Unmet::Gone));
        };
        if served.epoch != this.epoch {
            return Poll::Ready(Err(Unmet::Gone));
        }
        let reached = match &this.goal {
            Goal::Committed => this.hub.committed(this.partition) >= this.seq,
            Goal::Copy(copy_id) => served
                .followers
                .iter()
                .any(|it| it.copy.copy_id == *copy_id && it.has(this.seq)),
        };
        if reached {
            return Poll::Ready(Ok(()));
        }
        let number = match this.number {
            Some(number) => number,
            None if served.waiters.len() >= this.hub.bounds.waiters_max => {
                return Poll::Ready(Err(Unmet::Full));
            }
            None => *this.number.insert(this.hub.number()),
        };
        served
            .waiters
            .put(&this.goal, this.seq, number, context.waker());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let place = self.hub.place(self.partition);
        if let Some(served) = &mut place.state.lock().served {
            served.waiters.remove(&self.goal, self.seq, number);
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unmet::Gone => "The partition has another primary now; what it has is unknown.",
            Unmet::Full => "Too many callers wait for this partition; try again in a moment.",
        })
    }
}

impl std::error::Error for Unmet {}
