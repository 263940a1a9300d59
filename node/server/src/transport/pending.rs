//! What a connection waits for besides its socket: answers that were not there at once,
//! the next message of a watch, the responses of the standard services, the time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use http::Response;
use http_body::Body as _;
use tonic::Status;
use tonic::body::Body;

use crate::service::{Later, Outcome, Responses};
use crate::transport::ledger::Held;

/// Something has come.
pub(super) enum Done {
    /// The answer of a unary call.
    Answer(u32, Outcome),
    /// The answer to one message of an `Execute`.
    Executed(u32, Outcome),
    /// The next message of a watch, or its end.
    Watched(u32, Option<Outcome>, Responses),
    /// The head of a response of a standard service.
    Response(u32, Box<Response<Body>>),
    /// A piece of such a response, or its end.
    Piece(
        u32,
        Option<Result<http_body::Frame<bytes::Bytes>, Status>>,
        Body,
    ),
    /// Nobody waits for it any more.
    Dropped,
    /// It is time to look after the connection.
    Tick,
    /// The node stops.
    Stopping,
}

type Waiting = Pin<Box<dyn Future<Output = Done> + Send>>;

/// Everything that one connection waits for. What belongs to a stream goes when the
/// stream's [`Awaited`] is dropped.
pub(super) struct Pending(FuturesUnordered<Waiting>);

/// A stream's claim on what it waits for.
pub(super) struct Awaited {
    handle: AbortHandle,
    /// What the request holds meanwhile.
    _held: Option<Held>,
}

impl Awaited {
    /// With the bytes of the request, which are held until it is answered.
    pub(super) fn holding(mut self, held: Held) -> Awaited {
        self._held = Some(held);
        self
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Pending {
    pub(super) fn new() -> Pending {
        Pending(FuturesUnordered::new())
    }

    /// Wait for something of the connection's.
    pub(super) fn add(&self, waiting: impl Future<Output = Done> + Send + 'static) {
        self.0.push(Box::pin(waiting));
    }

    pub(super) fn answer(&self, stream: u32, later: Later) -> Awaited {
        self.claimed(later.map(move |outcome| Done::Answer(stream, outcome)))
    }

    pub(super) fn executed(&self, stream: u32, later: Later) -> Awaited {
        self.claimed(later.map(move |outcome| Done::Executed(stream, outcome)))
    }

    pub(super) fn watched(&self, stream: u32, responses: Responses) -> Awaited {
        let next = responses.into_future();
        self.claimed(next.map(move |(next, rest)| Done::Watched(stream, next, rest)))
    }

    pub(super) fn response(
        &self,
        stream: u32,
        response: impl Future<Output = Response<Body>> + Send + 'static,
    ) -> Awaited {
        self.claimed(response.map(move |response| Done::Response(stream, Box::new(response))))
    }

    pub(super) fn piece(&self, stream: u32, mut body: Body) -> Awaited {
        self.claimed(async move {
            let piece = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            Done::Piece(stream, piece, body)
        })
    }

    /// The next that has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        match Pin::new(&mut self.0).poll_next(cx) {
            Poll::Ready(Some(done)) => Poll::Ready(done),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn claimed(&self, waiting: impl Future<Output = Done> + Send + 'static) -> Awaited {
        let (handle, registration) = AbortHandle::new_pair();
        let waiting = Abortable::new(waiting, registration);
        self.add(waiting.map(|done| done.unwrap_or(Done::Dropped)));
        Awaited {
            handle,
            _held: None,
        }
    }
}
