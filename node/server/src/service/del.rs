//! Del: removes keys, of any number of partitions.
//!
//! A key that was not there is not an error. Where a part failed the whole fails,
//! and says whether another part may have been applied. It is answered once all of its
//! deletes are confirmed as it asks.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_engine::Deleted;
use shoal_protos::v1;

use crate::access::{May, Right};
use crate::commit::{Ack, Commit};
use crate::failure::{Failure, Outcome};
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::node::{Fault, Node, Wrote};
use crate::routing::Context;
use crate::service::operation::Piece;
use crate::service::resolve::{Commits, Deferred, Place, resolve};
use crate::service::wire::Frame;
use crate::service::{Begun, check, malformed, wire};
use crate::visit::Visit;

const KEYS_FIELD: u32 = 1;

/// Delete one key here.
pub(super) fn one(
    node: &Visit<'_>,
    partition: u32,
    key: &[u8],
    ack: Ack,
) -> Result<(v1::DelResponse, Option<Commit>), Fault> {
    let evaluate = |now| {
        let gone = node.engine.delete(partition, key, now);
        if gone.is_ok_and(|gone| gone.existed) {
            node.introspection.removed(partition, key);
        }
        gone
    };
    let wrote = |gone: &Deleted| Wrote::Seq(gone.version.seq);
    let gone = node.write(partition, key, ack, evaluate, wrote);
    let told = |(gone, _): &(Deleted, _)| match gone.existed {
        true => Seen::Applied,
        false => Seen::NotApplied,
    };
    let introspection = &node.introspection;
    let (gone, commit) = introspection.evaluated(Seeing::Del, partition, key, gone, told)?;
    let version = v1::Version {
        epoch: gone.version.epoch,
        seq: gone.version.seq,
    };
    let response = v1::DelResponse {
        deleted: gone.existed.into(),
        versions: vec![version],
    };
    Ok((response, commit))
}

pub(super) fn ack(asked: &v1::DelRequest) -> Result<Ack, Failure> {
    check::ack(asked.ack, Ack::InSync)
}

/// Look at the whole request.
pub(super) fn check(node: &Node, may: May<'_>, asked: &v1::DelRequest) -> Result<(), Failure> {
    let allowed = |key: &Bytes| may.check(Right::Write, key);
    asked.keys.iter().try_for_each(allowed)?;
    check::batch(node, "keys", asked.keys.len())?;
    ack(asked)?;
    asked.keys.iter().try_for_each(|key| check::key(node, key))
}

/// A Del under way.
#[derive(Debug)]
pub(super) struct Deletion {
    deleted: i64,
    versions: Vec<v1::Version>,
    applied: bool,
    failed: Option<Failure>,
    ack: Ack,
}

impl Deletion {
    pub(super) fn of(keys: usize, ack: Ack) -> Deletion {
        Deletion {
            ack,
            deleted: 0,
            versions: vec![v1::Version::default(); keys],
            applied: false,
            failed: None,
        }
    }

    /// Delete what is here and not behind something that waits. The rest waits, and what
    /// must be confirmed is added to `commits`.
    pub(super) fn apply(
        &mut self,
        node: &Visit<'_>,
        operation: usize,
        keys: Vec<Bytes>,
        waiting: &mut HashSet<u32>,
        commits: &mut Commits,
    ) -> Vec<Deferred> {
        let mut deferred = Vec::new();
        for (at, key) in keys.into_iter().enumerate() {
            let partition = node.partition_of(&key);
            let outcome = if waiting.contains(&partition) {
                Err(Fault::Elsewhere)
            } else {
                one(node, partition, &key, self.ack)
            };
            let place = Place { operation, key: at };
            match outcome {
                Ok((response, commit)) => {
                    commits.extend(commit.map(|commit| (place, commit)));
                    self.take(at, Ok(response));
                }
                Err(Fault::Failed(failure)) => self.take(at, Err(failure)),
                Err(Fault::Elsewhere | Fault::Behind(_)) => {
                    waiting.insert(partition);
                    deferred.push(Deferred {
                        place,
                        partition,
                        piece: Piece::Del(key, self.ack),
                    });
                }
            }
        }
        deferred
    }

    /// Note what became of one key.
    pub(super) fn take(&mut self, at: usize, outcome: Result<v1::DelResponse, Failure>) {
        match outcome {
            Ok(response) => {
                self.applied = true;
                self.deleted += response.deleted;
                self.versions[at] = response.versions.first().copied().unwrap_or_default();
            }
            Err(failure) => {
                self.applied |= failure.outcome() == Outcome::MaybeApplied;
                self.failed.get_or_insert(failure);
            }
        }
    }

    /// What became of it all.
    pub(super) fn finish(self) -> Result<v1::DelResponse, Failure> {
        match self.failed {
            Some(failure) if self.applied => Err(failure.with_outcome(Outcome::MaybeApplied)),
            Some(failure) => Err(failure),
            None => Ok(v1::DelResponse {
                deleted: self.deleted,
                versions: self.versions,
            }),
        }
    }
}

pub(super) fn handle(
    node: &Arc<Node>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let asked = match decode(node, may, request) {
        Ok(asked) => asked,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let ack = match ack(&asked) {
        Ok(ack) => ack,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let mut deletion = Deletion::of(asked.keys.len(), ack);
    let mut commits = Commits::new();
    let visit = Visit::alone(node);
    let deferred = deletion.apply(&visit, 0, asked.keys, &mut HashSet::new(), &mut commits);
    if deferred.is_empty() && commits.is_empty() {
        let response = deletion.finish();
        return Begun::Done(response.map(|response| Frame::Bare.put(&response, out)));
    }
    let context = Context::new(node, timeout);
    let node = node.clone();
    Begun::Later(Box::pin(async move {
        for (place, result) in resolve(&node, deferred, asked.routed, context).await {
            let response = result.map(|(result, commit)| {
                commits.extend(commit.map(|commit| (place, commit)));
                as_del(result).unwrap_or_default()
            });
            deletion.take(place.key, response);
        }
        for (place, failure) in node.all_confirmed(commits, context).await {
            deletion.take(place.key, Err(failure));
        }
        let response = deletion.finish()?;
        Ok(response.encode_to_vec().into())
    }))
}

/// The response of a piece of a Del.
pub(super) fn as_del(result: v1::result::Result) -> Option<v1::DelResponse> {
    match result {
        v1::result::Result::Del(response) => Some(response),
        _ => None,
    }
}

fn decode(node: &Node, may: May<'_>, request: Bytes) -> Result<v1::DelRequest, Failure> {
    let count = wire::count(KEYS_FIELD, &request).map_err(|_| malformed("DelRequest"))?;
    check::batch(node, "keys", count)?;
    let asked = v1::DelRequest::decode(request).map_err(|_| malformed("DelRequest"))?;
    check(node, may, &asked)?;
    Ok(asked)
}
