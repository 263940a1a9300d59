//! One connection, from its first byte to its last: reads, lets the [`Session`] answer,
//! and writes everything that one wake has brought with one system call.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::service::Routes;

use crate::access::Caller;
use crate::node::{Node, stopped};
use crate::transport::pending::Done;
use crate::transport::session::Session;
use crate::transport::vigil::{Care, Seen, Vigil};

/// What is read at once: little at first, more where it comes.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// Parts written at once.
const SLICES: usize = 32;
/// Rounds of one poll before others have their turn.
const ROUNDS_MAX: usize = 16;
/// How long a connection that ends waits for its peer to have read everything, and how
/// much it lets it say meanwhile.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LAST_BYTES_MAX: usize = 1 << 20;

/// Serve a connection that began then, until it ends, or the node stops and its calls have
/// ended.
pub(super) async fn serve<S>(
    socket: S,
    caller: Caller,
    began: Instant,
    node: Arc<Node>,
    standard: Routes,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let session = Session::new(node.clone(), standard, caller);
    session.pending.add(async move {
        stopped(&mut stopping).await;
        Done::Stopping
    });
    let mut connection = Driven {
        socket,
        session,
        node,
        began,
        vigil: Vigil::new(began),
        inbox: BytesMut::new(),
        read_bytes: READ_BYTES_MIN,
        input: Bytes::new(),
        reads: 0,
        sent_bytes: 0,
        is_over: false,
    };
    connection.look_after();
    if poll_fn(|cx| connection.poll(cx)).await.is_ok() {
        let _ = tokio::time::timeout(LAST_WORDS, connection.end()).await;
    }
}

struct Driven<S> {
    socket: S,
    session: Session,
    node: Arc<Node>,
    began: Instant,
    vigil: Vigil,
    /// Where bytes are read to, behind those of a frame that is not whole.
    inbox: BytesMut,
    read_bytes: usize,
    /// What was read and not taken yet.
    input: Bytes,
    reads: u64,
    sent_bytes: u64,
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driven<S> {
    /// Ends with an error where the socket cannot be written to any more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now_ms = self.began.elapsed().as_millis() as u64;
        for _ in 0..ROUNDS_MAX {
            let mut has_come = false;
            let is_taken = self.session.receive(&mut self.input, now_ms);
            if is_taken && !self.session.http2.is_ending() {
                match self.poll_read(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(0) | Err(_)) => {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    Poll::Ready(Ok(_)) => {
                        has_come = true;
                        self.session.receive(&mut self.input, now_ms);
                    }
                }
            }
            self.session.go_on();
            while self.session.poll(cx) {
                self.look_after();
            }
            let before = self.sent_bytes;
            let is_sending = self.poll_send(cx)?.is_pending();
            if self.is_over || self.session.http2.is_finished() {
                return Poll::Ready(Ok(()));
            }
            // The socket takes no more, or nothing came and nothing went.
            if is_sending || (!has_come && self.sent_bytes == before) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Read once. The frame that the last read left unfinished stands before it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.input.is_empty() {
            self.inbox.extend_from_slice(&self.input);
            self.input = Bytes::new();
        }
        self.inbox.reserve(self.read_bytes);
        let read = {
            let mut reading = pin!(self.socket.read_buf(&mut self.inbox));
            std::task::ready!(Future::poll(reading.as_mut(), cx))?
        };
        if read >= self.read_bytes {
            self.read_bytes = (2 * self.read_bytes).min(READ_BYTES_MAX);
        }
        self.reads += 1;
        self.input = self.inbox.split().freeze();
        Poll::Ready(Ok(read))
    }

    /// Write until nothing is left or the socket takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let sent = match self.session.http2.output(&mut slices) {
                // TLS keeps what its socket did not take; a plain socket keeps nothing.
                0 => return Pin::new(&mut self.socket).poll_flush(cx),
                1 => Pin::new(&mut self.socket).poll_write(cx, &slices[0]),
                filled => Pin::new(&mut self.socket).poll_write_vectored(cx, &slices[..filled]),
            };
            match std::task::ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => {
                    self.session.http2.sent(sent);
                    self.sent_bytes += sent as u64;
                }
            }
        }
    }

    fn look_after(&mut self) {
        let now = Instant::now();
        self.session.now_ms = self.began.elapsed().as_millis() as u64;
        self.session.end_late_bodies();
        let http2 = &mut self.session.http2;
        if self.session.is_stopping {
            self.vigil.is_leaving(now);
        }
        // Answers to pings are no progress of a body that waits.
        let is_waiting = http2.waiting_bytes() > 0;
        let progress_bytes = if is_waiting {
            http2.data_bytes()
        } else {
            self.sent_bytes
        };
        let seen = Seen {
            requests: http2.requests(),
            reads: self.reads,
            progress_bytes,
            is_stuck: is_waiting || http2.unsent_bytes() > 0,
            is_ping_unanswered: http2.is_ping_unanswered(),
        };
        let (care, next) = self.vigil.look(now, seen, &self.node.limits);
        match care {
            Care::Nothing => {}
            Care::Ping => http2.ping(),
            Care::Leave => http2.shutdown(),
            Care::Insist => http2.finish_shutdown(),
            Care::Close => self.is_over = true,
        }
        if self.inbox.is_empty() && self.input.is_empty() {
            self.inbox = BytesMut::new();
            self.read_bytes = READ_BYTES_MIN;
        }
        self.session.http2.rest();
        self.session.pending.add(async move {
            sleep_until(next).await;
            Done::Tick
        });
    }

    /// Say that nothing more comes, and wait until the peer has heard it: a socket that
    /// is closed with bytes unread takes back what was written last.
    async fn end(&mut self) {
        if self.socket.shutdown().await.is_err() {
            return;
        }
        let mut rest = BytesMut::new();
        let mut heard = 0;
        while heard < LAST_BYTES_MAX {
            rest.clear();
            match self.socket.read_buf(&mut rest).await {
                Ok(read) if read > 0 => heard += read,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf, duplex};
    use tokio::time::Instant;

    use super::serve;
    use crate::access::Caller;
    use crate::clock::SystemClock;
    use crate::node::Node;
    use crate::settings::Settings;
    use crate::transport::standard::Standard;

    /// Keeps what is written until it is flushed, as TLS does where its socket is full.
    struct Keeping {
        socket: DuplexStream,
        kept: Vec<u8>,
    }

    impl AsyncRead for Keeping {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Keeping {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.kept.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let Keeping { socket, kept } = &mut *self;
            while !kept.is_empty() {
                let sent = ready!(Pin::new(&mut *socket).poll_write(cx, kept))?;
                kept.drain(..sent);
            }
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.as_mut().poll_flush(cx))?;
            Pin::new(&mut self.socket).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn what_the_socket_keeps_is_flushed_however_little_it_takes_at_once() {
        let node = Arc::new(Node::new(Settings::small(), None, Arc::new(SystemClock)));
        let standard = Standard::new(&node).await.routes;
        let stopping = node.stopping.subscribe();
        // It takes less than the first frame at once.
        let (mut peer, socket) = duplex(16);
        let socket = Keeping {
            socket,
            kept: Vec::new(),
        };
        let began = Instant::now();
        let caller = Caller::default();
        tokio::spawn(serve(socket, caller, began, node, standard, stopping));
        let told = async {
            let mut head = [0; 9];
            peer.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut settings = vec![0; length as usize];
            peer.read_exact(&mut settings).await.unwrap();
            settings.len()
        };
        let told = tokio::time::timeout(Duration::from_secs(5), told).await;
        assert!(told.is_ok_and(|bytes| bytes > 16), "its settings");
    }
}
