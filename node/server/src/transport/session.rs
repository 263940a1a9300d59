//! gRPC on one HTTP/2 connection, without the socket: events become calls, calls are
//! answered, answers go back.
//!
//! A unary call that came whole is answered where it is received, straight into the
//! bytes to be sent. What cannot be is waited for ([`Pending`]); while it waits, the
//! stream's [`Call`] holds its claim, so that a stream that is reset drops it.
//!
//! Bounds: a call waits for its turn while too much of other answers waits for the
//! peer's windows; see `patience` and [`Ledger`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use shoal_http2::{Connection, Event, Field, StaticField};
use tonic::Status;
use tonic::service::Routes;

use crate::access::{Asker, Caller, May, is_same};
use crate::failure::Failure;
use crate::node::Node;
use crate::service::{CacheService, Method, Shape, Unanswered};
use crate::transport::call::{Asking, Call, Execute};
use crate::transport::framing::{self, Broken, Unframed};
use crate::transport::guest;
use crate::transport::ledger::{Held, Ledger};
use crate::transport::pending::{Done, Pending};
use crate::transport::route::{Route, To};
use crate::transport::status::{status, trailers, uncompressed_only};

const CONTENT_TYPE: StaticField = (b"content-type", b"application/grpc");
const SUCCESS: StaticField = (b"grpc-status", b"0");
const FREQUENT: &[StaticField] = &[CONTENT_TYPE, SUCCESS];
const HEAD: &[Field<'static>] = &[(b":status", b"200"), CONTENT_TYPE];
const TRAILERS: &[Field<'static>] = &[SUCCESS];

/// See the module.
pub(super) struct Session {
    pub(super) http2: Connection<Call>,
    pub(super) pending: Pending,
    pub(super) cache: CacheService,
    pub(super) node: Arc<Node>,
    pub(super) standard: Routes,
    /// Who is at the other end.
    pub(super) caller: Caller,
    pub(super) ledger: Arc<Ledger>,
    pub(super) message_bytes_max: usize,
    /// The route of the head with this id.
    route: (u64, Route),
    /// Who asks by that head, where that matters.
    pub(super) asker: Option<Arc<Asker>>,
    /// What it has shown.
    shown: Option<Bytes>,
    /// Calls that wait, in the order in which they came.
    pub(super) waiting: VecDeque<u32>,
    /// Bodies that come in pieces, and since when; some may be there by now.
    pub(super) coming: VecDeque<(u32, u64)>,
    pub(super) now_ms: u64,
    /// Streams of `Execute`, some of which may be gone.
    pub(super) executing: Vec<u32>,
    /// Calls of the standard services, likewise.
    pub(super) guests: Vec<u32>,
    pub(super) is_stopping: bool,
}

impl Session {
    pub(super) fn new(node: Arc<Node>, standard: Routes, caller: Caller) -> Session {
        let limits = &node.limits;
        let nobody = Route {
            to: To::NotGrpc,
            timeout: None,
        };
        Session {
            http2: Connection::new(limits.http2.clone(), FREQUENT),
            pending: Pending::new(),
            cache: CacheService::new(node.clone()),
            standard,
            caller,
            ledger: Ledger::new(node.clone()),
            // Forwarded batches grow a little by being put into operations.
            message_bytes_max: limits.message_bytes_max + (1 << 20),
            route: (0, nobody),
            asker: None,
            shown: None,
            waiting: VecDeque::new(),
            coming: VecDeque::new(),
            now_ms: 0,
            executing: Vec::new(),
            guests: Vec::new(),
            is_stopping: false,
            node,
        }
    }

    /// Take what was received, until more is to be sent than may be held back. Returns
    /// whether it was taken up to the last whole frame.
    pub(super) fn receive(&mut self, input: &mut Bytes, now_ms: u64) -> bool {
        self.now_ms = now_ms;
        while self.http2.unsent_bytes() < self.node.limits.http2.outbox_bytes_max {
            let received = self.http2.receive(input, now_ms);
            let consumed = received.consumed;
            match received.event {
                None => {
                    let _ = input.split_to(consumed);
                    return true;
                }
                Some(Event::Head { stream, is_end }) => self.head(stream, is_end),
                Some(Event::Data {
                    stream,
                    bytes,
                    is_end,
                }) => {
                    let piece = input.slice_ref(bytes);
                    self.data(stream, piece, is_end);
                }
                Some(Event::Reset { .. } | Event::Broken(_)) => {}
            }
            let _ = input.split_to(consumed);
        }
        false
    }

    /// Take what was waited for, as much as there is, or until it is time to look after
    /// the connection: then it returns true, and is to be called again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(done) = self.pending.poll(cx) {
            match done {
                Done::Answer(stream, outcome) => self.answered(stream, outcome),
                Done::Executed(stream, outcome) => self.executed(stream, outcome),
                Done::Watched(stream, next, rest) => self.watched(stream, next, rest),
                Done::Response(stream, response) => self.response(stream, *response),
                Done::Piece(stream, piece, body) => self.piece(stream, piece, body),
                Done::Dropped => {}
                Done::Tick => return true,
                Done::Stopping => self.stop(),
            }
        }
        false
    }

    /// Go on with what waited for bytes to be sent.
    pub(super) fn go_on(&mut self) {
        while let Some(stream) = self.http2.next_drained() {
            self.drained(stream);
        }
        self.give_turns();
        self.end_late_bodies();
        for at in (0..self.guests.len()).rev() {
            let stream = self.guests[at];
            match self.http2.state(stream) {
                Some(Call::Guest(guest)) => {
                    let read = guest.feed.take_read();
                    if read > 0 {
                        self.http2.release(stream, read);
                    }
                }
                _ => {
                    self.guests.swap_remove(at);
                }
            }
        }
        self.ledger.set_answers(self.http2.waiting_bytes());
    }

    fn head(&mut self, stream: u32, is_end: bool) {
        let head = self.http2.head();
        let is_new = self.route.0 != head.id();
        if is_new {
            self.route = (head.id(), Route::of(head));
        }
        if self.node.access.is_set() {
            self.recognize(is_new);
        }
        let Route { to, timeout } = self.route.1;
        // Of what nobody knows who asks for it nothing is kept.
        if let Some(asker) = &self.asker
            && to.is_the_caches()
            && let Err(failure) = asker.may()
        {
            self.node.counters.failure(&failure);
            return self.fail(stream, status(&failure));
        }
        match to {
            To::Cache(method) => {
                if is_end {
                    return self.refuse(stream, method, Broken::NotOne);
                }
                self.set(
                    stream,
                    Call::Asking(Box::new(Asking {
                        asker: self.asker.clone(),
                        method,
                        timeout,
                        message: Unframed::new(&self.ledger, self.message_bytes_max),
                    })),
                );
            }
            To::Execute => self.begin_execute(stream, timeout, is_end),
            To::Standard => self.begin_guest(stream, is_end),
            To::NoSuchMethod => {
                let sentence = "shoal.v1.Cache has no such method";
                self.fail(stream, Status::unimplemented(sentence));
            }
            To::Compressed => self.fail(stream, uncompressed_only()),
            To::NotPost => self.not_grpc(stream, b"405"),
            To::NotGrpc => self.not_grpc(stream, b"415"),
        }
    }

    /// Who asks by the head that has come. Heads differ in their timeouts mostly, so that
    /// the one before is looked at first.
    fn recognize(&mut self, is_new: bool) {
        let access = &self.node.access;
        let is_current = access.is_current(self.asker.as_deref());
        if is_current && !is_new {
            return;
        }
        let shown = self.http2.head().get(b"authorization");
        let is_same = match (&self.shown, shown) {
            (None, None) => true,
            (Some(before), Some(shown)) => is_same(before, shown),
            _ => false,
        };
        if !is_current || !is_same {
            self.asker = access.asker(shown, &self.caller);
            self.shown = shown.map(Bytes::copy_from_slice);
        }
    }

    fn data(&mut self, stream: u32, piece: Bytes, is_end: bool) {
        let Some(call) = self.http2.state(stream) else {
            return;
        };
        match call {
            Call::Asking(asking) if is_end => {
                let (method, timeout) = (asking.method, asking.timeout);
                let asker = asking.asker.take();
                match asking.message.last(piece) {
                    Ok(message) => self.asked(stream, asker, method, timeout, message),
                    Err(broken) => self.refuse(stream, method, broken),
                }
            }
            Call::Asking(asking) => {
                let method = asking.method;
                let is_first = asking.message.is_empty();
                let kept = asking.message.push(&piece);
                match kept.and_then(|()| asking.message.check_one()) {
                    Ok(()) => {
                        self.http2.release(stream, piece.len());
                        if is_first {
                            self.body_begins(stream);
                        }
                    }
                    Err(broken) => self.refuse(stream, method, broken),
                }
            }
            Call::Execute(_) => self.execute(stream, piece, is_end),
            Call::Guest(guest) => {
                let pushed = guest.feed.push(&piece);
                if is_end {
                    guest.feed.end();
                }
                if pushed.is_err() {
                    self.fail(stream, status(&full()));
                }
            }
            Call::Idle | Call::Waiting(_) | Call::Answering { .. } | Call::Watching(_) => {}
        }
    }

    pub(super) fn answer(
        &mut self,
        stream: u32,
        asker: Option<Arc<Asker>>,
        method: Method,
        timeout: Option<Duration>,
        message: Bytes,
    ) {
        let asker = self.node.access.renewed(asker);
        if method.shape() == Shape::Watch {
            return match self.cache.watch_for(asker, method, &message) {
                Ok(responses) => {
                    self.http2.send_head(stream, HEAD, false);
                    let awaited = self.pending.watched(stream, responses);
                    self.set(stream, Call::Answering { _awaited: awaited });
                }
                Err(failure) => self.fail(stream, status(&failure)),
            };
        }
        let may = match asker.as_deref().map_or(Ok(May::ALL), Asker::may) {
            Ok(may) => may,
            Err(failure) => return self.forbid(stream, method, failure),
        };
        let bytes = message.len();
        let cache = &self.cache;
        let written = self.http2.respond(stream, HEAD, TRAILERS, |out| {
            framing::put(out, |out| {
                cache.handle_for(may, method, message, timeout, out)
            })
        });
        match written {
            Ok(()) => self.drop_if_over(stream),
            Err(Unanswered::Failed(failure)) => self.fail(stream, status(&failure)),
            Err(Unanswered::Later(later)) => {
                let held = Held::of(&self.ledger, bytes);
                let awaited = self.pending.answer(stream, later).holding(held);
                self.set(stream, Call::Answering { _awaited: awaited });
            }
        }
    }

    fn answered(&mut self, stream: u32, outcome: Result<Bytes, Failure>) {
        match outcome {
            Ok(message) => {
                let Ok(()) = self
                    .http2
                    .respond(stream, HEAD, TRAILERS, |out| whole(out, &message));
                self.drop_if_over(stream);
            }
            Err(failure) => self.fail(stream, status(&failure)),
        }
    }

    fn watched(
        &mut self,
        stream: u32,
        next: Option<Result<Bytes, Failure>>,
        rest: crate::service::Responses,
    ) {
        match next {
            Some(Ok(message)) => {
                // Shared by all watchers, so that many who are slow cost little.
                self.http2.send_bytes(stream, framing::prefix(&message));
                self.http2.send_bytes(stream, message);
                // The next one is asked for when this one was sent.
                if self.http2.stream_waiting_bytes(stream) > 0 {
                    self.set(stream, Call::Watching(rest));
                } else {
                    let awaited = self.pending.watched(stream, rest);
                    self.set(stream, Call::Answering { _awaited: awaited });
                }
            }
            Some(Err(failure)) => self.fail(stream, status(&failure)),
            None => self.http2.send_end(stream, TRAILERS),
        }
    }

    fn drained(&mut self, stream: u32) {
        let Some(call) = self.http2.state(stream) else {
            return;
        };
        match call {
            Call::Watching(_) => {
                if let Call::Watching(responses) = std::mem::take(call) {
                    let awaited = self.pending.watched(stream, responses);
                    self.set(stream, Call::Answering { _awaited: awaited });
                }
            }
            Call::Execute(_) => self.execute(stream, Bytes::new(), false),
            Call::Guest(guest) => {
                if let Some(body) = guest.body.take() {
                    guest.awaited = Some(self.pending.piece(stream, body));
                }
            }
            Call::Idle | Call::Asking(_) | Call::Waiting(_) | Call::Answering { .. } => {}
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.http2.shutdown();
        self.stop_executing();
    }

    pub(super) fn set(&mut self, stream: u32, call: Call) {
        if let Some(state) = self.http2.state(stream) {
            *state = call;
        }
    }

    /// A request of which no message can be read.
    pub(super) fn refuse(&mut self, stream: u32, method: Method, broken: Broken) {
        let failure = match broken {
            Broken::Compressed => return self.fail(stream, uncompressed_only()),
            Broken::NotOne => self.cache.not_one_message(method),
            Broken::TooLong { bytes } => self.cache.too_long(method, bytes),
            Broken::Full => full(),
        };
        self.fail(stream, status(&failure));
    }

    /// A request that is not looked at, because of who asks.
    pub(super) fn forbid(&mut self, stream: u32, method: Method, failure: Failure) {
        let failure = self.cache.refused(method, failure);
        self.fail(stream, status(&failure));
    }

    /// End a stream with an error, behind what was sent of it.
    pub(super) fn fail(&mut self, stream: u32, status: Status) {
        let trailers = trailers(status);
        let mut fields = guest::fields(&trailers);
        if self.http2.is_head_sent(stream) {
            self.http2.send_end(stream, &fields);
        } else {
            fields.splice(0..0, HEAD.iter().copied());
            self.http2.send_head(stream, &fields, true);
        }
    }

    fn not_grpc(&mut self, stream: u32, code: &[u8]) {
        let head: [Field<'_>; 2] = [(b":status", code), (b"content-type", b"text/plain")];
        self.http2.send_head(stream, &head, false);
        let sentence = b"This node speaks gRPC: POST with content-type application/grpc.\n";
        self.http2.send_bytes(stream, Bytes::from_static(sentence));
        self.http2.send_end(stream, &[]);
    }

    pub(super) fn new_execute(&self, timeout: Option<Duration>, is_ended: bool) -> Execute {
        Execute {
            asker: self.asker.clone(),
            timeout,
            unframed: Unframed::new(&self.ledger, self.message_bytes_max),
            is_ended,
            awaited: None,
            is_waiting: false,
            owed_bytes: 0,
        }
    }

    pub(super) fn send_message<E>(
        &mut self,
        stream: u32,
        write: impl FnOnce(&CacheService, &mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.http2.is_head_sent(stream) {
            self.http2.send_head(stream, HEAD, false);
        }
        let cache = &self.cache;
        self.http2
            .send_body(stream, |out| framing::put(out, |out| write(cache, out)))
    }

    pub(super) fn send_success(&mut self, stream: u32) {
        if !self.http2.is_head_sent(stream) {
            self.http2.send_head(stream, HEAD, false);
        }
        self.http2.send_end(stream, TRAILERS);
    }
}

fn whole(out: &mut BytesMut, message: &Bytes) -> Result<(), Infallible> {
    framing::put(out, |out| {
        out.put_slice(message);
        Ok(())
    })
}

/// More is held for this connection, or for all, than may be.
pub(super) fn full() -> Failure {
    Failure::TooManyRequests {
        what: "bytes of requests and answers that are under way",
    }
}
