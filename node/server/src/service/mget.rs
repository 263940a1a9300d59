//! MGet: many keys, of any number of partitions, in the order asked.

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
use crate::service::{Begun, check, malformed, wire};
use crate::visit::Visit;

const KEYS_FIELD: u32 = 1;

pub(super) fn handle(
    node: &Arc<Node>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let mut asked = match decode(node, request) {
        Ok(asked) => asked,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let mut batch = Batch::new(node, Kind::MGet, asked.keys.len(), out);
    let visit = Visit::together(node, asked.keys.len());
    let mut at_least = asked.at_least.into_iter();
    let mut ahead = Ahead::default();
    for at in 0..asked.keys.len() {
        ahead.of(node, at, |at| asked.keys.get(at).map(|key| &**key));
        let key = std::mem::take(&mut asked.keys[at]);
        // A version without an epoch is none.
        let at_least = at_least.next().filter(|version| version.epoch != 0);
        let get = v1::GetRequest {
            key,
            read: asked.read,
            at_least,
            ..Default::default()
        };
        batch.add(&visit, may, get, ahead.spot(at));
    }
    batch.finish(&visit, asked.routed, timeout, out)
}

fn decode(node: &Node, request: Bytes) -> Result<v1::MGetRequest, Failure> {
    let count = wire::count(KEYS_FIELD, &request).map_err(|_| malformed("MGetRequest"))?;
    check::batch(node, "keys", count)?;
    let asked = v1::MGetRequest::decode(request).map_err(|_| malformed("MGetRequest"))?;
    check::reader(asked.read, None)?;
    if !asked.at_least.is_empty() && asked.at_least.len() != asked.keys.len() {
        return Err(Failure::Malformed(format!(
            "at_least has {} versions for {} keys: give none, or one for each",
            asked.at_least.len(),
            asked.keys.len()
        )));
    }
    Ok(asked)
}
