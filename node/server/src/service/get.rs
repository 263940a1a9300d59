//! Get: the value, or the status that says why there is none.
//!
//! There is one copy, so the primary answers `ANY` and `at_least` too. Past the
//! fence `ANY` is still answered, as `STALE`; `at_least` is not, because nobody
//! can say what another primary has written since.

use bytes::{Bytes, BytesMut};
use shoal_engine::Entry;
use shoal_protos::v1;

use crate::failure::{Failure, Outcome};
use crate::forward::Effect;
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::node::{Fault, Node};
use crate::service::operation::{Operation, Piece};
use crate::service::wire::{Found, Frame};
use crate::service::{Method, check};

impl Operation for v1::GetRequest {
    type Response = v1::GetResponse;
    const METHOD: Method = Method::Get;
    const ROUTED_FIELD: u32 = 5;
    const RESULT_FIELD: u32 = 1;
    const EFFECT: Effect = Effect::Read;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn is_routed(&self) -> bool {
        self.routed
    }

    fn check(&self, node: &Node) -> Result<(), Failure> {
        check::key(node, &self.key)?;
        check::reader(self.read)?;
        check::not_served("fill", self.fill.is_some())
    }

    fn evaluate(&self, node: &Node, partition: u32) -> Result<v1::GetResponse, Fault> {
        let found = read(self, node, partition, |found| v1::GetResponse {
            status: found.status as i32,
            value: Bytes::copy_from_slice(found.value),
            version: Some(found.version),
            ttl_ms: found.ttl_ms,
            ..Default::default()
        })?;
        Ok(found.unwrap_or_else(miss))
    }

    fn answer(
        &self,
        node: &Node,
        partition: u32,
        frame: Frame,
        out: &mut BytesMut,
    ) -> Result<(), Fault> {
        if read(self, node, partition, |found| found.put(frame, out))?.is_none() {
            frame.put(&miss(), out);
        }
        Ok(())
    }
}

impl From<v1::GetRequest> for Piece {
    fn from(asked: v1::GetRequest) -> Piece {
        Piece::Get(asked)
    }
}

fn miss() -> v1::GetResponse {
    v1::GetResponse {
        status: v1::Status::Miss as i32,
        ..Default::default()
    }
}

fn read<R>(
    asked: &v1::GetRequest,
    node: &Node,
    partition: u32,
    take: impl FnOnce(Found<'_>) -> R,
) -> Result<Option<R>, Fault> {
    let reader = check::reader(asked.read).map_err(Fault::Failed)?;
    let mut unknowable = false;
    let mut outcome = Seen::Miss;
    let found = node.read(partition, reader, |moment| {
        unknowable = moment.fenced && asked.at_least.is_some();
        node.engine.get(partition, &asked.key, moment.now, |entry| {
            outcome = seen(&entry, moment.fenced);
            take(found(entry, moment.fenced))
        })
    });
    let found = match found {
        Ok(_) if unknowable => Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied))),
        found => found,
    };
    node.introspection
        .evaluated(Seeing::Get, partition, &asked.key, found, |_| outcome)
}

fn seen(entry: &Entry<'_>, stale: bool) -> Seen {
    match (entry.absent, stale) {
        (true, _) => Seen::Absent,
        (false, true) => Seen::Stale,
        (false, false) => Seen::Hit,
    }
}

fn found(entry: Entry<'_>, stale: bool) -> Found<'_> {
    Found {
        status: match (entry.absent, stale) {
            (true, _) => v1::Status::Absent,
            (false, true) => v1::Status::Stale,
            (false, false) => v1::Status::Hit,
        },
        value: entry.value,
        version: v1::Version {
            epoch: entry.version.epoch,
            seq: entry.version.seq,
        },
        ttl_ms: i64::try_from(entry.ttl_ms).unwrap_or(i64::MAX),
    }
}
