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

use crate::access::May;
use crate::ahead::Ahead;
use crate::failure::Failure;
use crate::node::Node;
use crate::service::batch::{Batch, Kind};
use crate::service::key_error::told;
use crate::service::wire::Frame;
use crate::service::{Begun, check, malformed, wire};
use crate::visit::Visit;

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
    may: May<'_>,
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
    let visit = Visit::together(node, operations.len());
    let mut ahead = Ahead::default();
    for at in 0..operations.len() {
        use v1::operation::Operation::{Del, Get, Incr, ReleaseFill, Set, Touch};
        ahead.of(node, at, |at| key(operations.get(at)?));
        let spot = ahead.spot(at);
        match operations[at].operation.take() {
            Some(Get(asked)) => batch.add(&visit, may, asked, spot),
            Some(Set(asked)) => batch.add(&visit, may, asked, spot),
            Some(Del(asked)) => batch.add_del(may, asked),
            Some(Incr(asked)) => batch.add(&visit, may, asked, spot),
            Some(Touch(asked)) => batch.add(&visit, may, asked, spot),
            Some(ReleaseFill(asked)) => batch.add(&visit, may, asked, spot),
            None => batch.add_failure(Failure::Malformed(
                "the operation is empty, or one that this release does not know".into(),
            )),
        }
    }
    batch.finish(&visit, asked.routed, timeout, out)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::BytesMut;
    use prost::Message;
    use shoal_protos::v1;

    use super::handle;
    use crate::access::May;
    use crate::clock::Clock;
    use crate::node::Node;
    use crate::service::Begun;
    use crate::settings::Settings;

    /// A second passes each time that somebody looks.
    #[derive(Default)]
    struct Hasty(AtomicU64);

    impl Clock for Hasty {
        fn boottime_ns(&self) -> u64 {
            1_000_000_000 * (1 + self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    fn batch(operations: u8) -> Vec<v1::Operation> {
        use v1::operation::Operation::{Get, Set};
        let operation = |n| {
            let key = vec![b'k', n].into();
            let operation = match n % 2 {
                0 => Set(v1::SetRequest {
                    key,
                    value: "v".into(),
                    ..Default::default()
                }),
                _ => Get(v1::GetRequest {
                    key,
                    ..Default::default()
                }),
            };
            v1::Operation {
                operation: Some(operation),
            }
        };
        (0..operations).map(operation).collect()
    }

    /// Sixteen are checked by one look: those before the fence fell are answered, and of
    /// those after it none is, though they were done.
    #[tokio::test]
    async fn what_was_done_before_the_fence_fell_is_answered_and_nothing_else() {
        let node = Arc::new(Node::new(
            Settings::small(),
            None,
            Arc::new(Hasty::default()),
        ));
        // Looks at 1 s, when the first enters, and at 2 s and 3 s, when all have left.
        node.fence.set_deadline(2_500_000_000);
        node.replication.hub.open(&node.engine, 0, 1, "c").unwrap();
        node.ownership.open(0, 1).unwrap();
        let request = v1::ExecuteRequest {
            id: 9,
            operations: batch(20),
            routed: false,
        };
        crate::introspection::span::begin();
        let mut out = BytesMut::new();
        let begun = handle(
            &node,
            May::ALL,
            request.encode_to_vec().into(),
            None,
            &mut out,
        );
        let Begun::Later(later) = begun else {
            panic!("what failed is put in its place later");
        };
        let response = v1::ExecuteResponse::decode(later.await.unwrap()).unwrap();
        assert_eq!((response.id, response.results.len()), (9, 20));
        for (n, result) in response.results.into_iter().enumerate() {
            match result.result.unwrap() {
                v1::result::Result::Error(error) => {
                    assert!(n >= 16, "operation {n} was answered too late");
                    assert_eq!(error.reason, "LEASE_EXPIRED");
                    let outcome = ["MAYBE_APPLIED", "NOT_APPLIED"][n % 2];
                    assert_eq!(error.metadata["outcome"], outcome, "operation {n}");
                }
                _ => assert!(n < 16, "operation {n} is answered past the fence"),
            }
        }
        node.ownership.freeze(0).unwrap();
    }
}
