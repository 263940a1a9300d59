//! What of a batch could not be done at once: each partition is looked for, what
//! belongs to another node is sent there, one request an owner, all in parallel.
//!
//! Operations of one partition stay together and in order. What is done here may have to
//! be confirmed before it is answered: that is left to the caller, who waits once for all.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use shoal_engine::Position;
use shoal_protos::v1;

use crate::commit::Commit;
use crate::failure::{Failure, Outcome};
use crate::forward::{self, Effect, owner_told};
use crate::node::{Fault, Node, Reader};
use crate::ownership::State;
use crate::routing::{Context, Located, Trail};
use crate::service::key_error::heard;
use crate::service::operation::{Evaluated, Piece};
use crate::service::{Method, check};
use crate::topology::Owner;

/// Where a piece stands: the operation in the batch, and the key in the operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) operation: usize,
    pub(super) key: usize,
}

/// A piece that waits.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) place: Place,
    pub(super) partition: u32,
    pub(super) piece: Piece,
}

/// What answers wait for.
pub(super) type Commits = Vec<(Place, Commit)>;

pub(super) type Resolved = (Place, Result<Evaluated, Failure>);

/// Waiting pieces of one partition, in order, and what is known of where it is.
struct Group {
    partition: u32,
    pieces: Vec<(Place, Piece)>,
    trail: Trail,
}

impl Group {
    /// How far the copy here must come to answer what is left by itself, where that may
    /// be: all are reads that it only was behind for.
    fn furthest(&self, node: &Node) -> Option<Position> {
        let mut furthest = None;
        for (_, piece) in &self.pieces {
            let Piece::Get(asked) = piece else {
                return None;
            };
            match check::reader(asked.read, asked.at_least) {
                Ok(Reader::Any { at_least }) => furthest = furthest.max(Some(at_least)),
                _ => return None,
            }
        }
        let state = node.ownership.state(self.partition);
        furthest.filter(|_| state != State::Closed)
    }
}

/// Do them all, wherever. Every piece is answered exactly once, in any order.
pub(super) async fn resolve(
    node: &Node,
    deferred: Vec<Deferred>,
    routed: bool,
    context: Context,
) -> Vec<Resolved> {
    let mut done = Vec::with_capacity(deferred.len());
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for Deferred {
        place,
        partition,
        piece,
    } in deferred
    {
        let group = groups.entry(partition).or_insert_with(|| Group {
            partition,
            pieces: Vec::new(),
            trail: Trail::default(),
        });
        group.pieces.push((place, piece));
    }
    let mut waiting: Vec<Group> = groups.into_values().collect();
    while !waiting.is_empty() {
        let settled = join_all(
            waiting
                .drain(..)
                .map(|group| settle(node, group, routed, context)),
        )
        .await;
        let mut shipments: BTreeMap<String, Vec<(Owner, Group)>> = BTreeMap::new();
        for (results, elsewhere) in settled {
            done.extend(results);
            if let Some((owner, group)) = elsewhere {
                shipments
                    .entry(owner.node.address.clone())
                    .or_default()
                    .push((owner, group));
            }
        }
        let shipped = join_all(
            shipments
                .into_values()
                .map(|shipment| ship(node, shipment, context)),
        )
        .await;
        for (results, moved) in shipped {
            done.extend(results);
            waiting.extend(moved);
        }
    }
    done
}

/// Find the partition. What is here is done, the rest comes back with its owner.
async fn settle(
    node: &Node,
    mut group: Group,
    routed: bool,
    context: Context,
) -> (Vec<Resolved>, Option<(Owner, Group)>) {
    let mut done = Vec::new();
    // Reads that another copy may answer, once: what then is left goes to the primary.
    if let Some(at_least) = group.furthest(node) {
        node.reaches(group.partition, at_least, context).await;
        group.pieces = evaluate(node, group.partition, group.pieces, &mut done);
        if group.pieces.is_empty() {
            return (done, None);
        }
    }
    loop {
        match node
            .locate(group.partition, &mut group.trail, context)
            .await
        {
            Ok(Located::Here) => {
                group.pieces = evaluate(node, group.partition, group.pieces, &mut done);
                if group.pieces.is_empty() {
                    return (done, None);
                }
            }
            Ok(Located::At(owner)) if !routed || node.hands_on(&owner, &group.trail) => {
                return (done, Some((owner, group)));
            }
            Ok(Located::At(owner)) => {
                fail(group.pieces, &Failure::Moved(owner), &mut done);
                return (done, None);
            }
            Err(failure) => {
                fail(group.pieces, &failure, &mut done);
                return (done, None);
            }
        }
    }
}

/// Do the pieces here, until one finds the partition gone. Returns those left.
fn evaluate(
    node: &Node,
    partition: u32,
    pieces: Vec<(Place, Piece)>,
    done: &mut Vec<Resolved>,
) -> Vec<(Place, Piece)> {
    let mut pieces = pieces.into_iter();
    while let Some((place, piece)) = pieces.next() {
        match piece.evaluate(node, partition) {
            Ok(result) => done.push((place, Ok(result))),
            Err(Fault::Failed(failure)) => done.push((place, Err(failure))),
            Err(Fault::Elsewhere | Fault::Behind(_)) => {
                return std::iter::once((place, piece)).chain(pieces).collect();
            }
        }
    }
    Vec::new()
}

/// Send groups to the one owner of them all. Groups that moved come back.
async fn ship(
    node: &Node,
    shipment: Vec<(Owner, Group)>,
    context: Context,
) -> (Vec<Resolved>, Vec<Group>) {
    let mut done = Vec::new();
    let Some(owner) = shipment.first().map(|(owner, _)| owner.clone()) else {
        return (done, Vec::new());
    };
    let pieces = || {
        shipment
            .iter()
            .flat_map(|(_, group)| &group.pieces)
            .map(|(_, piece)| piece)
    };
    let effect = if pieces().all(|piece| piece.effect() == Effect::Read) {
        Effect::Read
    } else {
        Effect::Write
    };
    let operations: Vec<v1::Operation> = pieces().map(Piece::to_operation).collect();
    let asked = operations.len();
    let request = v1::ExecuteRequest {
        id: 0,
        operations,
        routed: true,
    };
    let request = Bytes::from(request.encode_to_vec());
    let answer = forward::call(node, &owner, Method::Execute, request, effect, context).await;
    let mut results = match answer.and_then(|answer| read(answer, asked, &owner, effect)) {
        Ok(results) => results.into_iter(),
        Err(failure) => {
            for (_, group) in shipment {
                fail(group.pieces, &failure, &mut done);
            }
            return (done, Vec::new());
        }
    };
    let mut moved = Vec::new();
    for (owner, mut group) in shipment {
        let mut told = None;
        let mut left = Vec::new();
        for (place, piece) in group.pieces {
            match results
                .next()
                .unwrap_or_else(|| Err(no_answer(&owner, piece.effect())))
            {
                Err(failure) if told.is_some() || owner_told(&failure).is_some() => {
                    told = told.or_else(|| owner_told(&failure));
                    left.push((place, piece));
                }
                result => done.push((place, result.map(|result| (result, None)))),
            }
        }
        group.pieces = left;
        let Some(told) = told else { continue };
        match group.trail.follow(node, &owner, told, context).await {
            Ok(()) => moved.push(group),
            Err(failure) => fail(group.pieces, &failure, &mut done),
        }
    }
    (done, moved)
}

type Results = Vec<Result<v1::result::Result, Failure>>;

fn read(answer: Bytes, asked: usize, owner: &Owner, effect: Effect) -> Result<Results, Failure> {
    let answer = v1::ExecuteResponse::decode(answer).map_err(|_| no_answer(owner, effect))?;
    if let Some(error) = answer.error {
        return Err(heard(error));
    }
    if answer.results.len() != asked {
        return Err(no_answer(owner, effect));
    }
    Ok(answer
        .results
        .into_iter()
        .map(|result| match result.result {
            Some(v1::result::Result::Error(error)) => Err(heard(error)),
            Some(result) => Ok(result),
            None => Err(no_answer(owner, effect)),
        })
        .collect())
}

fn no_answer(owner: &Owner, effect: Effect) -> Failure {
    Failure::ForwardFailed {
        peer: owner.node.id.clone(),
        outcome: effect.outcome(),
    }
}

/// Fail them all alike. A read changes nothing, whatever became of its batch.
fn fail(pieces: Vec<(Place, Piece)>, failure: &Failure, done: &mut Vec<Resolved>) {
    for (place, piece) in pieces {
        let failure = match piece.effect() {
            Effect::Read | Effect::Wait => failure.clone().with_outcome(Outcome::NotApplied),
            Effect::Write => failure.clone(),
        };
        done.push((place, Err(failure)));
    }
}
