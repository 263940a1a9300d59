//! Get: the value, or the status that says why there is none.
//!
//! `ANY` is answered by whatever copy is here, if it has come as far as `at_least` asks.
//! What another than the primary under its lease answers says `maybe_stale`; past the
//! fence, or past its own fresh time, a value is `STALE`. The primary's own answer needs no `at_least`: there
//! is nothing newer, unless another has a later epoch, and then this one knows nothing.
//!
//! A miss that another copy may answer tells how far this copy was: so a session that saw
//! a delete here does not see the value again there.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_engine::Entry;
use shoal_protos::v1;

use crate::access::{May, Right};
use crate::commit::Commit;
use crate::failure::{Failure, Outcome};
use crate::fills::Caller;
use crate::forward::Effect;
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::near::Grant;
use crate::node::{Fault, Moment, Node, Reader};
use crate::service::operation::{Operation, Piece};
use crate::service::wire::{Found, Frame};
use crate::service::{Begun, Method, check, fill, malformed, single};
use crate::visit::Visit;

impl Operation for v1::GetRequest {
    type Response = v1::GetResponse;
    const METHOD: Method = Method::Get;
    const ROUTED_FIELD: u32 = 5;
    const RESULT_FIELD: u32 = 1;
    const EFFECT: Effect = Effect::Read;
    const RIGHT: Right = Right::Read;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn is_routed(&self) -> bool {
        self.routed
    }

    fn check(&self, node: &Node) -> Result<(), Failure> {
        check::key(node, &self.key)?;
        check::reader(self.read, self.at_least)?;
        // A fill of its own is answered by `fill`.
        match self.fill {
            None => Ok(()),
            Some(_) => Err(Failure::Malformed(
                "fill stands in an Execute, whose answers keep their order, so that whoever \
                 waits would hold up the others: ask by a Get of its own"
                    .into(),
            )),
        }
    }

    fn evaluate(
        &self,
        node: &Visit<'_>,
        partition: u32,
    ) -> Result<(v1::GetResponse, Option<Commit>), Fault> {
        let read = read(self, node, partition, |found| v1::GetResponse {
            status: found.status as i32,
            value: Bytes::copy_from_slice(found.value),
            version: Some(found.version),
            ttl_ms: found.ttl_ms,
            maybe_stale: found.maybe_stale,
            fresh_ms: found.fresh_ms,
            near_ms: found.near_ms,
            ..Default::default()
        })?;
        let response = read.found.unwrap_or_else(|| read.miss.response());
        Ok((response, read.commit))
    }

    fn answer(
        &self,
        node: &Visit<'_>,
        partition: u32,
        frame: Frame,
        out: &mut BytesMut,
    ) -> Result<Option<Commit>, Fault> {
        let read = read(self, node, partition, |found| found.put(frame, out))?;
        if read.found.is_none() {
            frame.put(&read.miss.response(), out);
        }
        Ok(read.commit)
    }
}

/// Answer a Get that came alone.
pub(super) fn handle(
    caller: &Arc<Caller>,
    may: May<'_>,
    request: Bytes,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let Ok(asked) = v1::GetRequest::decode(request.clone()) else {
        return Begun::Done(Err(malformed(Method::Get.name())));
    };
    match asked.fill {
        None => single::decoded(&caller.node, may, &asked, &request, timeout, out),
        Some(fill) => {
            // Who is given a token is to store what it loads.
            let both = [Right::Read, Right::Write];
            match both
                .into_iter()
                .try_for_each(|right| may.check(right, &asked.key))
            {
                Ok(()) => fill::handle(caller, asked, fill, timeout, out),
                Err(failure) => Begun::Done(Err(failure)),
            }
        }
    }
}

/// Answer from whatever copy is here, which may be behind. False: it has no value, or one
/// that somebody shall refresh, and what was written is void.
pub(super) fn answer_found(
    asked: &v1::GetRequest,
    node: &Node,
    partition: u32,
    out: &mut BytesMut,
) -> Result<bool, Fault> {
    let node = &Visit::alone(node);
    let read = read(asked, node, partition, |found| {
        found.put(Frame::Bare, out);
        !found.is_past_fresh
    })?;
    Ok(read.found.unwrap_or(false))
}

/// What a primary says that has no value.
pub(super) fn miss(asked: &v1::GetRequest, node: &Node, partition: u32) -> v1::GetResponse {
    let is_any = asked.read == v1::ReadMode::Any as i32;
    let tells_position = is_any || asked.at_least.is_some();
    let miss = Miss {
        maybe_stale: false,
        version: tells_position.then(|| position(node, partition)).flatten(),
    };
    miss.response()
}

/// Whether it asks for a version of a later epoch than this node knows.
pub(super) fn asks_for_later(asked: &v1::GetRequest, node: &Node, partition: u32) -> bool {
    let asks = |at_least| is_later(node, partition, at_least);
    asked.at_least.is_some_and(asks)
}

impl From<v1::GetRequest> for Piece {
    fn from(asked: v1::GetRequest) -> Piece {
        Piece::Get(asked)
    }
}

/// What a read has found, if anything; else what to say.
struct Read<R> {
    found: Option<R>,
    miss: Miss,
    commit: Option<Commit>,
}

#[derive(Clone, Copy)]
struct Miss {
    maybe_stale: bool,
    /// How far the copy was.
    version: Option<v1::Version>,
}

impl Miss {
    fn response(self) -> v1::GetResponse {
        v1::GetResponse {
            status: v1::Status::Miss as i32,
            version: self.version,
            maybe_stale: self.maybe_stale,
            ..Default::default()
        }
    }
}

fn read<R>(
    asked: &v1::GetRequest,
    node: &Visit<'_>,
    partition: u32,
    take: impl FnOnce(Found<'_>) -> R,
) -> Result<Read<R>, Fault> {
    let reader = check::reader(asked.read, asked.at_least).map_err(Fault::Failed)?;
    let mut outcome = Seen::Miss;
    let mut maybe_stale = false;
    let read = node.read(partition, &asked.key, reader, |moment| {
        maybe_stale = moment.may_be_stale();
        let grant = grant(asked, node, partition, moment);
        let (key, hash) = (&asked.key, node.hash(&asked.key));
        node.engine
            .get_hashed(partition, hash, key, moment.now, |entry| {
                outcome = seen(&entry, moment.fenced);
                take(found(entry, moment, grant))
            })
    });
    let read = match (read, asked.at_least) {
        (Ok(_), Some(at_least))
            if reader == Reader::Primary && is_later(node, partition, at_least) =>
        {
            Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)))
        }
        (read, _) => read,
    };
    let introspection = &node.introspection;
    let (found, mut commit) =
        introspection.evaluated(Seeing::Get, partition, &asked.key, read, |_| outcome)?;
    if found.is_none() && reader == Reader::Primary {
        commit = node.unconfirmed_invalidation(partition, commit);
    }
    // After the read: whatever it saw is in there.
    let tells_position = reader != Reader::Primary || asked.at_least.is_some();
    let is_miss = found.is_none() && tells_position;
    let miss = Miss {
        maybe_stale,
        version: is_miss.then(|| position(node, partition)).flatten(),
    };
    Ok(Read {
        found,
        miss,
        commit,
    })
}

/// How far the copy is.
fn position(node: &Node, partition: u32) -> Option<v1::Version> {
    let position = node.engine.position(partition)?;
    (position.epoch != 0).then_some(v1::Version {
        epoch: position.epoch,
        seq: position.seq,
    })
}

/// Whether the version is of a later epoch than this node knows.
fn is_later(node: &Node, partition: u32, version: v1::Version) -> bool {
    let own = node.ownership.served_epoch(partition);
    own.is_none_or(|own| own < version.epoch)
}

pub(super) fn seen(entry: &Entry<'_>, stale: bool) -> Seen {
    match (entry.absent, stale || entry.is_stale()) {
        (true, _) => Seen::Absent,
        (false, true) => Seen::Stale,
        (false, false) => Seen::Hit,
    }
}

/// To be called before the read. Who asks the primary by name asks it each time.
pub(super) fn grant(asked: &v1::GetRequest, node: &Node, partition: u32, moment: Moment) -> Grant {
    if asked.read == v1::ReadMode::Primary as i32 {
        return Grant::NONE;
    }
    node.grant(partition, &asked.key, moment)
}

pub(super) fn found(entry: Entry<'_>, moment: Moment, grant: Grant) -> Found<'_> {
    Found {
        status: match (entry.absent, moment.fenced || entry.is_stale()) {
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
        maybe_stale: moment.may_be_stale(),
        fresh_ms: entry
            .fresh_ms
            .map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        near_ms: grant.within(entry.ttl_ms, entry.fresh_ms),
        is_past_fresh: entry.is_stale(),
    }
}
