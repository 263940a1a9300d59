//! A socket whose writes are gathered: what one poll of a connection writes is
//! sent with one system call.
//!
//! HTTP/2 stacks write every response by itself, and those system calls are two
//! thirds of a server's CPU. Here writes and flushes only append to a buffer; it
//! is sent after each poll of the connection, and when it is full.
//!
//! Invariant: the buffer is bounded; when it is full and the socket takes no more,
//! writing waits, and with it the connection's streams.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// How long a closing connection tries to send what is left.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The connection's side: reads go straight, writes are gathered.
pub(crate) struct Coalesced {
    reader: TokioIo<OwnedReadHalf>,
    outbox: Outbox,
}

/// What is to be sent, and the socket that it is sent to.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Mutex<Pending>>);

struct Pending {
    bytes: BytesMut,
    bytes_max: usize,
    writer: OwnedWriteHalf,
}

/// Wrap a socket. The outbox must be polled with the connection.
pub(crate) fn coalesced(stream: TcpStream, bytes_max: usize) -> (Coalesced, Outbox) {
    let (reader, writer) = stream.into_split();
    let bytes = BytesMut::with_capacity(16 * 1024);
    let outbox = Outbox(Arc::new(Mutex::new(Pending {
        bytes,
        bytes_max,
        writer,
    })));
    (
        Coalesced {
            reader: TokioIo::new(reader),
            outbox: outbox.clone(),
        },
        outbox,
    )
}

impl Pending {
    /// Send until nothing is left or the socket takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let sent = ready!(Pin::new(&mut self.writer).poll_write(cx, &self.bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_append(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut dyn Iterator<Item = &[u8]>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= self.bytes_max {
            let sending = self.poll_send(cx)?;
            if sending.is_pending() && self.bytes.len() >= self.bytes_max {
                return Poll::Pending;
            }
        }
        let before = self.bytes.len();
        for part in parts {
            // One part always fits, so that the caller gets on.
            if self.bytes.len() > before && self.bytes.len() + part.len() > self.bytes_max {
                break;
            }
            let room = self.bytes_max.saturating_sub(self.bytes.len()).max(1);
            let taken = part.len().min(room);
            self.bytes.extend_from_slice(&part[..taken]);
            if taken < part.len() {
                break;
            }
        }
        Poll::Ready(Ok(self.bytes.len() - before))
    }
}

impl Outbox {
    /// Drive a connection, and send after each of its polls what it has written.
    pub(crate) async fn flushed_after_each_poll<C: Future>(self, connection: C) -> C::Output {
        let mut connection = std::pin::pin!(connection);
        let output = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            // A broken socket shows in the connection's next read.
            let _ = self.0.lock().poll_send(cx);
            polled
        })
        .await;
        // The last words, such as GOAWAY, to a peer that may not be reading.
        let last = std::future::poll_fn(|cx| self.0.lock().poll_send(cx));
        let _ = tokio::time::timeout(LAST_WORDS, last).await;
        output
    }
}

impl Read for Coalesced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, into)
    }
}

impl Write for Coalesced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outbox
            .0
            .lock()
            .poll_append(cx, &mut std::iter::once(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outbox
            .0
            .lock()
            .poll_append(cx, &mut parts.iter().map(|part| &**part))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pending = self.outbox.0.lock();
        ready!(pending.poll_send(cx))?;
        Pin::new(&mut pending.writer).poll_shutdown(cx)
    }
}
