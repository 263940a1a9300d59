//! One operation on one key: what the verbs `get`, `set`, `incr` and `touch` are
//! made of, and the form in which an operation waits or travels.
//!
//! Whoever is given a [`Commit`] with a response keeps the response until it holds.

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_protos::v1;

use crate::access::Right;
use crate::commit::{Ack, Commit};
use crate::failure::Failure;
use crate::forward::Effect;
use crate::node::{Fault, Node};
use crate::service::wire::Frame;
use crate::service::{Method, del};
use crate::visit::Visit;

/// A request that names one key.
pub(super) trait Operation: Message + Default + Into<Piece> + 'static {
    type Response: Message;
    /// Its method when it comes alone.
    const METHOD: Method;
    /// The field `routed` of the request.
    const ROUTED_FIELD: u32;
    /// The field of `Result` that answers it in a batch.
    const RESULT_FIELD: u32;
    const EFFECT: Effect;
    /// What a caller needs for it.
    const RIGHT: Right;

    fn key(&self) -> &[u8];

    fn is_routed(&self) -> bool;

    /// Look at the whole request, before anything is done for it.
    fn check(&self, node: &Node) -> Result<(), Failure>;

    /// Do it here, if this node serves the partition.
    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(Self::Response, Option<Commit>), Fault>;

    /// As `evaluate`, writing the response. What was written is void after an error.
    fn answer(
        &self,
        node: &Visit<'_>,
        partition: u32,
        frame: Frame,
        out: &mut BytesMut,
    ) -> Result<Option<Commit>, Fault> {
        let (response, commit) = self.evaluate(node, partition)?;
        frame.put(&response, out);
        Ok(commit)
    }
}

/// A result, and what it waits for.
pub(super) type Evaluated = (v1::result::Result, Option<Commit>);

/// An operation that could not be done at once.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Get(v1::GetRequest),
    Set(v1::SetRequest),
    /// One key of a Del.
    Del(Bytes, Ack),
    Incr(v1::IncrRequest),
    Touch(v1::TouchRequest),
    ReleaseFill(v1::ReleaseFillRequest),
}

impl Piece {
    /// Do it here, if this node serves the partition.
    pub(super) fn evaluate(&self, node: &Node, partition: u32) -> Result<Evaluated, Fault> {
        use v1::result::Result::{Del, Get, Incr, ReleaseFill, Set, Touch};
        fn done<R>(
            as_result: impl FnOnce(R) -> v1::result::Result,
            (response, commit): (R, Option<Commit>),
        ) -> Evaluated {
            (as_result(response), commit)
        }
        let node = &Visit::alone(node);
        Ok(match self {
            Piece::Get(asked) => done(Get, asked.evaluate(node, partition)?),
            Piece::Set(asked) => done(Set, asked.evaluate(node, partition)?),
            Piece::Del(key, ack) => done(Del, del::one(node, partition, key, *ack)?),
            Piece::Incr(asked) => done(Incr, asked.evaluate(node, partition)?),
            Piece::Touch(asked) => done(Touch, asked.evaluate(node, partition)?),
            Piece::ReleaseFill(asked) => done(ReleaseFill, asked.evaluate(node, partition)?),
        })
    }

    /// As another node takes it.
    pub(super) fn to_operation(&self) -> v1::Operation {
        use v1::operation::Operation::{Del, Get, Incr, ReleaseFill, Set, Touch};
        let operation = match self.clone() {
            Piece::Get(asked) => Get(asked),
            Piece::Set(asked) => Set(asked),
            Piece::Del(key, ack) => Del(v1::DelRequest {
                keys: vec![key],
                ack: match ack {
                    Ack::Primary => v1::Ack::Primary,
                    Ack::InSync => v1::Ack::InSync,
                } as i32,
                ..Default::default()
            }),
            Piece::Incr(asked) => Incr(asked),
            Piece::Touch(asked) => Touch(asked),
            Piece::ReleaseFill(asked) => ReleaseFill(asked),
        };
        v1::Operation {
            operation: Some(operation),
        }
    }

    pub(super) fn effect(&self) -> Effect {
        match self {
            Piece::Get(_) | Piece::ReleaseFill(_) => Effect::Read,
            _ => Effect::Write,
        }
    }
}
