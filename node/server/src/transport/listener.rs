//! The listening socket: takes connections, up to a bound, until the node stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::service::Routes;

use crate::access::Caller;
use crate::node::{Node, stopped};
use crate::tls::Tls;
use crate::transport::connection;
use crate::transport::standard::Standard;

/// Connections that may wait to be accepted, so that many can come at once, after a
/// failover or from an attacker. The kernel makes one beyond them wait for a second.
const BACKLOG: u32 = 4096;

/// A bound socket.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) async fn bind(address: &str) -> io::Result<Listener> {
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "it names no address");
        for address in tokio::net::lookup_host(address).await? {
            match listen(address) {
                Ok(listener) => return Ok(Listener(listener)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Counts a connection for as long as it is there.
struct Counted(Arc<Node>);

impl Counted {
    fn new(node: Arc<Node>) -> Option<Counted> {
        let before = connections(&node).fetch_add(1, Ordering::Relaxed);
        let counted = Counted(node);
        (before < counted.0.limits.connections_max).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        connections(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

fn connections(node: &Node) -> &AtomicUsize {
    &node.counters.connections
}

/// Serve until the node stops; then wait for the connections to end.
pub(crate) async fn serve(listener: Listener, node: Arc<Node>, standard: &Standard) {
    let mut stopping = node.stopping.subscribe();
    let mut running = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = accept(&listener) => accepted,
        };
        while running.try_join_next().is_some() {}
        // One too many is closed at once, so that the client tries another node.
        let Some(counted) = Counted::new(node.clone()) else {
            continue;
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (node, routes) = (node.clone(), standard.routes.clone());
        let stopping = stopping.clone();
        let began = Instant::now();
        running.spawn(async move {
            match node.tls.clone() {
                None => {
                    let caller = Caller::default();
                    connection::serve(stream, caller, began, node, routes, stopping).await;
                }
                // Apart, so that a connection without TLS takes no room for it.
                Some(tls) => {
                    Box::pin(serve_tls(tls, stream, began, node, routes, stopping)).await;
                }
            }
            drop(counted);
        });
    }
    drop(listener);
    while running.join_next().await.is_some() {}
}

/// As one without TLS, after a handshake: its time counts with that to the first request.
async fn serve_tls(
    tls: Arc<Tls>,
    socket: TcpStream,
    began: Instant,
    node: Arc<Node>,
    routes: Routes,
    mut stopping: watch::Receiver<bool>,
) {
    let until = began + node.limits.handshake_timeout;
    let accepted = tokio::select! {
        () = stopped(&mut stopping) => return,
        accepted = tls.accept(socket, until) => accepted,
    };
    // Whoever fails at it is told why by TLS itself.
    if let Ok((stream, caller)) = accepted {
        connection::serve(stream, caller, began, node, routes, stopping).await;
    }
}

async fn accept(listener: &Listener) -> TcpStream {
    loop {
        match listener.0.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, mostly: give others time to close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
