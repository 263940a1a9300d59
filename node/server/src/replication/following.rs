//! One stream of a follower: what it says is taken, and what there is for it is sent
//! whenever the stream can take a message.
//!
//! Nothing is queued: the transport asks for the next message when the one before has
//! gone, so that a follower which takes nothing costs one message of memory. What is
//! written meanwhile is gathered by the log.
//!
//! Under load a message for each write would cost more than the write, and one with a
//! record each of many partitions not much less. So after one was sent the next waits a
//! moment, the longer the more there is to gather ([`gather`]), unless somebody waits for
//! followers, or it took only a part of what there was.
//!
//! Messages are small beside the processor's own memory, which everything passes on its way
//! from the log to the socket: what they take of it the next requests must fetch again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame};
use shoal_protos::replication::v1;
use shoal_replication::{Next, Source};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status, Streaming};

use crate::clock::engine_now;
use crate::node::{Node, stopped};
use crate::replication::buffer::Buffer;
use crate::replication::service::Joined;

/// Under little load.
const GATHER_MIN: Duration = Duration::from_millis(1);
/// Under much.
const GATHER_MAX: Duration = Duration::from_millis(10);
/// A message of so many bytes tells of much load.
const MUCH_BYTES: usize = 4 * 1024;
/// A buffer of so many budgets is kept: budgets are passed by a record.
const KEPT_BUDGETS: usize = 2;
/// Messages of the follower that are taken before others have their turn.
const TURN: usize = 64;

/// See the module. Ends when the follower ends it, says what cannot be, or the node stops.
pub(super) struct Following {
    node: Arc<Node>,
    source: Source,
    buffer: Buffer,
    requests: Streaming<v1::FollowRequest>,
    timer: Pin<Box<Sleep>>,
    is_timed: bool,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Until then nothing is sent, if there was no more hurry than this.
    gathers_until: Option<(Instant, u64)>,
    hurried: Arc<AtomicWaker>,
    is_over: bool,
    _joined: Joined,
}

impl Following {
    pub(super) fn new(
        node: Arc<Node>,
        source: Source,
        requests: Streaming<v1::FollowRequest>,
        joined: Joined,
    ) -> Following {
        let mut stopping = node.stopping.subscribe();
        Following {
            source,
            buffer: Buffer::default(),
            requests,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            is_timed: false,
            stopping: Box::pin(async move { stopped(&mut stopping).await }),
            gathers_until: None,
            hurried: node.replication.hurry.join(),
            is_over: false,
            _joined: joined,
            node,
        }
    }

    /// Take what the follower has said. Ready when the stream is over.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        for _ in 0..TURN {
            match ready!(Pin::new(&mut self.requests).poll_next(cx)) {
                Some(Ok(request)) => {
                    let now = engine_now(self.node.clock.boottime_ns());
                    let taken = self.source.receive(&self.node.engine, request, now);
                    if let Err(hostile) = taken {
                        return Poll::Ready(Some(Status::invalid_argument(hostile.to_string())));
                    }
                }
                Some(Err(status)) => return Poll::Ready(Some(status)),
                None => return Poll::Ready(None),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next message, as it is sent.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            if self.gathers(cx) {
                return Poll::Pending;
            }
            let now = engine_now(self.node.clock.boottime_ns());
            let budget = self.node.limits.follow_bytes;
            let (engine, out) = (&self.node.engine, self.buffer.begin());
            let next = self.source.lay_next(engine, now, budget, cx.waker(), out);
            match next {
                Next::Send(()) => {
                    let message = self.buffer.finish(KEPT_BUDGETS * budget);
                    if let Some(pause) = gather(message.len(), self.source.has_more()) {
                        let hurries = self.node.replication.hurry.times();
                        self.gathers_until = Some((Instant::now() + pause, hurries));
                    }
                    return Poll::Ready(message);
                }
                Next::Later(at_ms) => {
                    let pause = Duration::from_millis(at_ms.saturating_sub(now.0).max(1));
                    if !self.poll_timer(Instant::now() + pause, cx) {
                        return Poll::Pending;
                    }
                }
                Next::Idle => {
                    self.buffer.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether it is too early for another message; then it is woken when it is not.
    fn gathers(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((until, hurries)) = self.gathers_until else {
            return false;
        };
        let hurry = &self.node.replication.hurry;
        self.hurried.register(cx.waker());
        // After the waker is there, so that no hurry is lost.
        if hurry.times() == hurries && Instant::now() < until && !self.poll_timer(until, cx) {
            return true;
        }
        self.gathers_until = None;
        false
    }

    /// Whether it is that late; if not, it is woken then.
    fn poll_timer(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        if !self.is_timed || self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
            self.is_timed = true;
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}

/// How long to wait after a message of so many bytes.
fn gather(bytes: usize, has_more: bool) -> Option<Duration> {
    match bytes {
        _ if has_more => None,
        _ if bytes >= MUCH_BYTES => Some(GATHER_MAX),
        _ => Some(GATHER_MIN),
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.node.replication.hurry.leave(&self.hurried);
    }
}

/// The response's body. Where the follower is at fault it ends with what that is.
impl Body for Following {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let end = if this.stopping.as_mut().poll(cx).is_ready() {
            None
        } else if let Poll::Ready(end) = this.poll_requests(cx) {
            end
        } else {
            let message = ready!(this.poll_message(cx));
            return Poll::Ready(Some(Ok(Frame::data(message))));
        };
        this.is_over = true;
        Poll::Ready(Some(match end {
            Some(status) => Err(status),
            None => trailers(),
        }))
    }
}

fn trailers() -> Result<Frame<Bytes>, Status> {
    let mut trailers = http::HeaderMap::new();
    Status::new(Code::Ok, "").add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}
