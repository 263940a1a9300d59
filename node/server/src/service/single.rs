//! Requests for one key: answered here, or sent on as they came.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::failure::Failure;
use crate::forward::{self, owner_told};
use crate::node::{Fault, Node};
use crate::routing::{Context, Located, Trail};
use crate::service::operation::Operation;
use crate::service::wire::{self, Frame};
use crate::service::{Begun, Outcome, malformed};

pub(super) fn handle<O: Operation>(
    node: &Arc<Node>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let Ok(asked) = O::decode(request.clone()) else {
        return Begun::Done(Err(malformed(O::METHOD.name())));
    };
    if let Err(failure) = asked.check(node) {
        return Begun::Done(Err(failure));
    }
    let partition = node.partition_of(asked.key());
    match asked.answer(node, partition, Frame::Bare, out) {
        Ok(()) => Begun::Done(Ok(())),
        Err(Fault::Failed(failure)) => Begun::Done(Err(failure)),
        Err(Fault::Elsewhere) => later::<O>(node, partition, &request, timeout),
    }
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

fn here<O: Operation>(node: &Node, asked: &O, partition: u32) -> Result<Bytes, Fault> {
    let mut out = BytesMut::new();
    asked.answer(node, partition, Frame::Bare, &mut out)?;
    Ok(out.freeze())
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
    loop {
        let owner = match node.locate(partition, &mut trail, context).await? {
            Located::Here => match here(node, asked, partition) {
                Ok(response) => return Ok(response),
                Err(Fault::Failed(failure)) => return Err(failure),
                Err(Fault::Elsewhere) => continue,
            },
            Located::At(owner) => owner,
        };
        if asked.is_routed() {
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
