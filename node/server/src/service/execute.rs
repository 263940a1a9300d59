//! Execute: batches of operations on one stream, answered in order.
//!
//! Whoever brings the messages asks for one answer after the other, so that a stream's
//! operations on a partition keep their order. A message that cannot be read is answered
//! with an error of its own, and the stream goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_protos::v1;

use crate::ahead::Ahead;
use crate::failure::Failure;
use crate::node::Node;
use crate::service::batch::{Batch, Kind};
use crate::service::key_error::told;
use crate::service::wire::Frame;
use crate::service::{Begun, check, malformed, wire};

const OPERATIONS_FIELD: u32 = 2;

/// Only the id, of a request that is otherwise refused.
#[derive(Clone, PartialEq, Message)]
struct Identified {
    #[prost(uint64, tag = "1")]
    id: u64,
}

/// Answer one message.
pub(super) fn handle(
    node: &Arc<Node>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
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
            Frame::Bare.put(&response, out);
            return Begun::Done(Ok(()));
        }
    };
    let start = out.len();
    Identified { id: asked.id }.encode_raw(out);
    let mut batch = Batch::new(node, Kind::Execute, asked.operations.len(), out);
    batch.begins_at(start);
    let mut operations = asked.operations;
    let mut ahead = Ahead::default();
    for at in 0..operations.len() {
        use v1::operation::Operation::{Del, Get, Incr, ReleaseFill, Set, Touch};
        ahead.of(node, at, |at| key(operations.get(at)?));
        let partition = ahead.partition(at);
        match operations[at].operation.take() {
            Some(Get(asked)) => batch.add(asked, partition),
            Some(Set(asked)) => batch.add(asked, partition),
            Some(Del(asked)) => batch.add_del(asked),
            Some(Incr(asked)) => batch.add(asked, partition),
            Some(Touch(asked)) => batch.add(asked, partition),
            Some(ReleaseFill(asked)) => batch.add(asked, partition),
            None => batch.add_failure(Failure::Malformed(
                "the operation is empty, or one that this release does not know".into(),
            )),
        }
    }
    batch.finish(asked.routed, timeout, out)
}

/// The one key that an operation is about.
fn key(operation: &v1::Operation) -> Option<&[u8]> {
    use v1::operation::Operation::{Del, Get, Incr, ReleaseFill, Set, Touch};
    match operation.operation.as_ref()? {
        Get(asked) => Some(&asked.key),
        Set(asked) => Some(&asked.key),
        Incr(asked) => Some(&asked.key),
        Touch(asked) => Some(&asked.key),
        ReleaseFill(asked) => Some(&asked.key),
        Del(_) => None,
    }
}

fn decode(node: &Node, request: &Bytes) -> Result<v1::ExecuteRequest, Failure> {
    let count = wire::count(OPERATIONS_FIELD, request).map_err(|_| malformed("ExecuteRequest"))?;
    check::batch(node, "operations", count)?;
    v1::ExecuteRequest::decode(request.clone()).map_err(|_| malformed("ExecuteRequest"))
}
