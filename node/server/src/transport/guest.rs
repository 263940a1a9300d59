//! The standard services, and what nodes say to each other, are served by tonic: their requests go to it as those of the
//! `http` crate, with a body that is fed as its pieces come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Frame;
use shoal_http2::Head;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::access::{Asker, Right};
use crate::failure::Failure;
use crate::transport::call::{Call, Guest};
use crate::transport::ledger::{Full, Held, Ledger};
use crate::transport::session::Session;
use crate::transport::status::status;

/// One piece, counted for as long as nobody has read it.
type Piece = (Bytes, Held);

/// What a caller needs to be answered by one of these services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing: whether a node is well is no secret.
    Nothing,
    /// To be known.
    Known,
    /// To be a node.
    Peer,
}

impl Duty {
    /// Of the method at this path. Replication looks again at who asks.
    fn of(path: &str) -> Duty {
        match path.rsplit_once('/') {
            Some(("/grpc.health.v1.Health", _)) => Duty::Nothing,
            Some(("/shoal.v1.Replication", _)) => Duty::Peer,
            _ => Duty::Known,
        }
    }

    fn check(self, asker: &Asker) -> Result<(), Failure> {
        match self {
            Duty::Nothing => Ok(()),
            Duty::Known => asker.may().map(|_| ()),
            Duty::Peer => asker.may()?.check_at_all(Right::Peer),
        }
    }
}

/// The end that feeds a request's body. Dropped, it ends it.
pub(super) struct Feed {
    pieces: Option<mpsc::UnboundedSender<Piece>>,
    /// Bytes that were read and not released yet.
    read: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
}

/// The end that is read. The window of the stream bounds what stands between.
struct Fed {
    pieces: mpsc::UnboundedReceiver<Piece>,
    read: Arc<AtomicUsize>,
}

impl Feed {
    /// A body that is fed.
    pub(super) fn new(ledger: &Arc<Ledger>) -> (Feed, Body) {
        let (sender, pieces) = mpsc::unbounded_channel();
        let read = Arc::new(AtomicUsize::new(0));
        let feed = Feed {
            pieces: Some(sender),
            read: read.clone(),
            ledger: ledger.clone(),
        };
        (feed, Body::new(Fed { pieces, read }))
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Full> {
        let mut held = Held::new(&self.ledger);
        held.grow(piece.len())?;
        if let Some(pieces) = &self.pieces {
            // Nobody may want it any more.
            let _ = pieces.send((Bytes::copy_from_slice(piece), held));
        }
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.pieces = None;
    }

    /// Bytes that were read since this was asked last.
    pub(super) fn take_read(&self) -> usize {
        self.read.swap(0, Relaxed)
    }
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((piece, held)) = ready!(self.pieces.poll_recv(cx)) else {
            return Poll::Ready(None);
        };
        drop(held);
        self.read.fetch_add(piece.len(), Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// The request, as the `http` crate has it.
///
/// # Errors
/// Where it has a path or a field that the crate does not take.
pub(super) fn request(head: &Head, body: Body) -> Result<Request<Body>, Status> {
    let broken = || Status::internal("the request's path or fields cannot be read");
    let mut request = Request::builder()
        .method(head.method())
        .uri(head.path())
        .version(http::Version::HTTP_2)
        .body(body)
        .map_err(|_| broken())?;
    let headers = request.headers_mut();
    for (name, value) in head.fields() {
        let name = HeaderName::from_bytes(name).map_err(|_| broken())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| broken())?;
        headers.append(name, value);
    }
    Ok(request)
}

/// The fields of a response or its trailers, as they are sent.
pub(super) fn fields(headers: &HeaderMap) -> Vec<shoal_http2::Field<'_>> {
    let fields = headers.iter();
    fields
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
        .collect()
}

impl Session {
    pub(super) fn begin_guest(&mut self, stream: u32, is_end: bool) {
        let (mut feed, body) = Feed::new(&self.ledger);
        if is_end {
            feed.end();
        }
        let mut request = match request(self.http2.head(), body) {
            Ok(request) => request,
            Err(status) => return self.fail(stream, status),
        };
        // By the path that it is routed by, which is not all that the head may spell.
        let duty = Duty::of(request.uri().path());
        let asker = self.asker.clone().map(|asker| (asker, duty));
        if let Some((asker, duty)) = &asker
            && let Err(failure) = duty.check(asker)
        {
            self.node.counters.failure(&failure);
            return self.fail(stream, status(&failure));
        }
        request.extensions_mut().insert(self.caller.clone());
        if let Some((asker, _)) = &asker {
            request.extensions_mut().insert(asker.clone());
        }
        let response = self.standard.call(request);
        let response = async move {
            let Ok(response) = response.await;
            response
        };
        let guest = Guest {
            asker,
            feed,
            awaited: Some(self.pending.response(stream, response)),
            body: None,
        };
        self.guests.push(stream);
        self.set(stream, Call::Guest(Box::new(guest)));
    }

    pub(super) fn response(&mut self, stream: u32, response: http::Response<tonic::body::Body>) {
        let (parts, body) = response.into_parts();
        let mut head = vec![(&b":status"[..], parts.status.as_str().as_bytes())];
        head.extend(fields(&parts.headers));
        let is_end = http_body::Body::is_end_stream(&body);
        self.http2.send_head(stream, &head, is_end);
        if !is_end && let Some(Call::Guest(guest)) = self.http2.state(stream) {
            guest.awaited = Some(self.pending.piece(stream, body));
        }
    }

    /// Why this guest may be answered no longer, by the table that stands.
    fn forbidden(&mut self, stream: u32) -> Option<Failure> {
        let Some(Call::Guest(guest)) = self.http2.state(stream) else {
            return None;
        };
        let (asker, duty) = guest.asker.take()?;
        let asker = self.node.access.renewed(Some(asker))?;
        let checked = duty.check(&asker);
        guest.asker = Some((asker, duty));
        checked.err()
    }

    pub(super) fn piece(
        &mut self,
        stream: u32,
        piece: Option<Result<http_body::Frame<Bytes>, Status>>,
        body: tonic::body::Body,
    ) {
        if let Some(failure) = self.forbidden(stream) {
            return self.fail(stream, status(&failure));
        }
        let frame = match piece {
            Some(Ok(frame)) => frame,
            Some(Err(status)) => return self.fail(stream, status),
            None => return self.http2.send_end(stream, &[]),
        };
        match frame.into_data() {
            Ok(data) => self.http2.send_bytes(stream, data),
            Err(frame) => {
                let headers = frame.into_trailers().unwrap_or_default();
                return self.http2.send_end(stream, &fields(&headers));
            }
        }
        let is_sent = self.http2.stream_waiting_bytes(stream) == 0;
        if let Some(Call::Guest(guest)) = self.http2.state(stream) {
            if is_sent {
                guest.awaited = Some(self.pending.piece(stream, body));
            } else {
                guest.body = Some(body);
            }
        }
    }
}
