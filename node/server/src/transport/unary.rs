//! One unary call: gather the message, have it answered, frame the answer.
//!
//! By hand rather than through tonic, because this is the hot path: a request that
//! came whole and is answered here takes one poll and copies nothing.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tonic::Status;

use crate::service::{Answer, CacheService, Method};
use crate::transport::body::ResponseBody;
use crate::transport::gather::{Broken, Gathered};
use crate::transport::status::status;
use crate::transport::timeout::timeout;

/// See the module.
pub(super) struct Unary {
    cache: CacheService,
    method: Method,
    timeout: Option<Duration>,
    state: State,
}

enum State {
    Gathering(Incoming, Option<Gathered>),
    Answering(Answer),
    Refused(Option<Status>),
}

impl Unary {
    pub(super) fn new(
        cache: CacheService,
        method: Method,
        request: Request<Incoming>,
        message_bytes_max: usize,
    ) -> Unary {
        let timeout = timeout(request.headers());
        let state = if is_compressed(request.headers()) {
            State::Refused(Some(uncompressed_only()))
        } else {
            State::Gathering(request.into_body(), Some(Gathered::new(message_bytes_max)))
        };
        Unary {
            cache,
            method,
            timeout,
            state,
        }
    }

    fn refused(&self, broken: Broken) -> Status {
        match broken {
            Broken::Compressed => uncompressed_only(),
            Broken::NotOne => status(&self.cache.not_one_message(self.method)),
            Broken::TooLong { bytes } => status(&self.cache.too_long(self.method, bytes)),
        }
    }
}

impl Future for Unary {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            this.state = match &mut this.state {
                State::Gathering(body, gathered) => {
                    match ready!(poll_message(body, gathered, cx)) {
                        Ok(message) => {
                            State::Answering(this.cache.handle(this.method, message, this.timeout))
                        }
                        Err(broken) => State::Refused(Some(this.refused(broken))),
                    }
                }
                State::Answering(answer) => {
                    let outcome = ready!(Pin::new(answer).poll(cx));
                    return Poll::Ready(Ok(match outcome {
                        Ok(message) => answered(ResponseBody::message(message)),
                        Err(failure) => status(&failure).into_http(),
                    }));
                }
                State::Refused(status) => {
                    let status = status
                        .take()
                        .unwrap_or_else(|| Status::internal("polled twice"));
                    return Poll::Ready(Ok(status.into_http()));
                }
            };
        }
    }
}

fn poll_message(
    body: &mut Incoming,
    gathered: &mut Option<Gathered>,
    cx: &mut Context<'_>,
) -> Poll<Result<bytes::Bytes, Broken>> {
    loop {
        if !body.is_end_stream() {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let (Ok(piece), Some(gathered)) = (frame.into_data(), gathered.as_mut()) {
                        gathered.push(piece)?;
                    }
                    continue;
                }
                // The client went away; nobody reads the answer.
                Some(Err(_)) => return Poll::Ready(Err(Broken::NotOne)),
                None => {}
            }
        }
        let whole = gathered
            .take()
            .map_or(Err(Broken::NotOne), Gathered::finish);
        return Poll::Ready(whole);
    }
}

fn answered(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding != "identity")
}

fn uncompressed_only() -> Status {
    let mut status =
        Status::unimplemented("this node takes messages uncompressed: turn compression off");
    let accepted = HeaderName::from_static("grpc-accept-encoding");
    status
        .metadata_mut()
        .as_mut()
        .insert(accepted, HeaderValue::from_static("identity"));
    status
}
