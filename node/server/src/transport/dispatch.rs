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
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{Status, Streaming};
use tower_service::Service;

use crate::service::{Answer, CacheService, Method, Responses, Shape};
use crate::transport::RawCodec;
use crate::transport::status::status;

/// Serves the requests of one connection.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) cache: CacheService,
    pub(super) standard: Routes,
    pub(super) message_bytes_max: usize,
    /// Requests of this connection so far.
    pub(super) requests: Arc<AtomicU64>,
}

type Served = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Served;

    fn call(&self, request: Request<Incoming>) -> Served {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path();
        let Some(name) = path.strip_prefix("/shoal.v1.Cache/") else {
            let answer = self.standard.clone().call(request.map(Body::new));
            return Box::pin(answer);
        };
        let Some(method) = Method::named(name) else {
            let unknown = Status::unimplemented("shoal.v1.Cache has no such method");
            return Box::pin(ready(Ok(unknown.into_http())));
        };
        let call = Call {
            cache: self.cache.clone(),
            method,
            timeout: timeout(request.headers()),
        };
        let mut grpc = Grpc::new(RawCodec)
            .max_decoding_message_size(self.message_bytes_max)
            .max_encoding_message_size(usize::MAX);
        Box::pin(async move {
            Ok(match method.shape() {
                Shape::Unary => grpc.unary(call, request).await,
                Shape::Watch => grpc.server_streaming(call, request).await,
                Shape::Stream => grpc.streaming(call, request).await,
            })
        })
    }
}

/// One call of a method of the cache.
struct Call {
    cache: CacheService,
    method: Method,
    timeout: Option<Duration>,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = Told;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Told {
        Told(
            self.cache
                .handle(self.method, request.into_inner(), self.timeout),
        )
    }
}

/// An answer, in tonic's words.
struct Told(Answer);

impl Future for Told {
    type Output = Result<tonic::Response<Bytes>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.0).poll(cx);
        polled.map(|outcome| match outcome {
            Ok(response) => Ok(tonic::Response::new(response)),
            Err(failure) => Err(status(&failure)),
        })
    }
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

/// The `grpc-timeout` of a request: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::timeout;
    use http::HeaderMap;
    use std::time::Duration;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        timeout(&headers)
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        for wrong in ["", "m", "5", "123456789m", "-1m", "5x", "1.5S"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
