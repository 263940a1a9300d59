//! MSet: many values. Each key stands for itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_protos::v1;

use crate::access::May;
use crate::failure::Failure;
use crate::node::Node;
use crate::service::batch::{Batch, Kind};
use crate::service::{Begun, check, malformed, wire};
use crate::visit::Visit;

const ENTRIES_FIELD: u32 = 1;

pub(super) fn handle(
    node: &Arc<Node>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let asked = match decode(node, request) {
        Ok(asked) => asked,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let mut batch = Batch::new(node, Kind::MSet, asked.entries.len(), out);
    let visit = Visit::together(node, asked.entries.len());
    for entry in asked.entries {
        batch.add(&visit, may, entry, None);
    }
    batch.finish(&visit, asked.routed, timeout, out)
}

fn decode(node: &Node, request: Bytes) -> Result<v1::MSetRequest, Failure> {
    let count = wire::count(ENTRIES_FIELD, &request).map_err(|_| malformed("MSetRequest"))?;
    check::batch(node, "entries", count)?;
    v1::MSetRequest::decode(request).map_err(|_| malformed("MSetRequest"))
}
