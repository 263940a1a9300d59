//! What an answer waits for: that every copy which must have a write has confirmed it.
//!
//! An operation is evaluated at once. If other copies have not confirmed what it wrote,
//! or what it read, its answer is kept, and goes out once they have, the fence stands
//! and the epoch is the same. So a partition's operations keep their order, and an
//! answer's waiting holds up nobody else.
//!
//! Invariant: no wait outlives the request's deadline or [`Limits::in_sync_wait`].
//!
//! [`Limits::in_sync_wait`]: crate::settings::Limits::in_sync_wait

use shoal_replication::{Hub, Refusal, Reservation, TooFewCopies, Unmet};

use crate::failure::Failure;
use crate::forward::Effect;
use crate::introspection::quick_hash;
use crate::node::{Fault, Node};
use crate::routing::Context;

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// When the primary has applied it.
    Primary,
    /// When every copy in sync has.
    InSync,
}

/// What must be confirmed before an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) partition: u32,
    /// Under which the operation was evaluated.
    pub(crate) epoch: u64,
    /// Everything up to it.
    pub(crate) seq: u64,
    /// Of the operation whose answer waits.
    pub(crate) effect: Effect,
}

impl Commit {
    /// Why an answer that waited for it cannot be given.
    pub(crate) fn unmet(&self) -> Failure {
        Failure::NotReplicated {
            partition: self.partition,
            outcome: self.effect.outcome(),
        }
    }
}

impl Node {
    /// Announce a write that is to be confirmed by the copies in sync.
    pub(crate) fn reserve(&self, partition: u32, key: &[u8]) -> Result<Reservation<'_>, Fault> {
        let reserved = self.replication.hub.reserve(partition, quick_hash(key));
        reserved.map_err(|refusal| match refusal {
            Refusal::NotServed => Fault::Elsewhere,
            Refusal::Full => Fault::Failed(Failure::TooManyRequests {
                what: "writes that wait for other copies",
            }),
            Refusal::TooFewCopies(TooFewCopies {
                in_sync_count,
                min_in_sync,
            }) => Fault::Failed(Failure::TooFewCopies {
                partition,
                copies: in_sync_count,
                min: min_in_sync,
            }),
        })
    }

    /// What a primary read of the key that was just done must wait for.
    pub(crate) fn unconfirmed(&self, partition: u32, epoch: u64, key: &[u8]) -> Option<Commit> {
        let hub = &self.replication.hub;
        // Nobody else need have anything: nearly always so where there is one copy.
        if hub.committed(partition) == u64::MAX {
            return None;
        }
        let seq = hub.blocks_read(&self.engine, partition, quick_hash(key))?;
        Some(Commit {
            partition,
            epoch,
            seq,
            effect: Effect::Read,
        })
    }

    /// The partition's newest operation, if it is not confirmed.
    pub(crate) fn unconfirmed_head(&self, partition: u32) -> Option<u64> {
        let committed = self.replication.hub.committed(partition);
        if committed == u64::MAX {
            return None;
        }
        let head = self.engine.position(partition).unwrap_or_default().seq;
        (head > committed).then_some(head)
    }

    /// Wait until it is confirmed and may be answered.
    pub(crate) async fn confirmed(&self, commit: Commit, context: Context) -> Result<(), Failure> {
        let limit = self.limits.in_sync_wait;
        let left = context.remaining(self).unwrap_or_default().min(limit);
        let Commit {
            partition,
            epoch,
            seq,
            effect,
        } = commit;
        self.counters.waited_for_copies();
        self.replication.hurry();
        let wait = Hub::wait(&self.replication.hub, partition, epoch, seq);
        match tokio::time::timeout(left, wait).await {
            Ok(Ok(())) => {}
            Ok(Err(Unmet::Gone | Unmet::Full)) | Err(_) => return Err(commit.unmet()),
        }
        let has_min = self.replication.hub.has_min_in_sync(partition).is_ok();
        if effect == Effect::Write && !has_min {
            return Err(commit.unmet());
        }
        let stands = self.fence.stands(self.clock.boottime_ns());
        if stands && self.ownership.served_epoch(partition) == Some(epoch) {
            return Ok(());
        }
        Err(Failure::LeaseExpired(effect.outcome()))
    }

    /// Wait for all of these at once. Returns those that were not confirmed, each with
    /// its failure.
    pub(crate) async fn all_confirmed<T>(
        &self,
        commits: Vec<(T, Commit)>,
        context: Context,
    ) -> Vec<(T, Failure)> {
        use std::collections::BTreeMap;
        // The last of a partition stands for all before it, where it is confirmed.
        let mut last: BTreeMap<(u32, u64), Commit> = BTreeMap::new();
        for (_, commit) in &commits {
            let of_partition = last
                .entry((commit.partition, commit.epoch))
                .or_insert(*commit);
            if commit.seq > of_partition.seq {
                of_partition.seq = commit.seq;
            }
            if commit.effect == Effect::Write {
                of_partition.effect = Effect::Write;
            }
        }
        let waits = last.into_iter().map(|(of, commit)| {
            let confirmed = self.confirmed(commit, context);
            futures_util::FutureExt::map(confirmed, move |confirmed| (of, confirmed))
        });
        let failed: BTreeMap<_, _> = futures_util::future::join_all(waits)
            .await
            .into_iter()
            .filter_map(|(of, confirmed)| Some((of, confirmed.err()?)))
            .collect();
        commits
            .into_iter()
            .filter_map(|(whose, commit)| {
                let failure = failed.get(&(commit.partition, commit.epoch))?;
                // What came before may have been confirmed in time.
                let is_late = matches!(failure, Failure::NotReplicated { .. });
                let hub = &self.replication.hub;
                let is_confirmed = is_late
                    && hub.committed(commit.partition) >= commit.seq
                    && self.may_still_answer(commit);
                let failure = match is_late {
                    true => commit.unmet(),
                    false => failure.clone().with_outcome(commit.effect.outcome()),
                };
                (!is_confirmed).then_some((whose, failure))
            })
            .collect()
    }

    fn may_still_answer(&self, commit: Commit) -> bool {
        let hub = &self.replication.hub;
        hub.has_min_in_sync(commit.partition).is_ok()
            && self.fence.stands(self.clock.boottime_ns())
            && self.ownership.served_epoch(commit.partition) == Some(commit.epoch)
    }
}
