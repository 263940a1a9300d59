//! One raw connection: it writes what it is given, and a thread notes what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{self, HEAD_BYTES, Head, PREFACE, code, flag, kind, setting};
use crate::hpack;
use crate::log::{Log, Said};
use crate::process::Server;

/// How long anything may take on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A writer that gets nowhere for so long is stalled.
const STALL: Duration = Duration::from_secs(1);

/// What became of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// The server took it all.
    Taken,
    /// The server stopped reading.
    Stalled,
    /// The connection ended.
    Ended,
}

type Shared = Arc<(Mutex<Log>, Condvar)>;

pub(crate) struct Attacker {
    socket: TcpStream,
    /// Held while something is written, so that frames stay whole.
    writing: Arc<Mutex<()>>,
    log: Shared,
}

impl Attacker {
    /// Connect, and say nothing.
    pub(crate) fn silent(server: &Server) -> Attacker {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_write_timeout(Some(STALL)).unwrap();
        Attacker {
            socket,
            writing: Arc::default(),
            log: Shared::default(),
        }
    }

    /// Connect and speak, but never read.
    pub(crate) fn deaf(server: &Server, settings: &[(u16, u32)]) -> Attacker {
        let mut attacker = Attacker::silent(server);
        let mut pairs = vec![(setting::HEADER_TABLE_SIZE, 0)];
        pairs.extend_from_slice(settings);
        attacker.send(PREFACE);
        attacker.send(&frame::settings(&pairs));
        attacker
    }

    /// Connect, speak and read.
    pub(crate) fn new(server: &Server) -> Attacker {
        Attacker::with_settings(server, &[])
    }

    pub(crate) fn with_settings(server: &Server, settings: &[(u16, u32)]) -> Attacker {
        let attacker = Attacker::deaf(server, settings);
        attacker.listen();
        attacker
    }

    /// Begin to read, and to answer pings and settings.
    fn listen(&self) {
        let writing = self.writing.clone();
        self.hear(move |socket, head, payload| {
            let is_asked = matches!(head.kind, kind::PING | kind::SETTINGS);
            if is_asked && !head.has(flag::ACK) {
                let echoed = if head.kind == kind::PING {
                    payload
                } else {
                    &[]
                };
                let _writing = writing.lock().unwrap();
                let _ = socket.write_all(&frame::frame(head.kind, flag::ACK, 0, echoed));
            }
        });
    }

    /// Begin to read, and to answer nothing.
    pub(crate) fn listen_only(&self) {
        self.hear(|_, _, _| {});
    }

    fn hear(&self, answer: impl Fn(&mut TcpStream, Head, &[u8]) + Send + 'static) {
        let mut socket = self.socket.try_clone().unwrap();
        let log = self.log.clone();
        thread::spawn(move || {
            let mut head = [0; HEAD_BYTES];
            while socket.read_exact(&mut head).is_ok() {
                let head = Head::read(head);
                let mut payload = vec![0; head.length];
                if socket.read_exact(&mut payload).is_err() {
                    break;
                }
                answer(&mut socket, head, &payload);
                log.0.lock().unwrap().note(head, &payload);
                log.1.notify_all();
            }
            log.0.lock().unwrap().ended = true;
            log.1.notify_all();
        });
    }

    /// Read to the end without looking at it.
    pub(crate) fn listen_to_anything(&self) {
        let mut socket = self.socket.try_clone().unwrap();
        let log = self.log.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while matches!(socket.read(&mut bytes), Ok(count) if count > 0) {}
            log.0.lock().unwrap().ended = true;
            log.1.notify_all();
        });
    }

    /// Write it all, or find that the server no longer takes it.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Flood {
        let _writing = self.writing.lock().unwrap();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(0) => return Flood::Ended,
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Flood::Stalled,
                Err(_) => return Flood::Ended,
            }
        }
        Flood::Taken
    }

    /// Write so many of them, many in one go.
    pub(crate) fn flood(&mut self, count: u32, nth: impl Fn(u32) -> Vec<u8>) -> Flood {
        let mut bytes = Vec::new();
        for n in 0..count {
            bytes.extend(nth(n));
            if bytes.len() >= 16 * 1024 || n + 1 == count {
                match self.send(&bytes) {
                    Flood::Taken => bytes.clear(),
                    other => return other,
                }
            }
        }
        Flood::Taken
    }

    /// A unary request, whole.
    pub(crate) fn call(&mut self, stream: u32, path: &str, body: &[u8]) -> Flood {
        let open = frame::frame(
            kind::HEADERS,
            flag::END_HEADERS,
            stream,
            &hpack::request(path),
        );
        let body = frame::frame(kind::DATA, flag::END_STREAM, stream, body);
        self.send(&[open, body].concat())
    }

    /// A unary request of any length, as fast as the windows allow.
    pub(crate) fn call_in_pieces(&mut self, stream: u32, path: &str, body: &[u8]) {
        let block = hpack::request(path);
        self.send(&frame::frame(
            kind::HEADERS,
            flag::END_HEADERS,
            stream,
            &block,
        ));
        for piece in body.chunks(16_000) {
            assert!(self.may_send(stream, piece.len(), DEADLINE), "no window");
            self.send(&frame::frame(kind::DATA, flag::NONE, stream, piece));
        }
        self.send(&frame::frame(kind::DATA, flag::END_STREAM, stream, b""));
    }

    /// Wait for windows to send so much, and spend it.
    pub(crate) fn may_send(&self, stream: u32, bytes: usize, patience: Duration) -> bool {
        let bytes = i64::try_from(bytes).unwrap();
        let end = Instant::now() + patience;
        let mut log = self.log.0.lock().unwrap();
        while log.windows.on(stream) < bytes {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || log.ended || log.said(stream).is_over() {
                return false;
            }
            log = self.log.1.wait_timeout(log, left).unwrap().0;
        }
        log.windows.spend(stream, bytes);
        true
    }

    /// What was said so far.
    pub(crate) fn look<R>(&self, read: impl Fn(&Log) -> R) -> R {
        read(&self.log.0.lock().unwrap())
    }

    /// Wait until what was said is so; fails past a deadline.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Log) -> bool) -> Log {
        let end = Instant::now() + DEADLINE;
        let mut log = self.log.0.lock().unwrap();
        while !is_so(&log) {
            assert!(!log.ended, "the connection ended before: {what}: {log:?}");
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not in time: {what}: {log:?}");
            log = self.log.1.wait_timeout(log, left).unwrap().0;
        }
        log.clone()
    }

    /// Wait until the connection is closed.
    pub(crate) fn until_closed(&self) -> Log {
        self.until("the connection is closed", |log| log.ended)
    }

    /// The answer on a stream, or why there is none.
    pub(crate) fn answer(&self, stream: u32) -> Said {
        self.until("an answer", |log| log.said(stream).is_over())
            .said(stream)
    }

    /// The server still answers here.
    pub(crate) fn is_served(&mut self) {
        let before = self.log.0.lock().unwrap().ping_acks;
        assert_eq!(self.send(&frame::ping(7)), Flood::Taken);
        self.until("a ping is answered", |log| log.ping_acks > before);
    }

    /// The server closed the connection and said why.
    pub(crate) fn is_told(&self, codes: &[u32]) {
        let log = self.until_closed();
        assert!(
            log.goaway.is_some_and(|said| codes.contains(&said)),
            "expected GOAWAY with one of {codes:?}: {log:?}"
        );
    }

    /// The server closed the connection and told it to calm down.
    pub(crate) fn is_calmed(&self) {
        self.is_told(&[code::ENHANCE_YOUR_CALM]);
    }

    /// Speak no more, but listen.
    pub(crate) fn hush(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // Ends the thread that reads.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
