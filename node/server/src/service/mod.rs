//! The service: request bytes in, response bytes or a [`Failure`] out. Responses are
//! appended to a buffer of the caller's, so that a value is copied once.
//!
//! It decodes protobuf itself and knows nothing of HTTP/2, so that the transport
//! can be replaced without touching what stands here. One verb a file:
//!
//! ```text
//! one key      get set incr touch          through `single`
//!              release_fill                likewise
//!              get with a fill             `fill`
//! many keys    mget mset del execute       through `batch`
//! streams      execute, one message at a time; watch_topology, watch_invalidations,
//!              through `watching`
//! every key    invalidate_tag, over all nodes
//! who asks     allowed, for streams of answers; else each verb, by what its caller may
//! ```
//!
//! What can be answered at once is, on the caller's thread; the rest waits or goes
//! to another node in a future of its own.

mod allowed;
mod batch;
mod check;
mod del;
mod execute;
mod fill;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod get;
mod incr;
mod invalidate_tag;
mod key_error;
mod method;
mod mget;
mod mset;
mod operation;
mod release_fill;
mod resolve;
mod set;
mod single;
mod subject;
mod touch;
mod watch_invalidations;
mod watch_topology;
mod watching;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use shoal_protos::v1;

pub use method::{Method, SERVICE, Shape};
pub(crate) use release_fill::release_elsewhere;
pub(crate) use subject::subject;

use crate::access::{Asker, May, Right};
use crate::failure::Failure;
use crate::fills::Caller;
use crate::introspection::span;
use crate::node::Node;

/// The bytes of an answer, or why there is none.
pub type Outcome = Result<Bytes, Failure>;

/// An answer that waits, or comes from another node.
pub type Later = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Responses of a stream, in order.
pub type Responses = Pin<Box<dyn Stream<Item = Outcome> + Send>>;

/// What has become of a request by the time its method returns.
enum Begun {
    /// Its answer was written, or it failed.
    Done(Result<(), Failure>),
    Later(Later),
}

/// Why nothing was written.
pub enum Unanswered {
    /// The request failed.
    Failed(Failure),
    /// The answer is still to come.
    Later(Later),
}

/// `shoal.v1.Cache`, as one connection has it: what fills it holds ends with it.
pub struct CacheService {
    node: Arc<Node>,
    caller: Arc<Caller>,
}

impl CacheService {
    /// The service of a node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> CacheService {
        let caller = Caller::new(node.clone());
        CacheService { node, caller }
    }

    /// Answer one request of a unary method: append the answer to `out`. `timeout` is
    /// what the caller allows.
    ///
    /// # Errors
    /// [`Unanswered`]; what was appended is void then.
    pub fn handle(
        &self,
        method: Method,
        request: Bytes,
        timeout: Option<Duration>,
        out: &mut BytesMut,
    ) -> Result<(), Unanswered> {
        self.handle_for(May::ALL, method, request, timeout, out)
    }

    /// As `handle`, for a caller that may do so much.
    pub(crate) fn handle_for(
        &self,
        may: May<'_>,
        method: Method,
        request: Bytes,
        timeout: Option<Duration>,
        out: &mut BytesMut,
    ) -> Result<(), Unanswered> {
        let node = &self.node;
        node.introspection.request(method);
        span::begin();
        let asked = request.clone();
        let begun = match method {
            Method::Get => get::handle(&self.caller, may, request, timeout, out),
            Method::Set => single::handle::<v1::SetRequest>(node, may, request, timeout, out),
            Method::Incr => single::handle::<v1::IncrRequest>(node, may, request, timeout, out),
            Method::Touch => single::handle::<v1::TouchRequest>(node, may, request, timeout, out),
            Method::ReleaseFill => {
                single::handle::<v1::ReleaseFillRequest>(node, may, request, timeout, out)
            }
            Method::Del => del::handle(node, may, request, timeout, out),
            Method::MGet => mget::handle(node, may, request, timeout, out),
            Method::MSet => mset::handle(node, may, request, timeout, out),
            Method::InvalidateTag => invalidate_tag::handle(node, may, request, timeout, out),
            Method::Execute | Method::WatchTopology | Method::WatchInvalidations => {
                let what = format!("{} is a stream: call it as one", method.name());
                Begun::Done(Err(Failure::Malformed(what)))
            }
        };
        timed(node, method, asked, begun)
    }

    /// The failure of a request that was too long to be read.
    #[must_use]
    pub fn too_long(&self, method: Method, bytes: usize) -> Failure {
        let max = self.node.limits.message_bytes_max;
        self.unread(
            method,
            match method {
                Method::Set => Failure::ValueTooLarge {
                    bytes,
                    max: self.node.value_bytes_max,
                },
                _ => Failure::BatchTooLarge(format!(
                    "the request has {bytes} bytes and may have {max}: send it in parts"
                )),
            },
        )
    }

    /// The failure of a request that was not one whole message.
    #[must_use]
    pub fn not_one_message(&self, method: Method) -> Failure {
        let sentence = "the request is not one whole message: check the stub's gRPC framing";
        self.unread(method, Failure::Malformed(sentence.into()))
    }

    /// The failure of a request that was not looked at, because of who asks.
    pub(crate) fn refused(&self, method: Method, failure: Failure) -> Failure {
        self.unread(method, failure)
    }

    fn unread(&self, method: Method, failure: Failure) -> Failure {
        self.node.introspection.request(method);
        self.node.counters.failure(&failure);
        failure
    }

    /// Answer one request of a watch.
    ///
    /// # Errors
    /// Where the watch cannot begin.
    pub fn watch(&self, method: Method, request: &Bytes) -> Result<Responses, Failure> {
        self.watch_for(None, method, request)
    }

    /// As `watch`, for this caller: None may do everything.
    pub(crate) fn watch_for(
        &self,
        asker: Option<Arc<Asker>>,
        method: Method,
        request: &Bytes,
    ) -> Result<Responses, Failure> {
        self.node.introspection.request(method);
        let allowed = match &asker {
            None => Ok(()),
            Some(asker) => asker.may().and_then(|may| may.check_at_all(Right::Watch)),
        };
        let begun = allowed.and_then(|()| self.begin_watch(method, request));
        let begun = begun.map(|responses| match asker {
            None => responses,
            Some(asker) => allowed::only(&self.node, asker, method, responses),
        });
        begun.inspect_err(|failure| self.node.counters.failure(failure))
    }

    fn begin_watch(&self, method: Method, request: &Bytes) -> Result<Responses, Failure> {
        match method {
            Method::WatchTopology => watch_topology::handle(&self.node, request),
            Method::WatchInvalidations => watch_invalidations::handle(&self.node, request),
            _ => Err(Failure::Malformed(format!("{} is no watch", method.name()))),
        }
    }

    /// Answer one message of an `Execute` stream: append the answer to `out`. The
    /// stream's next message must wait until this one is answered.
    ///
    /// # Errors
    /// [`Unanswered`]; what was appended is void then.
    pub fn execute(
        &self,
        request: Bytes,
        timeout: Option<Duration>,
        out: &mut BytesMut,
    ) -> Result<(), Unanswered> {
        self.execute_for(May::ALL, request, timeout, out)
    }

    /// As `execute`, for a caller that may do so much.
    pub(crate) fn execute_for(
        &self,
        may: May<'_>,
        request: Bytes,
        timeout: Option<Duration>,
        out: &mut BytesMut,
    ) -> Result<(), Unanswered> {
        let node = &self.node;
        node.introspection.request(Method::Execute);
        span::begin();
        let asked = request.clone();
        let begun = execute::handle(node, may, request, timeout, out);
        timed(node, Method::Execute, asked, begun)
    }
}

/// Notes when it was answered, and counts the failure if it is one.
fn timed(node: &Arc<Node>, method: Method, asked: Bytes, begun: Begun) -> Result<(), Unanswered> {
    let took_ns = span::end();
    match begun {
        Begun::Done(outcome) => {
            node.introspection.answered(node, method, &asked, took_ns);
            counted(node, outcome).map_err(Unanswered::Failed)
        }
        Begun::Later(later) => {
            let node = node.clone();
            let begun_ns = node.clock.boottime_ns();
            // What waits does not hold the buffer that it was read to.
            let asked = Bytes::copy_from_slice(&asked);
            Err(Unanswered::Later(Box::pin(async move {
                let outcome = later.await;
                let took_ns = node.clock.boottime_ns().saturating_sub(begun_ns);
                node.introspection.answered(&node, method, &asked, took_ns);
                counted(&node, outcome)
            })))
        }
    }
}

fn counted<T>(node: &Node, outcome: Result<T, Failure>) -> Result<T, Failure> {
    outcome.inspect_err(|failure| node.counters.failure(failure))
}

fn malformed(message: &str) -> Failure {
    Failure::Malformed(format!(
        "the request is no {message} of shoal.v1: check the stub's version"
    ))
}
