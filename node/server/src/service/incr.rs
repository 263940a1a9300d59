//! Incr: adds to a decimal integer, atomically.

use shoal_engine::{Increment, Incremented};
use shoal_protos::v1;

use crate::access::Right;
use crate::commit::{Ack, Commit};
use crate::failure::Failure;
use crate::forward::Effect;
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::node::{Fault, Node, Wrote};
use crate::service::operation::{Operation, Piece};
use crate::service::{Method, check};
use crate::visit::Visit;

impl Operation for v1::IncrRequest {
    type Response = v1::IncrResponse;
    const METHOD: Method = Method::Incr;
    const ROUTED_FIELD: u32 = 7;
    const RESULT_FIELD: u32 = 4;
    const EFFECT: Effect = Effect::Write;
    const RIGHT: Right = Right::Write;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn is_routed(&self) -> bool {
        self.routed
    }

    fn check(&self, node: &Node) -> Result<(), Failure> {
        check::key(node, &self.key)?;
        check::ttl(node, "ttl_ms", self.ttl_ms)?;
        check::ack(self.ack, Ack::InSync)?;
        check::request_id(&self.request_id).map(|_| ())
    }

    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(v1::IncrResponse, Option<Commit>), Fault> {
        let ack = check::ack(self.ack, Ack::InSync).map_err(Fault::Failed)?;
        let request = check::request_id(&self.request_id).map_err(Fault::Failed)?;
        let add = Increment {
            delta: self.delta.unwrap_or(1),
            initial: self.initial,
            ttl_ms: check::ttl(node, "ttl_ms", self.ttl_ms).map_err(Fault::Failed)?,
        };
        let evaluate = |now| {
            let engine = &node.engine;
            let sum = match request {
                None => engine.incr(partition, &self.key, add, now)?,
                Some(_) => {
                    let once = engine.incr_once(partition, &self.key, add, request, now)?;
                    once.outcome
                }
            };
            node.introspection.counted(partition, &self.key);
            Ok(sum)
        };
        let wrote = |sum: &Incremented| Wrote::Seq(sum.version.seq);
        let sum = node.write(partition, &self.key, ack, evaluate, wrote);
        let introspection = &node.introspection;
        let (sum, commit) =
            introspection.evaluated(Seeing::Incr, partition, &self.key, sum, |_| Seen::Applied)?;
        let version = v1::Version {
            epoch: sum.version.epoch,
            seq: sum.version.seq,
        };
        let response = v1::IncrResponse {
            value: sum.value,
            version: Some(version),
        };
        Ok((response, commit))
    }
}

impl From<v1::IncrRequest> for Piece {
    fn from(asked: v1::IncrRequest) -> Piece {
        Piece::Incr(asked)
    }
}
