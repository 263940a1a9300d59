//! One connection, from its first byte to its last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::service::Routes;

use crate::node::stopped;
use crate::service::CacheService;
use crate::settings::Limits;
use crate::transport::coalesce::coalesced;
use crate::transport::dispatch::Dispatch;
use crate::transport::executor::HereFirst;

/// Why a connection is asked to go.
enum End {
    /// It ended by itself.
    Closed,
    /// It never brought a request.
    Silent,
    /// It brought none for a long time, or the node stops.
    Finish,
}

/// Serve the connection until it ends, is idle for too long, or the node stops.
pub(super) async fn serve(
    stream: TcpStream,
    cache: CacheService,
    standard: Routes,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let requests = Arc::new(AtomicU64::new(0));
    let dispatch = Dispatch {
        cache,
        standard,
        // Forwarded batches grow a little by being put into operations.
        message_bytes_max: limits.message_bytes_max + (1 << 20),
        requests: requests.clone(),
    };
    let (io, outbox) = coalesced(stream, limits.outbox_bytes_max);
    let mut connection = std::pin::pin!(builder(&limits).serve_connection(io, dispatch));
    let end = {
        // In a set of its own, so that it is polled when it wakes and not with every
        // poll of the connection.
        let mut ends: FuturesUnordered<_> = std::iter::once(async {
            tokio::select! {
                () = stopped(&mut stopping) => End::Finish,
                end = idle(&requests, &limits) => end,
            }
        })
        .collect();
        let watched = async {
            tokio::select! {
                biased;
                _ = connection.as_mut() => End::Closed,
                Some(end) = ends.next() => end,
            }
        };
        outbox.clone().flushed_after_each_poll(watched).await
    };
    if let End::Finish = end {
        connection.as_mut().graceful_shutdown();
        let _ = outbox.flushed_after_each_poll(connection).await;
    }
}

/// Completes when the connection has been silent for too long.
async fn idle(requests: &AtomicU64, limits: &Limits) -> End {
    tokio::time::sleep(limits.handshake_timeout).await;
    let mut seen = requests.load(Ordering::Relaxed);
    if seen == 0 {
        return End::Silent;
    }
    loop {
        sleep_until(Instant::now() + limits.idle_timeout).await;
        let now = requests.load(Ordering::Relaxed);
        if now == seen {
            return End::Finish;
        }
        seen = now;
    }
}

fn builder(limits: &Limits) -> Builder<HereFirst> {
    let mut builder = Builder::new(HereFirst);
    builder
        // gRPC has no use for it.
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(limits.header_list_bytes_max)
        .max_local_error_reset_streams(limits.local_error_resets_max)
        .max_pending_accept_reset_streams(limits.pending_accept_resets_max)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_frame_size(64 * 1024)
        .max_send_buf_size(256 * 1024)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout);
    builder
}
