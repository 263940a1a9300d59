//! Touch: gives a key a new time to live.

use std::cell::Cell;

use shoal_engine::Now;
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

impl Operation for v1::TouchRequest {
    type Response = v1::TouchResponse;
    const METHOD: Method = Method::Touch;
    const ROUTED_FIELD: u32 = 4;
    const RESULT_FIELD: u32 = 5;
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
        check::ack(self.ack, Ack::Primary).map(|_| ())
    }

    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(v1::TouchResponse, Option<Commit>), Fault> {
        let ack = check::ack(self.ack, Ack::Primary).map_err(Fault::Failed)?;
        let ttl_ms = check::ttl(node, "ttl_ms", self.ttl_ms).map_err(Fault::Failed)?;
        let until_ms = Cell::new(u64::MAX);
        let evaluate = |now: Now| {
            if ttl_ms > 0 {
                until_ms.set(now.0.saturating_add(ttl_ms));
            }
            node.engine.touch(partition, &self.key, ttl_ms, now)
        };
        // The version is that of the entry, not of this.
        let wrote = |version: &Option<_>| match version {
            Some(_) => Wrote::Lives {
                until_ms: until_ms.get(),
            },
            None => Wrote::Nothing,
        };
        let version = node.write(partition, &self.key, ack, evaluate, wrote);
        let told = |(version, _): &(Option<_>, _)| match version {
            Some(_) => Seen::Applied,
            None => Seen::NotApplied,
        };
        let introspection = &node.introspection;
        let (version, commit) =
            introspection.evaluated(Seeing::Touch, partition, &self.key, version, told)?;
        let version = version.map(|v| v1::Version {
            epoch: v.epoch,
            seq: v.seq,
        });
        let response = v1::TouchResponse {
            applied: version.is_some(),
            version,
        };
        Ok((response, commit))
    }
}

impl From<v1::TouchRequest> for Piece {
    fn from(asked: v1::TouchRequest) -> Piece {
        Piece::Touch(asked)
    }
}
