//! The listening socket: takes connections, up to a bound, until the node stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::node::{Node, stopped};
use crate::service::CacheService;
use crate::transport::connection;
use crate::transport::standard::Standard;

/// A bound socket.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) async fn bind(address: &str) -> io::Result<Listener> {
        Ok(Listener(TcpListener::bind(address).await?))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
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
        let (cache, routes) = (CacheService::new(node.clone()), standard.routes.clone());
        let (limits, stopping) = (node.limits.clone(), stopping.clone());
        running.spawn(async move {
            connection::serve(stream, cache, routes, limits, stopping).await;
            drop(counted);
        });
    }
    drop(listener);
    while running.join_next().await.is_some() {}
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
