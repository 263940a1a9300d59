//! ReleaseFill: gives a fill token back, so that the next in line loads at once.
//!
//! A token that is void already is no error: what its holder wanted is so. Where the origin
//! has failed its holder, a value that is there goes on being served, and nobody refreshes
//! it for a while.

use std::sync::Arc;

use shoal_engine::FillToken;
use shoal_protos::v1;

use crate::access::Right;
use crate::commit::{Ack, Commit};
use crate::failure::Failure;
use crate::fills::Elsewhere;
use crate::forward::Effect;
use crate::node::{Fault, Node, Wrote};
use crate::routing::Context;
use crate::service::operation::{Operation, Piece};
use crate::service::{Method, check, single};
use crate::visit::Visit;

impl Operation for v1::ReleaseFillRequest {
    type Response = v1::ReleaseFillResponse;
    const METHOD: Method = Method::ReleaseFill;
    const ROUTED_FIELD: u32 = 3;
    const RESULT_FIELD: u32 = 6;
    /// No value changes, and to repeat it does no harm.
    const EFFECT: Effect = Effect::Read;
    const RIGHT: Right = Right::Write;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn is_routed(&self) -> bool {
        self.routed
    }

    fn check(&self, node: &Node) -> Result<(), Failure> {
        check::key(node, &self.key)?;
        check::rest(node, self)?;
        Ok(())
    }

    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(v1::ReleaseFillResponse, Option<Commit>), Fault> {
        let token = FillToken::from_bytes(&self.fill_token);
        let rest_ms = check::rest(node, self).map_err(Fault::Failed)?;
        let engine = &node.engine;
        let release = |token, now| engine.release_fill(partition, &self.key, token, rest_ms, now);
        let evaluate = |now| Ok(token.is_some_and(|token| release(token, now)));
        let wrote = |_: &bool| Wrote::Nothing;
        let (released, commit) = node.write(partition, &self.key, Ack::Primary, evaluate, wrote)?;
        Ok((v1::ReleaseFillResponse { released }, commit))
    }
}

impl From<v1::ReleaseFillRequest> for Piece {
    fn from(asked: v1::ReleaseFillRequest) -> Piece {
        Piece::ReleaseFill(asked)
    }
}

/// Give back what other nodes have given to a caller that is gone.
pub(crate) async fn release_elsewhere(node: Arc<Node>, given: Vec<Elsewhere>) {
    for Elsewhere { key, token, .. } in given {
        let asked = v1::ReleaseFillRequest {
            key,
            fill_token: token,
            ..Default::default()
        };
        let context = Context::new(&node, None);
        // Where that fails, it passes on when its time is over.
        let _ = single::answer(&node, &asked, context).await;
    }
}
