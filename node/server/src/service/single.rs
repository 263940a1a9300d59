//! Requests for one key: answered here, perhaps once other copies have confirmed, or sent
//! on as they came.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::access::May;
use crate::commit::Commit;
use crate::failure::Failure;
use crate::forward::{self, owner_told};
use crate::node::{Fault, Node};
use crate::routing::{Context, Located, Trail};
use crate::service::operation::Operation;
use crate::service::wire::{self, Frame};
use crate::service::{Begun, Outcome, malformed};
use crate::visit::Visit;

pub(super) fn handle<O: Operation>(
    node: &Arc<Node>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let Ok(asked) = O::decode(request.clone()) else {
        return Begun::Done(Err(malformed(O::METHOD.name())));
    };
    decoded(node, may, &asked, &request, timeout, out)
}

/// As `handle`, of a request that was decoded from these bytes.
pub(super) fn decoded<O: Operation>(
    node: &Arc<Node>,
    may: May<'_>,
    asked: &O,
    request: &Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let allowed = may.check(O::RIGHT, asked.key());
    if let Err(failure) = allowed.and_then(|()| asked.check(node)) {
        return Begun::Done(Err(failure));
    }
    let partition = node.partition_of(asked.key());
    let start = out.len();
    match asked.answer(&Visit::alone(node), partition, Frame::Bare, out) {
        Ok(None) => Begun::Done(Ok(())),
        Ok(Some(commit)) => {
            let response = Bytes::copy_from_slice(&out[start..]);
            out.truncate(start);
            confirmed(node, commit, response, timeout)
        }
        Err(Fault::Failed(failure)) => Begun::Done(Err(failure)),
        Err(Fault::Elsewhere | Fault::Behind(_)) => later::<O>(node, partition, request, timeout),
    }
}

/// Answer a request of this node's own.
pub(super) async fn answer<O: Operation>(node: &Node, asked: &O, context: Context) -> Outcome {
    let partition = node.partition_of(asked.key());
    let request = asked.encode_to_vec().into();
    find(node, asked, partition, request, context).await
}

fn confirmed(
    node: &Arc<Node>,
    commit: Commit,
    response: Bytes,
    timeout: Option<Duration>,
) -> Begun {
    let context = Context::new(node, timeout);
    let node = node.clone();
    Begun::Later(Box::pin(async move {
        node.confirmed(commit, context).await?;
        Ok(response)
    }))
}

fn later<O: Operation>(
    node: &Arc<Node>,
    partition: u32,
    request: &Bytes,
    timeout: Option<Duration>,
) -> Begun {
    let context = Context::new(node, timeout);
    let node = node.clone();
    // What waits does not hold the buffer that it was read to.
    let request = Bytes::copy_from_slice(request);
    let asked = O::decode(request.clone());
    Begun::Later(Box::pin(async move {
        let asked = asked.map_err(|_| malformed(O::METHOD.name()))?;
        find(&node, &asked, partition, request, context).await
    }))
}

fn here<O: Operation>(
    node: &Node,
    asked: &O,
    partition: u32,
) -> Result<(Bytes, Option<Commit>), Fault> {
    let mut out = BytesMut::new();
    let commit = asked.answer(&Visit::alone(node), partition, Frame::Bare, &mut out)?;
    Ok((out.freeze(), commit))
}

async fn find<O: Operation>(
    node: &Node,
    asked: &O,
    partition: u32,
    request: Bytes,
    context: Context,
) -> Outcome {
    let mut trail = Trail::default();
    let mut forwarded = None;
    // A copy that is a little behind waits, once.
    let mut may_wait = true;
    loop {
        // A follower answers what asks for no more than it has.
        match here(node, asked, partition) {
            Ok((response, None)) => return Ok(response),
            Ok((response, Some(commit))) => {
                node.confirmed(commit, context).await?;
                return Ok(response);
            }
            Err(Fault::Failed(failure)) => return Err(failure),
            Err(Fault::Behind(at_least)) if may_wait => {
                may_wait = false;
                node.reaches(partition, at_least, context).await;
                continue;
            }
            Err(Fault::Elsewhere | Fault::Behind(_)) => {}
        }
        let owner = match node.locate(partition, &mut trail, context).await? {
            Located::Here => continue,
            Located::At(owner) => owner,
        };
        if asked.is_routed() && !node.hands_on(&owner, &trail) {
            return Err(Failure::Moved(owner));
        }
        let message = forwarded
            .get_or_insert_with(|| wire::routed(O::ROUTED_FIELD, &request).freeze())
            .clone();
        match forward::call(node, &owner, O::METHOD, message, O::EFFECT, context).await {
            Err(failure) => match owner_told(&failure) {
                Some(told) => trail.follow(node, &owner, told, context).await?,
                None => return Err(failure),
            },
            answered => return answered,
        }
    }
}
