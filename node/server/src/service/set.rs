//! Set: stores one value, whole, perhaps under a condition.

use shoal_engine::{SetOutcome, Write};
use shoal_protos::v1;

use crate::failure::Failure;
use crate::forward::Effect;
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::node::{Fault, Node};
use crate::service::operation::{Operation, Piece};
use crate::service::{Method, check};

impl Operation for v1::SetRequest {
    type Response = v1::SetResponse;
    const METHOD: Method = Method::Set;
    const ROUTED_FIELD: u32 = 11;
    const RESULT_FIELD: u32 = 2;
    const EFFECT: Effect = Effect::Write;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn is_routed(&self) -> bool {
        self.routed
    }

    fn check(&self, node: &Node) -> Result<(), Failure> {
        check::key(node, &self.key)?;
        check::value(node, &self.value)?;
        check::ttl(node, "ttl_ms", self.ttl_ms)?;
        check::ttl(node, "fresh_ms", self.fresh_ms)?;
        check::ack(self.ack)?;
        check::condition(self.condition.as_ref())?;
        if self.absent && !self.value.is_empty() {
            return Err(Failure::BadCondition(
                "absent says that there is no value, and value is not empty: leave one out",
            ));
        }
        check::not_served("fresh_ms", self.fresh_ms != 0)?;
        check::not_served("tags", !self.tags.is_empty())?;
        check::not_served("fill_token", !self.fill_token.is_empty())?;
        check::not_served("request_id", !self.request_id.is_empty())
    }

    fn evaluate(&self, node: &Node, partition: u32) -> Result<v1::SetResponse, Fault> {
        let write = Write {
            value: &self.value,
            ttl_ms: check::ttl(node, "ttl_ms", self.ttl_ms).map_err(Fault::Failed)?,
            absent: self.absent,
            condition: check::condition(self.condition.as_ref()).map_err(Fault::Failed)?,
        };
        let outcome = node.write(partition, |now| {
            let outcome = node.engine.set(partition, &self.key, write, now);
            if matches!(outcome, Ok(SetOutcome::Applied(_))) {
                let introspection = &node.introspection;
                introspection.stored(partition, &self.key, self.value.len());
            }
            outcome
        });
        let told = |outcome: &SetOutcome| match outcome {
            SetOutcome::Applied(_) => Seen::Applied,
            SetOutcome::NotApplied(_) => Seen::NotApplied,
        };
        let introspection = &node.introspection;
        let outcome = introspection.evaluated(Seeing::Set, partition, &self.key, outcome, told)?;
        let (applied, version) = match outcome {
            SetOutcome::Applied(version) => (true, Some(version)),
            SetOutcome::NotApplied(standing) => (false, standing),
        };
        let version = version.map(|v| v1::Version {
            epoch: v.epoch,
            seq: v.seq,
        });
        Ok(v1::SetResponse {
            applied,
            version,
            error: None,
        })
    }
}

impl From<v1::SetRequest> for Piece {
    fn from(asked: v1::SetRequest) -> Piece {
        Piece::Set(asked)
    }
}
