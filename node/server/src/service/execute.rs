//! Execute: batches of operations on one stream, answered in order.
//!
//! One batch is done after the other, so that a stream's operations on a partition
//! keep their order. A message that cannot be read is answered with an error of
//! its own, and the stream goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use prost::Message;
use shoal_protos::v1;

use crate::failure::Failure;
use crate::node::{Node, stopped};
use crate::service::batch::{Batch, Kind};
use crate::service::key_error::told;
use crate::service::{Begun, Outcome, Responses, check, malformed, wire};

const OPERATIONS_FIELD: u32 = 2;

/// Only the id, of a request that is otherwise refused.
#[derive(Clone, PartialEq, Message)]
struct Identified {
    #[prost(uint64, tag = "1")]
    id: u64,
}

pub(super) fn stream(
    node: Arc<Node>,
    requests: impl Stream<Item = Bytes> + Send + 'static,
    timeout: Option<Duration>,
) -> Responses {
    let stopping = node.stopping.subscribe();
    let state = Some((node, Box::pin(requests), stopping));
    Box::pin(unfold(state, move |state| async move {
        let (node, mut requests, mut stopping) = state?;
        tokio::select! {
            biased;
            () = stopped(&mut stopping) => Some((Err(Failure::Stopping), None)),
            request = requests.next() => {
                let outcome = answer(&node, request?, timeout).await;
                Some((outcome, Some((node, requests, stopping))))
            }
        }
    }))
}

async fn answer(node: &Arc<Node>, request: Bytes, timeout: Option<Duration>) -> Outcome {
    match begin(node, request, timeout) {
        Begun::Done(outcome) => outcome,
        Begun::Later(later) => later.await,
    }
}

fn begin(node: &Arc<Node>, request: Bytes, timeout: Option<Duration>) -> Begun {
    let asked = match decode(node, &request) {
        Ok(asked) => asked,
        Err(failure) => {
            node.counters.failure(&failure);
            let id = Identified::decode(request).unwrap_or_default().id;
            let error = Some(told(&failure));
            let response = v1::ExecuteResponse {
                id,
                results: Vec::new(),
                error,
            };
            return Begun::Done(Ok(response.encode_to_vec().into()));
        }
    };
    let mut prefix = BytesMut::new();
    Identified { id: asked.id }.encode_raw(&mut prefix);
    let mut batch = Batch::new(node, Kind::Execute, prefix, asked.operations.len());
    for operation in asked.operations {
        use v1::operation::Operation::{Del, Get, Incr, Set, Touch};
        match operation.operation {
            Some(Get(asked)) => batch.add(asked),
            Some(Set(asked)) => batch.add(asked),
            Some(Del(asked)) => batch.add_del(asked),
            Some(Incr(asked)) => batch.add(asked),
            Some(Touch(asked)) => batch.add(asked),
            None => batch.add_failure(Failure::Malformed(
                "the operation is empty, or one that this release does not know".into(),
            )),
        }
    }
    batch.finish(asked.routed, timeout)
}

fn decode(node: &Node, request: &Bytes) -> Result<v1::ExecuteRequest, Failure> {
    let count = wire::count(OPERATIONS_FIELD, request).map_err(|_| malformed("ExecuteRequest"))?;
    check::batch(node, "operations", count)?;
    v1::ExecuteRequest::decode(request.clone()).map_err(|_| malformed("ExecuteRequest"))
}
