//! Many operations answered together, in the order asked.
//!
//! What is here is done at once and written straight into the response. What is
//! not waits for [`resolve`], and whatever follows it in the same partition waits
//! too, so that a partition's operations keep their order. Fence and epochs are checked
//! again for some operations at a time ([`Visit`]). What other copies must confirm is waited
//! for once, when all is done.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use shoal_protos::v1;

use crate::access::May;
use crate::ahead::Spot;
use crate::commit::Commit;
use crate::failure::Failure;
use crate::forward::Effect;
use crate::node::{Fault, Node};
use crate::routing::Context;
use crate::service::Begun;
use crate::service::del::{self, Deletion, as_del};
use crate::service::key_error::told;
use crate::service::operation::{Evaluated, Operation};
use crate::service::resolve::{Commits, Deferred, Place, resolve};
use crate::service::wire::Frame;
use crate::visit::Visit;

/// Room that is made at once for the answers to come, at most.
const ROOM_BYTES_MAX: usize = 128 * 1024;

/// How the response holds its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    MGet,
    MSet,
    Execute,
}

/// A response under way.
pub(super) struct Batch {
    node: Arc<Node>,
    kind: Kind,
    /// That it will answer.
    operations: usize,
    /// The caller's: its own bytes, what stands before the answers, then the answers
    /// written so far.
    out: BytesMut,
    /// Where the response begins.
    start: usize,
    /// How much of it stands before the answers.
    prefix: usize,
    /// For each operation where in the response its answer stands; empty while it waits.
    answers: Vec<Range<usize>>,
    deferred: Vec<Deferred>,
    /// Operations that were done, and must not be answered.
    failed: Vec<(usize, Failure)>,
    /// What must be confirmed of what was done.
    commits: Commits,
    /// Partitions of what waits.
    waiting: HashSet<u32>,
    /// Dels of which some keys wait.
    deletions: HashMap<usize, Deletion>,
}

impl Batch {
    /// Takes `out`, to append to it, until it is finished.
    pub(super) fn new(
        node: &Arc<Node>,
        kind: Kind,
        operations: usize,
        out: &mut BytesMut,
    ) -> Batch {
        let out = std::mem::take(out);
        Batch {
            node: node.clone(),
            kind,
            operations,
            start: out.len(),
            prefix: 0,
            out,
            answers: Vec::with_capacity(operations),
            deferred: Vec::new(),
            failed: Vec::new(),
            commits: Commits::new(),
            waiting: HashSet::new(),
            deletions: HashMap::new(),
        }
    }

    /// The response begins before what was appended last.
    pub(super) fn begins_at(&mut self, start: usize) {
        self.prefix = self.start - start;
        self.start = start;
    }

    /// Bytes of the response so far.
    fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// The next operation, on one key, and where that is, if it is known.
    pub(super) fn add<O: Operation>(
        &mut self,
        visit: &Visit<'_>,
        may: May<'_>,
        asked: O,
        spot: Option<Spot>,
    ) {
        let start = self.len();
        let partition = spot.map(|spot| spot.partition);
        let partition = partition.unwrap_or_else(|| self.node.partition_of(asked.key()));
        debug_assert_eq!(partition, self.node.partition_of(asked.key()));
        visit.begin(self.answers.len(), spot.map(|spot| spot.hash));
        self.make_room();
        match self.attempt(visit, may, &asked, partition) {
            Ok(commit) => {
                let place = self.place();
                self.commits.extend(commit.map(|commit| (place, commit)));
                self.answers.push(start..self.len());
            }
            Err(Fault::Failed(failure)) => {
                self.out.truncate(self.start + start);
                self.put(Err(failure));
            }
            Err(Fault::Elsewhere | Fault::Behind(_)) => {
                self.out.truncate(self.start + start);
                let place = self.place();
                self.answers.push(start..start);
                self.waiting.insert(partition);
                self.deferred.push(Deferred {
                    place,
                    partition,
                    piece: asked.into(),
                });
            }
        }
        if visit.is_full() {
            self.leave(visit);
        }
    }

    /// For the answers to come, if they are as long as those before: a value is written
    /// under its partition's lock, and others would wait while its buffer grows.
    fn make_room(&mut self) {
        let answers = self.answers.len();
        let Some(mean_bytes) = (self.len() - self.prefix).checked_div(answers) else {
            return;
        };
        // Twice the mean: most are not longer.
        let wanted_bytes = (2 * mean_bytes).min(ROOM_BYTES_MAX);
        if self.out.capacity() - self.out.len() < wanted_bytes {
            let left = self.operations.saturating_sub(answers);
            let all_bytes = left.saturating_mul(mean_bytes).min(ROOM_BYTES_MAX);
            self.out.reserve(wanted_bytes.max(all_bytes));
        }
    }

    /// Check what was done since the last time.
    fn leave(&mut self, visit: &Visit<'_>) {
        for (operation, outcome) in visit.leave() {
            self.failed
                .push((operation, Failure::LeaseExpired(outcome)));
        }
    }

    /// Of the next operation.
    fn place(&self) -> Place {
        Place {
            operation: self.answers.len(),
            key: 0,
        }
    }

    fn attempt<O: Operation>(
        &mut self,
        visit: &Visit<'_>,
        may: May<'_>,
        asked: &O,
        partition: u32,
    ) -> Result<Option<Commit>, Fault> {
        let allowed = may.check(O::RIGHT, asked.key());
        let checked = allowed.and_then(|()| asked.check(&self.node));
        checked.map_err(Fault::Failed)?;
        if !self.waiting.is_empty() && self.waiting.contains(&partition) {
            return Err(Fault::Elsewhere);
        }
        if O::EFFECT == Effect::Read && self.len() > self.node.limits.response_bytes_max {
            return Err(Fault::Failed(too_large(&self.node)));
        }
        let frame = match self.kind {
            Kind::MGet | Kind::MSet => Frame::Entry,
            Kind::Execute => Frame::Result(O::RESULT_FIELD),
        };
        asked.answer(visit, partition, frame, &mut self.out)
    }

    /// The next operation, a Del.
    pub(super) fn add_del(&mut self, may: May<'_>, asked: v1::DelRequest) {
        let checked = del::check(&self.node, may, &asked).and_then(|()| del::ack(&asked));
        let ack = match checked {
            Ok(ack) => ack,
            Err(failure) => return self.put(Err(failure)),
        };
        let operation = self.answers.len();
        let mut deletion = Deletion::of(asked.keys.len(), ack);
        let (waiting, commits) = (&mut self.waiting, &mut self.commits);
        // It may be of any number of keys, which would all be inside.
        let deferred = deletion.apply(
            &Visit::alone(&self.node),
            operation,
            asked.keys,
            waiting,
            commits,
        );
        if deferred.is_empty() {
            return self.put(deletion.finish().map(v1::result::Result::Del));
        }
        self.answers.push(self.len()..self.len());
        self.deferred.extend(deferred);
        self.deletions.insert(operation, deletion);
    }

    /// The next operation cannot be done at all.
    pub(super) fn add_failure(&mut self, failure: Failure) {
        self.put(Err(failure));
    }

    fn put(&mut self, outcome: Result<v1::result::Result, Failure>) {
        let start = self.len();
        put(&self.node, self.kind, outcome, &mut self.out);
        self.answers.push(start..self.len());
    }

    /// Give `out` back, with the response if nothing waits.
    pub(super) fn finish(
        mut self,
        visit: &Visit<'_>,
        routed: bool,
        timeout: Option<Duration>,
        out: &mut BytesMut,
    ) -> Begun {
        self.leave(visit);
        if self.deferred.is_empty() && self.commits.is_empty() && self.failed.is_empty() {
            *out = self.out;
            return Begun::Done(Ok(()));
        }
        let own = BytesMut::from(&self.out[self.start..]);
        *out = std::mem::replace(&mut self.out, own);
        self.start = 0;
        let context = Context::new(&self.node, timeout);
        Begun::Later(Box::pin(
            async move { Ok(self.resolved(routed, context).await) },
        ))
    }

    async fn resolved(mut self, routed: bool, context: Context) -> Bytes {
        let deferred = std::mem::take(&mut self.deferred);
        let mut late: HashMap<usize, Result<v1::result::Result, Failure>> = HashMap::new();
        for (place, result) in resolve(&self.node, deferred, routed, context).await {
            let result = result.map(|(result, commit): Evaluated| {
                self.commits.extend(commit.map(|commit| (place, commit)));
                result
            });
            match self.deletions.get_mut(&place.operation) {
                Some(deletion) => {
                    let response = result.map(|result| as_del(result).unwrap_or_default());
                    deletion.take(place.key, response);
                }
                None => {
                    late.insert(place.operation, result);
                }
            }
        }
        let commits = std::mem::take(&mut self.commits);
        for (place, failure) in self.node.all_confirmed(commits, context).await {
            match self.deletions.get_mut(&place.operation) {
                Some(deletion) => deletion.take(place.key, Err(failure)),
                // Of a Del that was done at once, too: it fails as a whole.
                None => {
                    late.insert(place.operation, Err(failure));
                }
            }
        }
        for (operation, deletion) in self.deletions.drain() {
            late.insert(operation, deletion.finish().map(v1::result::Result::Del));
        }
        // Whatever became of them besides.
        late.extend(
            self.failed
                .drain(..)
                .map(|(it, failure)| (it, Err(failure))),
        );
        let mut whole = BytesMut::with_capacity(self.out.len());
        whole.extend_from_slice(&self.out[..self.prefix]);
        for (operation, written) in self.answers.into_iter().enumerate() {
            match late.remove(&operation) {
                None => whole.extend_from_slice(&self.out[written]),
                Some(Ok(v1::result::Result::Get(_)))
                    if whole.len() > self.node.limits.response_bytes_max =>
                {
                    put(
                        &self.node,
                        self.kind,
                        Err(too_large(&self.node)),
                        &mut whole,
                    );
                }
                Some(outcome) => put(&self.node, self.kind, outcome, &mut whole),
            }
        }
        whole.freeze()
    }
}

/// Write one answer as this kind of response holds it.
fn put(node: &Node, kind: Kind, outcome: Result<v1::result::Result, Failure>, out: &mut BytesMut) {
    use v1::result::Result::{Del, Error, Get, Incr, ReleaseFill, Set, Touch};
    let result = outcome.unwrap_or_else(|failure| {
        node.counters.failure(&failure);
        Error(told(&failure))
    });
    match (kind, result) {
        (Kind::MGet, Get(entry)) => Frame::Entry.put(&entry, out),
        (Kind::MGet, Error(error)) => {
            let status = v1::Status::Failed as i32;
            let entry = v1::GetResponse {
                status,
                error: Some(error),
                ..Default::default()
            };
            Frame::Entry.put(&entry, out);
        }
        (Kind::MSet, Set(entry)) => Frame::Entry.put(&entry, out),
        (Kind::MSet, Error(error)) => {
            let entry = v1::SetResponse {
                error: Some(error),
                ..Default::default()
            };
            Frame::Entry.put(&entry, out);
        }
        (Kind::MGet | Kind::MSet, _) => unreachable!("a batch of one verb holds no other"),
        (Kind::Execute, Get(message)) => Frame::Result(1).put(&message, out),
        (Kind::Execute, Set(message)) => Frame::Result(2).put(&message, out),
        (Kind::Execute, Del(message)) => Frame::Result(3).put(&message, out),
        (Kind::Execute, Incr(message)) => Frame::Result(4).put(&message, out),
        (Kind::Execute, Touch(message)) => Frame::Result(5).put(&message, out),
        (Kind::Execute, ReleaseFill(message)) => Frame::Result(6).put(&message, out),
        (Kind::Execute, Error(message)) => Frame::Result(15).put(&message, out),
    }
}

fn too_large(node: &Node) -> Failure {
    Failure::BatchTooLarge(format!(
        "the answer is full at {} bytes: ask for fewer keys at once",
        node.limits.response_bytes_max
    ))
}
