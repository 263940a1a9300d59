//! Set: stores one value, whole, perhaps under a condition.

use shoal_engine::{SetOutcome, Write};
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

impl Operation for v1::SetRequest {
    type Response = v1::SetResponse;
    const METHOD: Method = Method::Set;
    const ROUTED_FIELD: u32 = 11;
    const RESULT_FIELD: u32 = 2;
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
        check::value(node, &self.value)?;
        check::ttl(node, "ttl_ms", self.ttl_ms)?;
        check::fresh(node, self)?;
        ack(self)?;
        check::request_id(&self.request_id)?;
        check::condition(self.condition.as_ref())?;
        if self.absent && !self.value.is_empty() {
            return Err(Failure::BadCondition(
                "absent says that there is no value, and value is not empty: leave one out",
            ));
        }
        if self.condition.is_some() && !self.fill_token.is_empty() {
            return Err(Failure::BadCondition(
                "a fill token is a condition of its own, that nothing was written since the \
                 miss: leave the other one out",
            ));
        }
        check::tags(&self.tags)?;
        Ok(())
    }

    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(v1::SetResponse, Option<Commit>), Fault> {
        let ack = ack(self).map_err(Fault::Failed)?;
        let request = check::request_id(&self.request_id).map_err(Fault::Failed)?;
        let tags = check::tags(&self.tags).map_err(Fault::Failed)?;
        let write = Write {
            value: &self.value,
            ttl_ms: check::ttl(node, "ttl_ms", self.ttl_ms).map_err(Fault::Failed)?,
            absent: self.absent,
            condition: check::condition(self.condition.as_ref()).map_err(Fault::Failed)?,
            fresh_ms: check::fresh(node, self).map_err(Fault::Failed)?,
            tags: tags.tags(),
        };
        let token = check::fill_token(&self.fill_token).map_err(Fault::Failed)?;
        let evaluate = |now| {
            let (engine, key) = (&node.engine, &self.key);
            let outcome = match (token, request) {
                (Some(token), _) => {
                    let once = engine.fill(partition, key, write, token, request, now)?;
                    once.outcome
                }
                (None, None) => engine.set(partition, key, write, now)?,
                (None, Some(_)) => {
                    let once = engine.set_once(partition, key, write, request, now)?;
                    once.outcome
                }
            };
            if matches!(outcome, SetOutcome::Applied(_)) {
                let introspection = &node.introspection;
                introspection.stored(partition, &self.key, self.value.len());
            }
            Ok(outcome)
        };
        let wrote = |outcome: &SetOutcome| match outcome {
            SetOutcome::Applied(version) => Wrote::Seq(version.seq),
            SetOutcome::NotApplied(_) => Wrote::Nothing,
        };
        let outcome = node.write(partition, &self.key, ack, evaluate, wrote);
        let told = |(outcome, _): &(SetOutcome, _)| match outcome {
            SetOutcome::Applied(_) => Seen::Applied,
            SetOutcome::NotApplied(_) => Seen::NotApplied,
        };
        let introspection = &node.introspection;
        let (outcome, commit) =
            introspection.evaluated(Seeing::Set, partition, &self.key, outcome, told)?;
        let (applied, version) = match outcome {
            SetOutcome::Applied(version) => (true, Some(version)),
            SetOutcome::NotApplied(standing) => (false, standing),
        };
        let version = version.map(|v| v1::Version {
            epoch: v.epoch,
            seq: v.seq,
        });
        let response = v1::SetResponse {
            applied,
            version,
            error: None,
        };
        Ok((response, commit))
    }
}

/// A compare-and-set decides something, so that its default is the stronger one.
fn ack(asked: &v1::SetRequest) -> Result<Ack, Failure> {
    let default = match asked.condition {
        Some(_) => Ack::InSync,
        None => Ack::Primary,
    };
    check::ack(asked.ack, default)
}

impl From<v1::SetRequest> for Piece {
    fn from(asked: v1::SetRequest) -> Piece {
        Piece::Set(asked)
    }
}
