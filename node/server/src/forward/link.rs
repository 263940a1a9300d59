//! One HTTP/2 connection to another node, made when first needed, and again when
//! it broke.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::settings::Limits;
use crate::tls::Tls;

/// The way to one peer.
pub(crate) struct Link {
    address: String,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    sender: Mutex<Option<SendRequest<Body>>>,
    /// Held while connecting, so that one connects and the others wait.
    connecting: tokio::sync::Mutex<()>,
}

/// The peer could not be reached.
#[derive(Debug)]
pub(crate) struct Unreachable;

impl Link {
    /// `address`: HOST:PORT. With `tls`, the peer must be that host.
    pub(crate) fn new(address: String, limits: Limits, tls: Option<Arc<Tls>>) -> Link {
        Link {
            address,
            limits,
            tls,
            sender: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    /// A connection that stands, as far as is known.
    pub(crate) async fn call(&self) -> Result<Call, Unreachable> {
        if let Some(sender) = self.standing() {
            return Ok(Call(sender));
        }
        let _alone = self.connecting.lock().await;
        if let Some(sender) = self.standing() {
            return Ok(Call(sender));
        }
        let connected = Box::pin(self.connect());
        let sender = tokio::time::timeout(self.limits.connect_timeout, connected)
            .await
            .map_err(|_| Unreachable)??;
        *self.sender.lock() = Some(sender.clone());
        Ok(Call(sender))
    }

    /// What requests name as where they go.
    pub(crate) fn origin(&self) -> Option<Uri> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = Uri::builder().scheme(scheme);
        let origin = origin.authority(self.address.as_str()).path_and_query("/");
        origin.build().ok()
    }

    /// Do not use the connection again.
    pub(super) fn forget(&self) {
        *self.sender.lock() = None;
    }

    fn standing(&self) -> Option<SendRequest<Body>> {
        self.sender
            .lock()
            .clone()
            .filter(|sender| !sender.is_closed())
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Unreachable> {
        let connected = TcpStream::connect(&self.address).await;
        let socket = connected.map_err(|_| Unreachable)?;
        socket.set_nodelay(true).map_err(|_| Unreachable)?;
        match &self.tls {
            None => self.speak(socket).await,
            Some(tls) => {
                let secured = tls.connect(&self.address, socket).await;
                self.speak(secured.map_err(|_| Unreachable)?).await
            }
        }
    }

    async fn speak<S>(&self, stream: S) -> Result<SendRequest<Body>, Unreachable>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(8 << 20)
            .keep_alive_interval(self.limits.peer_keepalive_interval)
            .keep_alive_timeout(self.limits.peer_keepalive_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Unreachable)?;
        // Ends when the peer closes, and when the last sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The right to send one request on a connection.
pub(crate) struct Call(SendRequest<Body>);

/// The connection closed before it took the request.
#[derive(Debug)]
struct NeverSent;

impl fmt::Display for NeverSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection closed before it took the request")
    }
}

impl Error for NeverSent {}

/// Whether the status tells of a request that no other node has seen.
pub(super) fn was_never_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<NeverSent>() {
            return true;
        }
        cause = error.source();
    }
    false
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Request<Body>> for Call {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.try_send_request(request);
        Box::pin(async move {
            answer.await.map_err(|mut failed| -> BoxError {
                match failed.take_message() {
                    Some(_) => Box::new(NeverSent),
                    None => Box::new(failed.into_error()),
                }
            })
        })
    }
}
