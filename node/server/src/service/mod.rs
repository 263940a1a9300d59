//! The service: request bytes in, response bytes or a [`Failure`] out.
//!
//! It decodes protobuf itself and knows nothing of HTTP/2, so that the transport
//! can be replaced without touching what stands here. One verb a file:
//!
//! ```text
//! one key      get set incr touch          through `single`
//! many keys    mget mset del execute       through `batch`
//! streams      execute, watch_topology, watch_invalidations
//! not yet      invalidate_tag, watch_invalidations
//! ```
//!
//! What can be answered at once is, on the caller's thread; the rest waits or goes
//! to another node in a future of its own.

mod batch;
mod check;
mod del;
mod execute;
mod get;
mod incr;
mod invalidate_tag;
mod key_error;
mod method;
mod mget;
mod mset;
mod operation;
mod resolve;
mod set;
mod single;
mod touch;
mod watch_invalidations;
mod watch_topology;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use shoal_protos::v1;

pub use method::{Method, SERVICE, Shape};

use crate::failure::Failure;
use crate::node::Node;

type Outcome = Result<Bytes, Failure>;
type Later = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Responses of a stream, in order.
pub type Responses = Pin<Box<dyn Stream<Item = Outcome> + Send>>;

/// What has become of a request by the time its method returns.
enum Begun {
    Done(Outcome),
    Later(Later),
}

/// `shoal.v1.Cache`.
#[derive(Clone)]
pub struct CacheService {
    node: Arc<Node>,
}

/// The answer to come; often it is there at once.
pub struct Answer(Option<Begun>);

impl CacheService {
    /// The service of a node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> CacheService {
        CacheService { node }
    }

    /// Answer one request of a unary method. `timeout` is what the caller allows.
    #[must_use]
    pub fn handle(&self, method: Method, request: Bytes, timeout: Option<Duration>) -> Answer {
        let node = &self.node;
        node.counters.request(method);
        let begun = match method {
            Method::Get => single::handle::<v1::GetRequest>(node, request, timeout),
            Method::Set => single::handle::<v1::SetRequest>(node, request, timeout),
            Method::Incr => single::handle::<v1::IncrRequest>(node, request, timeout),
            Method::Touch => single::handle::<v1::TouchRequest>(node, request, timeout),
            Method::Del => del::handle(node, request, timeout),
            Method::MGet => mget::handle(node, request, timeout),
            Method::MSet => mset::handle(node, request, timeout),
            Method::InvalidateTag => Begun::Done(invalidate_tag::handle(&request)),
            Method::Execute | Method::WatchTopology | Method::WatchInvalidations => {
                let what = format!("{} is a stream: call it as one", method.name());
                Begun::Done(Err(Failure::Malformed(what)))
            }
        };
        match begun {
            Begun::Done(outcome) => Answer(Some(Begun::Done(counted(node, outcome)))),
            Begun::Later(later) => {
                let node = node.clone();
                let later = async move { counted(&node, later.await) };
                Answer(Some(Begun::Later(Box::pin(later))))
            }
        }
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

    fn unread(&self, method: Method, failure: Failure) -> Failure {
        self.node.counters.request(method);
        self.node.counters.failure(&failure);
        failure
    }

    /// Answer one request of a watch.
    ///
    /// # Errors
    /// Where the watch cannot begin.
    pub fn watch(&self, method: Method, request: &Bytes) -> Result<Responses, Failure> {
        self.node.counters.request(method);
        let begun = match method {
            Method::WatchTopology => watch_topology::handle(&self.node, request),
            Method::WatchInvalidations => watch_invalidations::handle(request),
            _ => Err(Failure::Malformed(format!("{} is no watch", method.name()))),
        };
        begun.inspect_err(|failure| self.node.counters.failure(failure))
    }

    /// Answer a stream of `Execute` requests, one after the other.
    #[must_use]
    pub fn execute(
        &self,
        requests: impl Stream<Item = Bytes> + Send + 'static,
        timeout: Option<Duration>,
    ) -> Responses {
        self.node.counters.request(Method::Execute);
        execute::stream(self.node.clone(), requests, timeout)
    }
}

fn counted(node: &Node, outcome: Outcome) -> Outcome {
    outcome.inspect_err(|failure| node.counters.failure(failure))
}

impl Future for Answer {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Outcome> {
        match self.0.take() {
            Some(Begun::Done(outcome)) => Poll::Ready(outcome),
            Some(Begun::Later(mut later)) => {
                let polled = later.as_mut().poll(task);
                if polled.is_pending() {
                    self.0 = Some(Begun::Later(later));
                }
                polled
            }
            None => panic!("an answer is polled once more after it was given"),
        }
    }
}

fn malformed(message: &str) -> Failure {
    Failure::Malformed(format!(
        "the request is no {message} of shoal.v1: check the stub's version"
    ))
}
