//! Requests that another node answers: sent on to it, and its answer given back.
//!
//! Connections are pooled, one a peer, and dropped when the peer leaves the
//! topology. What is known of a failed forward is kept apart: a request that was
//! never sent is `NOT_APPLIED`; a write that was sent may have been applied.

mod answer;
pub(crate) mod link;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use parking_lot::Mutex;
use tonic::client::Grpc;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Status};

pub(crate) use answer::owner_told;

use crate::failure::{Failure, Outcome};
use crate::forward::link::{Call, Link};
use crate::node::Node;
use crate::routing::{Context, Permit};
use crate::service::Method;
use crate::settings::Limits;
use crate::sync::AtomicUsize;
use crate::tls::Tls;
use crate::topology::Owner;
use crate::transport::RawCodec;

/// The connections to other nodes.
pub(crate) struct Peers {
    limits: Limits,
    tls: Option<Arc<Tls>>,
    links: Mutex<HashMap<(String, bool), Arc<Link>>>,
    token: Mutex<Option<MetadataValue<Ascii>>>,
    under_way: AtomicUsize,
    waiting: AtomicUsize,
}

/// A token that cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadToken;

impl std::fmt::Display for BadToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the token has characters that cannot travel: take letters and digits")
    }
}

impl std::error::Error for BadToken {}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Changes nothing, so that a lost answer is no unknown outcome.
    Read,
    /// May have been applied once it was sent.
    Write,
    /// As `Read`, and the other node may take its time: it has a connection and a bound of
    /// its own, so that those who wait hold up nobody else.
    Wait,
}

impl Peers {
    pub(crate) fn new(limits: &Limits, tls: Option<Arc<Tls>>) -> Peers {
        Peers {
            limits: limits.clone(),
            tls,
            links: Mutex::new(HashMap::new()),
            token: Mutex::new(None),
            under_way: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Drop the connections to whoever is not among these.
    pub(crate) fn keep_only(&self, addresses: &HashSet<String>) {
        self.links
            .lock()
            .retain(|(address, _), _| addresses.contains(address));
    }

    fn link(&self, address: &str, effect: Effect) -> Arc<Link> {
        let mut links = self.links.lock();
        let link = links.entry((address.to_owned(), effect == Effect::Wait));
        let link = link.or_insert_with(|| {
            let limits = self.limits.clone();
            Arc::new(Link::new(address.to_owned(), limits, self.tls.clone()))
        });
        link.clone()
    }

    /// Show this to other nodes from now on; None: nothing.
    ///
    /// # Errors
    /// Where it has characters that no head can carry.
    pub(crate) fn set_token(&self, token: Option<&str>) -> Result<(), BadToken> {
        let shown = token.map(|token| {
            let mut shown = MetadataValue::try_from(format!("Bearer {token}"))?;
            shown.set_sensitive(true);
            Ok(shown)
        });
        *self.token.lock() = shown
            .transpose()
            .map_err(|_: InvalidMetadataValue| BadToken)?;
        Ok(())
    }

    /// The metadata of a request to another node.
    pub(crate) fn introduced(&self) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        if let Some(token) = self.token.lock().clone() {
            metadata.insert("authorization", token);
        }
        metadata
    }

    /// The right to have one more under way.
    pub(crate) fn permit(&self, effect: Effect) -> Result<Permit<'_>, Failure> {
        let limits = &self.limits;
        let (taken, max, what) = match effect {
            Effect::Wait => (
                &self.waiting,
                limits.fill_waiters_max,
                "callers that wait for a load",
            ),
            Effect::Read | Effect::Write => {
                (&self.under_way, limits.forwards_max, "forwarded requests")
            }
        };
        Permit::take(taken, max).ok_or(Failure::TooManyRequests { what })
    }
}

/// Send one request message to the owner and wait for its one answer.
pub(crate) async fn call(
    node: &Node,
    owner: &Owner,
    method: Method,
    request: Bytes,
    effect: Effect,
    context: Context,
) -> Result<Bytes, Failure> {
    let peers = &node.peers;
    // Who waits has one for all of its wait.
    let _permit = match effect {
        Effect::Wait => None,
        Effect::Read | Effect::Write => Some(peers.permit(effect)?),
    };
    let left = context
        .remaining(node)
        .ok_or(Failure::DeadlineExceeded(Outcome::NotApplied))?;
    node.counters.forwarded();
    let mut sent = false;
    let answer = tokio::time::timeout(left, async {
        let link = peers.link(&owner.node.address, effect);
        let fail = |outcome| Failure::ForwardFailed {
            peer: owner.node.id.clone(),
            outcome,
        };
        // Twice, because an old connection may turn out to be dead without
        // having taken the request.
        for last in [false, true] {
            let call = link.call().await.map_err(|_| fail(Outcome::NotApplied))?;
            let left = context.remaining(node).unwrap_or_default();
            let mut message =
                Request::from_parts(peers.introduced(), Extensions::new(), request.clone());
            message.set_timeout(left);
            sent = true;
            match send(call, link.origin(), method, message, &peers.limits).await {
                Err(status) if link::was_never_sent(&status) => {
                    sent = false;
                    link.forget();
                    if last {
                        return Err(fail(Outcome::NotApplied));
                    }
                }
                // This node is not trusted there; of the caller that says nothing.
                Err(status) if is_refusal(&status) => return Err(fail(Outcome::NotApplied)),
                Err(status) => return Err(answer::failure(&status, fail(effect.outcome()))),
                Ok(bytes) => return Ok(bytes),
            }
        }
        Err(fail(Outcome::NotApplied))
    })
    .await;
    answer.unwrap_or_else(|_| {
        let outcome = if sent {
            effect.outcome()
        } else {
            Outcome::NotApplied
        };
        Err(Failure::DeadlineExceeded(outcome))
    })
}

fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied
    )
}

async fn send(
    call: Call,
    origin: Option<Uri>,
    method: Method,
    message: Request<Bytes>,
    limits: &Limits,
) -> Result<Bytes, Status> {
    let no_address = || Status::unavailable("the peer's address is no HOST:PORT");
    let origin = origin.ok_or_else(no_address)?;
    let mut grpc = Grpc::with_origin(call, origin)
        .max_decoding_message_size(limits.response_bytes_max + limits.message_bytes_max);
    let path = http::uri::PathAndQuery::from_static(method.path());
    let answer = if method == Method::Execute {
        grpc.client_streaming(message.map(tokio_stream::once), path, RawCodec)
            .await
    } else {
        grpc.unary(message, path, RawCodec).await
    };
    answer.map(tonic::Response::into_inner)
}

impl Effect {
    /// What a lost answer means.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Effect::Read | Effect::Wait => Outcome::NotApplied,
            Effect::Write => Outcome::MaybeApplied,
        }
    }
}
