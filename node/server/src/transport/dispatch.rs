//! From an HTTP/2 request to a method of the cache, or to the standard services.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, StreamingService};
use tonic::service::Routes;
use tonic::{Status, Streaming};
use tower_service::Service;

use crate::service::{CacheService, Method, Responses, Shape};
use crate::transport::RawCodec;
use crate::transport::body::ResponseBody;
use crate::transport::status::status;
use crate::transport::timeout::timeout;
use crate::transport::unary::Unary;

/// Serves the requests of one connection.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) cache: CacheService,
    pub(super) standard: Routes,
    pub(super) message_bytes_max: usize,
    /// Requests of this connection so far.
    pub(super) requests: Arc<AtomicU64>,
}

type Outcome = Result<Response<ResponseBody>, Infallible>;

/// A request that is being served.
pub(super) enum Served {
    /// A unary method of the cache.
    AtOnce(Unary),
    /// Anything else.
    Slowly(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Future for Served {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.get_mut() {
            Served::AtOnce(unary) => Pin::new(unary).poll(cx),
            Served::Slowly(future) => future.as_mut().poll(cx),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Served;

    fn call(&self, request: Request<Incoming>) -> Served {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path();
        let Some(name) = path.strip_prefix("/shoal.v1.Cache/") else {
            let answer = self.standard.clone().call(request.map(Body::new));
            return Served::Slowly(Box::pin(async move {
                Ok(answer.await?.map(ResponseBody::Tonic))
            }));
        };
        let Some(method) = Method::named(name) else {
            let unknown = Status::unimplemented("shoal.v1.Cache has no such method");
            return Served::Slowly(Box::pin(ready(Ok(unknown.into_http()))));
        };
        if method.shape() == Shape::Unary {
            let max = self.message_bytes_max;
            return Served::AtOnce(Unary::new(self.cache.clone(), method, request, max));
        }
        let timeout = timeout(request.headers());
        let call = Call {
            cache: self.cache.clone(),
            method,
            timeout,
        };
        let mut grpc = Grpc::new(RawCodec)
            .max_decoding_message_size(self.message_bytes_max)
            .max_encoding_message_size(usize::MAX);
        Served::Slowly(Box::pin(async move {
            let response = if method.shape() == Shape::Watch {
                grpc.server_streaming(call, request).await
            } else {
                grpc.streaming(call, request).await
            };
            Ok(response.map(ResponseBody::Tonic))
        }))
    }
}

/// One call of a method that streams.
struct Call {
    cache: CacheService,
    method: Method,
    timeout: Option<Duration>,
}

type Messages = Pin<Box<dyn futures_core::Stream<Item = Result<Bytes, Status>> + Send>>;

fn messages(responses: Responses) -> Messages {
    Box::pin(responses.map_err(|failure| status(&failure)))
}

impl ServerStreamingService<Bytes> for Call {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = std::future::Ready<Result<tonic::Response<Messages>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        ready(match self.cache.watch(self.method, request.get_ref()) {
            Ok(responses) => Ok(tonic::Response::new(messages(responses))),
            Err(failure) => Err(status(&failure)),
        })
    }
}

impl StreamingService<Bytes> for Call {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = std::future::Ready<Result<tonic::Response<Messages>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        // A message that breaks gRPC's own framing or bounds ends the stream; its
        // status follows the answers to what came before.
        let broken = Arc::new(Mutex::new(None));
        let breaks = broken.clone();
        let requests = tokio_stream::StreamExt::map_while(request.into_inner(), move |m| match m {
            Ok(message) => Some(message),
            Err(status) => {
                *breaks.lock() = Some(status);
                None
            }
        });
        let answers = messages(self.cache.execute(requests, self.timeout));
        let last = stream::poll_fn(move |_| Poll::Ready(broken.lock().take().map(Err)));
        ready(Ok(tonic::Response::new(Box::pin(answers.chain(last)))))
    }
}
