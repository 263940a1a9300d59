//! Get with `fill`: a miss is an agreement about who loads.
//!
//! Where there is a value it is answered as ever. Where there is none, the engine says
//! whether the caller loads, or waits for another; a caller that was woken reads again,
//! by the same way as everybody. Of those who find a value that is due to be refreshed one
//! is given the token with it, and nobody waits. The last look of one whose time has run out is like that
//! of one who does not wait. A node that is not the owner asks the owner without waiting,
//! and where another loads, has one caller of each key wait there for all of its own. It
//! keeps what its callers were given, to give it back at their connections' end.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_engine::{Entry, FillAsk, FillBounds, Filled, Full, NotOpen, Refused, early_permille};
use shoal_protos::v1;

use crate::commit::Commit;
use crate::failure::{Failure, Outcome as Said};
use crate::fills::{Caller, Grant, Next, Parked};
use crate::forward::{self, Effect, owner_told};
use crate::introspection::{Operation as Seeing, Outcome as Seen};
use crate::node::{Fault, Moment, Node, Reader, stopped};
use crate::routing::{Context, Located, Trail};
use crate::service::wire::{Found, Frame, add_fill_token, add_grant};
use crate::service::{Begun, Method, Outcome, check, get};
use crate::topology::Owner;
use crate::visit::Visit;

/// One request under way.
struct Asking {
    caller: Arc<Caller>,
    asked: v1::GetRequest,
    partition: u32,
    lease_ms: u64,
    beta: f64,
    fresh_only: bool,
    refresh_only: bool,
    context: Context,
    /// Until when it waits for another's load.
    wait: Context,
}

/// What a look at this node's data has come to.
enum Looked {
    /// The answer was written, and is given once this holds. With a grant it shall load the
    /// next value.
    Answered(Option<Grant>, Option<Commit>),
    /// It shall load, and is told so once this holds.
    Given(Grant, Option<Commit>),
    Waits(Parked),
}

/// The same, before it is known whether this node may say so.
enum Here {
    /// Whoever has a grant is to refresh it.
    Found(Option<Grant>),
    Held,
    Given(Grant),
    Waits(Parked),
    Failed(Fault),
}

pub(super) fn handle(
    caller: &Arc<Caller>,
    asked: v1::GetRequest,
    fill: v1::Fill,
    timeout: Option<Duration>,
    out: &mut BytesMut,
) -> Begun {
    let asking = match Asking::new(caller, asked, fill, timeout) {
        Ok(asking) => asking,
        Err(failure) => return Begun::Done(Err(failure)),
    };
    let start = out.len();
    match asking.look(fill.wait_ms > 0, out) {
        Ok(Looked::Answered(grant, None)) => {
            put_grant(grant, out);
            Begun::Done(Ok(()))
        }
        Ok(Looked::Given(grant, None)) => {
            Frame::Bare.put(&asking.given(grant), out);
            Begun::Done(Ok(()))
        }
        Err(Fault::Failed(failure)) => Begun::Done(Err(failure)),
        Ok(Looked::Answered(grant, Some(commit))) => {
            let mut response = BytesMut::from(&out[start..]);
            out.truncate(start);
            Begun::Later(Box::pin(async move {
                let (node, context) = (asking.node(), asking.context);
                node.confirmed(commit, context).await?;
                put_grant(grant, &mut response);
                Ok(response.freeze())
            }))
        }
        looked => Begun::Later(Box::pin(asking.kept().go_on(looked))),
    }
}

impl Asking {
    fn new(
        caller: &Arc<Caller>,
        asked: v1::GetRequest,
        fill: v1::Fill,
        timeout: Option<Duration>,
    ) -> Result<Asking, Failure> {
        let node = &caller.node;
        check::key(node, &asked.key)?;
        check::reader(asked.read, asked.at_least)?;
        let check::Fill {
            lease,
            wait,
            beta,
            fresh_only,
            refresh_only,
        } = check::fill(node, fill)?;
        // Who says nothing of a deadline is answered once its wait is over.
        let timeout = timeout.unwrap_or_else(|| wait + node.limits.default_deadline);
        Ok(Asking {
            caller: caller.clone(),
            partition: node.partition_of(&asked.key),
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            beta,
            fresh_only,
            refresh_only,
            context: Context::new(node, Some(timeout)),
            wait: Context::new(node, Some(wait.min(timeout))),
            asked,
        })
    }

    /// What waits does not hold the buffer that it was read to.
    fn kept(mut self) -> Asking {
        self.asked.key = Bytes::copy_from_slice(&self.asked.key);
        self
    }

    fn node(&self) -> &Node {
        &self.caller.node
    }

    /// Read here, or agree here. Writes the answer, if it is one, to `out`.
    fn look(&self, waits: bool, out: &mut BytesMut) -> Result<Looked, Fault> {
        let (node, partition) = (self.node(), self.partition);
        let reader = check::reader(self.asked.read, self.asked.at_least);
        if reader.map_err(Fault::Failed)? != Reader::Primary {
            let start = out.len();
            match get::answer_found(&self.asked, node, partition, out) {
                Ok(true) => return Ok(Looked::Answered(None, None)),
                Err(fault @ Fault::Failed(_)) => return Err(fault),
                // What this copy does not have, the owner is asked for.
                Ok(false) | Err(Fault::Elsewhere | Fault::Behind(_)) => out.truncate(start),
            }
        }
        let mut seen = Seen::Miss;
        let mut near_ms = 0;
        let visit = Visit::alone(node);
        let here = visit.read(partition, &self.asked.key, Reader::Primary, |moment| {
            let near = get::grant(&self.asked, node, partition, moment);
            self.agree(waits, moment, |entry| {
                seen = get::seen(&entry, false);
                let found = get::found(entry, moment, near);
                near_ms = found.near_ms;
                // Nobody knows yet whether it comes with a token.
                Found {
                    near_ms: 0,
                    ..found
                }
                .put(Frame::Bare, out);
            })
        });
        let here = match here {
            Ok(_) if get::asks_for_later(&self.asked, node, partition) => {
                Err(Fault::Failed(Failure::LeaseExpired(Said::NotApplied)))
            }
            Ok((Here::Failed(fault), _)) => Err(fault),
            // It counts as what it will be answered.
            Ok((Here::Waits(parked), _)) => return Ok(Looked::Waits(parked)),
            here => here,
        };
        let introspection = &node.introspection;
        let key = &self.asked.key;
        let (here, mut commit) =
            introspection.evaluated(Seeing::Get, partition, key, here, |_| seen)?;
        if !matches!(here, Here::Found(_)) {
            commit = node.unconfirmed_invalidation(partition, commit);
        }
        if let Here::Given(grant) = here {
            return Ok(Looked::Given(grant, commit));
        }
        let grant = match here {
            Here::Found(None) => {
                add_grant(near_ms, out);
                None
            }
            Here::Found(grant) => grant,
            _ => {
                Frame::Bare.put(&self.miss(), out);
                None
            }
        };
        Ok(Looked::Answered(grant, commit))
    }

    fn agree(
        &self,
        waits: bool,
        moment: Moment,
        read: impl FnOnce(Entry<'_>),
    ) -> Result<Here, NotOpen> {
        let (node, caller, partition) = (self.node(), &self.caller, self.partition);
        let key = || Bytes::copy_from_slice(&self.asked.key);
        let ask = self.ask(waits);
        let engine = &node.engine;
        Ok(
            match engine.get_or_fill(partition, &self.asked.key, &ask, moment.now, read) {
                Ok(Filled::Found(())) => Here::Found(None),
                Ok(Filled::Refresh((), token)) => {
                    Here::Found(Some(Grant::new(caller, partition, key(), token)))
                }
                Ok(Filled::Held) => Here::Held,
                Ok(Filled::Given(token)) => {
                    Here::Given(Grant::new(caller, partition, key(), token))
                }
                Ok(Filled::Waits(number)) => {
                    Here::Waits(Parked::new(caller, partition, key(), number, ask))
                }
                Ok(Filled::Full(full)) => Here::Failed(Fault::Failed(too_many(full))),
                Err(Refused::NotOpen) => return Err(NotOpen),
                Err(refused) => Here::Failed(node.fault(refused)),
            },
        )
    }

    async fn go_on(self, mut looked: Result<Looked, Fault>) -> Outcome {
        let node = self.node();
        let mut trail = Trail::default();
        let mut out = BytesMut::new();
        loop {
            match looked {
                Ok(Looked::Answered(grant, commit)) => {
                    if let Some(commit) = commit {
                        node.confirmed(commit, self.context).await?;
                    }
                    put_grant(grant, &mut out);
                    return Ok(out.freeze());
                }
                Ok(Looked::Given(grant, commit)) => {
                    if let Some(commit) = commit {
                        node.confirmed(commit, self.context).await?;
                    }
                    return Ok(self.given(grant).encode_to_vec().into());
                }
                Ok(Looked::Waits(parked)) => {
                    if let Some(grant) = self.turn(parked).await? {
                        looked = self.may_give(grant);
                        continue;
                    }
                }
                Err(Fault::Failed(failure)) => return Err(failure),
                Err(Fault::Elsewhere | Fault::Behind(_)) => {
                    let (partition, context) = (self.partition, self.context);
                    match node.locate(partition, &mut trail, context).await? {
                        Located::Here => {}
                        Located::At(owner) if self.is_told(&owner, &trail) => {
                            return Err(Failure::Moved(owner));
                        }
                        Located::At(owner) => match self.forward(&owner).await {
                            Err(failure) => match owner_told(&failure) {
                                Some(told) => trail.follow(node, &owner, told, context).await?,
                                None => return Err(failure),
                            },
                            answered => return answered,
                        },
                    }
                }
            }
            out.clear();
            looked = self.look(self.wait.remaining(node).is_some(), &mut out);
        }
    }

    /// Wait for the turn to load. None: look again.
    async fn turn(&self, mut parked: Parked) -> Result<Option<Grant>, Failure> {
        let node = self.node();
        let left = self.wait.remaining(node).unwrap_or_default();
        let mut stopping = node.stopping.subscribe();
        tokio::select! {
            biased;
            turn = &mut parked => return Ok(turn),
            () = stopped(&mut stopping) => return Err(Failure::Stopping),
            () = tokio::time::sleep(left) => {}
        }
        parked.run_out();
        Ok(None)
    }

    /// Whether this node is still the one to say whose turn it is. Else what was given is
    /// given back.
    fn may_give(&self, grant: Grant) -> Result<Looked, Fault> {
        let (node, partition, key) = (self.node(), self.partition, &self.asked.key);
        let visit = Visit::alone(node);
        let given = visit.read(partition, key, Reader::Primary, |_| Ok(grant));
        let introspection = &node.introspection;
        let (grant, commit) =
            introspection.evaluated(Seeing::Get, partition, key, given, |_| Seen::Miss)?;
        Ok(Looked::Given(grant, commit))
    }

    fn is_told(&self, owner: &Owner, trail: &Trail) -> bool {
        self.asked.routed && !self.node().hands_on(owner, trail)
    }

    /// Have the owner answer. Where another loads, wait with the others of this node who
    /// wait for that, within what is left of the wait.
    async fn forward(&self, owner: &Owner) -> Outcome {
        let node = self.node();
        let mut waiting = node.relay.join(&self.asked.key);
        let (told, answer) = self.forward_once(owner, Effect::Read).await?;
        let is_unloaded = |told: &v1::GetResponse| self.is_unloaded(told);
        let Some(left) = self.wait.remaining(node).filter(|_| is_unloaded(&told)) else {
            return Ok(answer);
        };
        let _permit = node.peers.permit(Effect::Wait)?;
        let mut stopping = node.stopping.subscribe();
        let next = tokio::select! {
            next = waiting.next() => next,
            () = stopped(&mut stopping) => return Err(Failure::Stopping),
            () = tokio::time::sleep(left) => {
                let looked = self.forward_once(owner, Effect::Read).await;
                return looked.map(|(_, answer)| answer);
            }
        };
        let turn = match next {
            Next::Told(told) => return told,
            Next::Turn(turn) => turn,
        };
        let heard = self.forward_once(owner, Effect::Wait).await;
        // A token is for one alone, and the end of this wait concerns nobody else.
        let is_for_all = heard.as_ref().map_or(true, |(told, _)| {
            told.fill_token.is_empty() && !is_unloaded(told)
        });
        let heard = heard.map(|(_, answer)| answer);
        if is_for_all {
            waiting.tell(&turn, heard.clone());
        }
        heard
    }

    async fn forward_once(
        &self,
        owner: &Owner,
        effect: Effect,
    ) -> Result<(v1::GetResponse, Bytes), Failure> {
        let node = self.node();
        let wait = match effect {
            Effect::Wait => self.wait.remaining(node).unwrap_or_default(),
            Effect::Read | Effect::Write => Duration::ZERO,
        };
        let fill = v1::Fill {
            lease_ms: i64::try_from(self.lease_ms).unwrap_or(i64::MAX),
            wait_ms: i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
            beta: Some(self.beta),
            fresh_only: self.fresh_only,
            refresh_only: self.refresh_only,
        };
        let request = v1::GetRequest {
            fill: Some(fill),
            routed: true,
            ..self.asked.clone()
        };
        let request = request.encode_to_vec().into();
        let answer = forward::call(node, owner, Method::Get, request, effect, self.context).await?;
        let told = v1::GetResponse::decode(answer.clone());
        let told = told.map_err(|_| Failure::ForwardFailed {
            peer: owner.node.id.clone(),
            outcome: Said::NotApplied,
        })?;
        if !told.fill_token.is_empty() {
            let (key, token) = (&self.asked.key, &told.fill_token);
            self.caller.holds_elsewhere(key, token, self.lease_ms);
        }
        Ok((told, answer))
    }

    fn ask(&self, waits: bool) -> FillAsk {
        let node = self.node();
        FillAsk {
            lease_ms: self.lease_ms,
            waits,
            fresh_only: self.fresh_only,
            refresh_only: self.refresh_only,
            early_permille: early_permille(self.beta, node.fill_secret()),
            holder: self.caller.id,
            secret: node.fill_secret(),
            bounds: FillBounds {
                partition_leases_max: node.limits.fill_partition_leases_max,
                leases_max: node.limits.fill_leases_max,
                waiters_max: node.limits.fill_waiters_max,
            },
        }
    }

    /// Whether there is no value that this caller takes, and another loads it.
    fn is_unloaded(&self, told: &v1::GetResponse) -> bool {
        let is_refused = match told.status() {
            v1::Status::Miss => true,
            v1::Status::Stale => self.fresh_only,
            _ => false,
        };
        is_refused && told.fill_token.is_empty()
    }

    fn miss(&self) -> v1::GetResponse {
        get::miss(&self.asked, self.node(), self.partition)
    }

    fn given(&self, grant: Grant) -> v1::GetResponse {
        v1::GetResponse {
            fill_token: grant.keep(),
            ..self.miss()
        }
    }
}

/// Tell of the grant, if there is one, in an answer that was written.
fn put_grant(grant: Option<Grant>, out: &mut BytesMut) {
    if let Some(grant) = grant {
        add_fill_token(&grant.keep(), out);
    }
}

fn too_many(full: Full) -> Failure {
    let what = match full {
        Full::Leases => "keys that are being loaded",
        Full::Waiters => "callers that wait for a load",
    };
    Failure::TooManyRequests { what }
}
