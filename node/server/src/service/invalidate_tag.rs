//! InvalidateTag: makes every entry invisible that carries the tag, in every partition.
//!
//! The node that is asked does its own partitions and has the other owners do theirs, all at
//! once, and answers when all have acknowledged. A partition that is on its way elsewhere is
//! looked for again. Where some could not be reached the whole fails and says how many; to
//! repeat it is right, and harmless: what was stored since is invalidated as well, nothing
//! else.
//!
//! Between nodes, and for a caller that routes for itself, it is done in the partitions that
//! are here, and the answer tells which.
//!
//! Readers wait for what is under way as they do for the write of a key: who finds nothing
//! while an invalidation is not confirmed by the copies in sync waits for that. The mark
//! stands for the partition, under the key that nobody can have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use prost::Message;
use shoal_engine::Version;
use shoal_protos::v1;

use crate::access::{May, Right};
use crate::commit::{Ack, Commit};
use crate::failure::{Failure, Outcome as Said, PeerFailure};
use crate::forward::{self, Effect};
use crate::node::{Fault, Node, Wrote};
use crate::routing::{Context, Located, Trail};
use crate::service::wire::Frame;
use crate::service::{Begun, Method, Outcome, check, malformed};
use crate::topology::Owner;
use crate::visit::Visit;

/// What invalidations are marked under, until they are confirmed: no key is empty.
const EVERY_KEY: &[u8] = b"";

pub(super) fn handle(
    node: &Arc<Node>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let decoded = v1::InvalidateTagRequest::decode(request);
    let asked = decoded.map_err(|_| malformed("InvalidateTagRequest"));
    let ack = match asked
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|asked| check(node, may, asked))
    {
        Ok(ack) => ack,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let Ok(asked) = asked else {
        return Begun::Done(Err(malformed("InvalidateTagRequest")));
    };
    let context = Context::new(node, timeout);
    let mut spread = Spread::of(node, asked, ack, context);
    let commits = spread.apply_here();
    let is_done = spread.asked.routed || spread.left.is_empty();
    if is_done && commits.is_empty() {
        let answer = spread.answer();
        return Begun::Done(answer.map(|answer| Frame::Bare.put(&answer, out)));
    }
    let node = node.clone();
    Begun::Later(Box::pin(async move { spread.finish(&node, commits).await }))
}

fn check(node: &Node, may: May<'_>, asked: &v1::InvalidateTagRequest) -> Result<Ack, Failure> {
    may.check(Right::Invalidate, asked.tag.as_bytes())?;
    check::tag(&asked.tag)?;
    let none_such = |&&partition: &&u32| partition >= node.partition_count;
    if let Some(partition) = asked.partitions.iter().find(none_such) {
        return Err(Failure::Malformed(format!(
            "partition {partition} is none of the {} that there are: leave partitions out for all",
            node.partition_count
        )));
    }
    check::ack(asked.ack, Ack::InSync)
}

/// One invalidation under way.
struct Spread {
    node: Arc<Node>,
    asked: v1::InvalidateTagRequest,
    ack: Ack,
    context: Context,
    partitions: usize,
    /// Where it was not applied yet, and what is known of who owns that.
    left: BTreeMap<u32, Trail>,
    applied: BTreeMap<u32, v1::Version>,
    /// Where it stands only here, perhaps.
    unconfirmed: bool,
    failed: Option<Failure>,
}

impl Spread {
    fn of(node: &Arc<Node>, asked: v1::InvalidateTagRequest, ack: Ack, context: Context) -> Spread {
        let mut left = BTreeMap::new();
        if asked.partitions.is_empty() {
            left.extend((0..node.partition_count).map(|it| (it, Trail::default())));
        } else {
            left.extend(asked.partitions.iter().map(|&it| (it, Trail::default())));
        }
        Spread {
            node: node.clone(),
            asked,
            ack,
            context,
            partitions: left.len(),
            left,
            applied: BTreeMap::new(),
            unconfirmed: false,
            failed: None,
        }
    }

    /// Applies it to what this node serves of what is left. Returns what must be confirmed.
    fn apply_here(&mut self) -> Vec<(u32, Commit)> {
        let mut commits = Vec::new();
        let node = self.node.clone();
        for partition in self.left.keys().copied().collect::<Vec<_>>() {
            let tag = self.asked.tag.as_bytes();
            let evaluate = |now| node.engine.invalidate_tag(partition, tag, now);
            let wrote = |version: &Version| Wrote::Seq(version.seq);
            match Visit::alone(&node).write(partition, EVERY_KEY, self.ack, evaluate, wrote) {
                Ok((Version { epoch, seq }, commit)) => {
                    self.left.remove(&partition);
                    self.applied.insert(partition, v1::Version { epoch, seq });
                    commits.extend(commit.map(|commit| (partition, commit)));
                }
                Err(Fault::Failed(failure)) => {
                    self.left.remove(&partition);
                    self.fail(failure);
                }
                Err(Fault::Elsewhere | Fault::Behind(_)) => {}
            }
        }
        commits
    }

    fn fail(&mut self, failure: Failure) {
        self.unconfirmed |= failure.outcome() == Said::MaybeApplied;
        self.failed.get_or_insert(failure);
    }

    async fn finish(mut self, node: &Node, mut commits: Vec<(u32, Commit)>) -> Outcome {
        loop {
            let confirmed = node.all_confirmed(std::mem::take(&mut commits), self.context);
            if self.asked.routed || self.left.is_empty() {
                let late = confirmed.await;
                self.unconfirmed(late);
                return Ok(self.answer()?.encode_to_vec().into());
            }
            // The others have theirs confirmed meanwhile.
            let located = self.locate(node);
            let (late, located) = futures_util::future::join(confirmed, located).await;
            self.unconfirmed(late);
            let owners = self.by_owner(located);
            let asked = owners.into_iter().map(|(owner, partitions)| {
                let answer = self.ask(node, owner.clone(), partitions.clone());
                futures_util::FutureExt::map(answer, move |answer| (owner, partitions, answer))
            });
            let answers = join_all(asked).await;
            for (owner, partitions, answer) in answers {
                match answer {
                    Ok(versions) => self.told(node, &owner, partitions, versions).await,
                    Err(failure) => {
                        for partition in partitions {
                            self.left.remove(&partition);
                        }
                        self.fail(failure);
                    }
                }
            }
            commits = self.apply_here();
        }
    }

    fn unconfirmed(&mut self, late: Vec<(u32, Failure)>) {
        for (partition, failure) in late {
            self.applied.remove(&partition);
            self.fail(failure);
        }
    }

    /// Who owns what is left, each looked for at once.
    async fn locate(&self, node: &Node) -> Vec<(u32, Trail, Result<Located, Failure>)> {
        let context = self.context;
        let looks = self.left.iter().map(|(&partition, trail)| {
            let mut trail = trail.clone();
            async move {
                let located = node.locate(partition, &mut trail, context).await;
                (partition, trail, located)
            }
        });
        join_all(looks).await
    }

    fn by_owner(
        &mut self,
        located: Vec<(u32, Trail, Result<Located, Failure>)>,
    ) -> Vec<(Owner, Vec<u32>)> {
        let mut owners: BTreeMap<String, (Owner, Vec<u32>)> = BTreeMap::new();
        for (partition, trail, located) in located {
            match located {
                Ok(Located::Here) => {
                    self.left.insert(partition, trail);
                }
                Ok(Located::At(owner)) => {
                    self.left.insert(partition, trail);
                    let address = owner.node.address.clone();
                    let (_, partitions) =
                        owners.entry(address).or_insert_with(|| (owner, Vec::new()));
                    partitions.push(partition);
                }
                Err(failure) => {
                    self.left.remove(&partition);
                    self.fail(failure);
                }
            }
        }
        owners.into_values().collect()
    }

    /// Have another node do these. Returns those that it did.
    async fn ask(
        &self,
        node: &Node,
        owner: Owner,
        partitions: Vec<u32>,
    ) -> Result<Vec<v1::PartitionVersion>, Failure> {
        let request = v1::InvalidateTagRequest {
            routed: true,
            partitions,
            ..self.asked.clone()
        };
        let request = request.encode_to_vec().into();
        let (method, effect) = (Method::InvalidateTag, Effect::Write);
        let answer = forward::call(node, &owner, method, request, effect, self.context).await?;
        let answer = v1::InvalidateTagResponse::decode(answer);
        let answer = answer.map_err(|_| Failure::ForwardFailed {
            peer: owner.node.id.clone(),
            outcome: Said::MaybeApplied,
        })?;
        Ok(answer.versions)
    }

    /// Notes what the owner did. What it did not is elsewhere by now: news are waited for.
    async fn told(
        &mut self,
        node: &Node,
        owner: &Owner,
        partitions: Vec<u32>,
        versions: Vec<v1::PartitionVersion>,
    ) {
        for told in versions {
            if self.left.remove(&told.partition).is_some() {
                self.applied
                    .insert(told.partition, told.version.unwrap_or_default());
            }
        }
        let context = self.context;
        let mut moved: Vec<(u32, Trail)> = Vec::new();
        for partition in partitions {
            moved.extend(self.left.remove(&partition).map(|trail| (partition, trail)));
        }
        let followed = moved.into_iter().map(|(partition, mut trail)| {
            let owner = Owner {
                partition,
                ..owner.clone()
            };
            async move {
                let followed = trail.follow(node, &owner, owner.clone(), context).await;
                (partition, trail, followed)
            }
        });
        for (partition, trail, followed) in join_all(followed).await {
            match followed {
                Ok(()) => {
                    self.left.insert(partition, trail);
                }
                Err(failure) => self.fail(failure),
            }
        }
    }

    fn answer(self) -> Result<v1::InvalidateTagResponse, Failure> {
        let applied = self.applied.len();
        let Some(failure) = self.failed else {
            let versions = self.applied.into_iter();
            let versions = versions.map(|(partition, version)| v1::PartitionVersion {
                partition,
                version: Some(version),
            });
            return Ok(v1::InvalidateTagResponse {
                versions: versions.collect(),
            });
        };
        let outcome = match applied > 0 || self.unconfirmed {
            true => Said::MaybeApplied,
            false => Said::NotApplied,
        };
        let mut metadata = failure.metadata();
        metadata.retain(|(key, _)| key != "outcome");
        metadata.push(("outcome".into(), outcome.as_str().into()));
        Err(Failure::Peer(Arc::new(PeerFailure {
            code: failure.code(),
            reason: failure.reason_name().to_owned(),
            message: format!(
                "the tag is invalid in {applied} of {} partitions, so repeat the request, which \
                 does no harm; of another one: {failure}",
                self.partitions
            ),
            metadata,
        })))
    }
}

impl Node {
    /// What whoever found nothing in the partition must wait for, besides the key's own
    /// writes: an invalidation may be why, and be taken back.
    pub(super) fn unconfirmed_invalidation(
        &self,
        partition: u32,
        of_key: Option<Commit>,
    ) -> Option<Commit> {
        let epoch = self.ownership.served_epoch(partition);
        let of_all = epoch.and_then(|epoch| self.unconfirmed(partition, epoch, EVERY_KEY));
        match (of_key, of_all) {
            (Some(one), Some(other)) if one.seq >= other.seq => Some(one),
            (one, other) => other.or(one),
        }
    }
}
