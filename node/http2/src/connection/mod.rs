//! The state machine of one connection.
//!
//! `receive` takes bytes and gives events, one at a time; `send` answers; `output`
//! and `sent` hand over what is to be written. After an error GOAWAY is all that is
//! left to send.
//!
//! Bounds that depend on the caller: what is unsent ([`Connection::unsent_bytes`])
//! grows with every answer, and what waits for the peer's windows
//! ([`Connection::waiting_bytes`]) with every body. The caller stops receiving at a
//! bound of the first, and stops answering, but goes on receiving, at a bound of
//! the second: the windows come in.

mod blocks;
mod receive;
mod send;

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::StaticField;
use crate::error::{Broken, Code};
use crate::flood::Budget;
use crate::flow::{ReceiveWindow, SendWindow, WINDOW_AT_FIRST};
use crate::frame::{self, Kind};
use crate::head::Head;
use crate::heads::Heads;
use crate::hpack::Encoder;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::settings::{self, Peer};
use crate::streams::Streams;

/// Payloads of this side's PINGs.
const KEEPALIVE: [u8; 8] = *b"keepaliv";
const LEAVING: [u8; 8] = *b"shutdown";
/// The highest stream id.
const STREAM_MAX: u32 = 0x7fff_ffff;
/// Streams that this side reset and to which the peer may still be sending.
const RESET_HERE_KEPT: usize = 256;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A request's head: [`Connection::head`] shows it until the next event.
    Head {
        /// A new stream.
        stream: u32,
        /// There is no body.
        is_end: bool,
    },
    /// A piece of a request's body, perhaps an empty one. Its bytes count against
    /// the stream's window until they are released.
    Data {
        /// An open stream.
        stream: u32,
        /// The piece.
        bytes: &'a [u8],
        /// It is the last one.
        is_end: bool,
    },
    /// The stream is gone, and its state dropped.
    Reset {
        /// It was open.
        stream: u32,
        /// What the peer said, or was told.
        code: Code,
    },
    /// The connection is. GOAWAY is to be sent; nothing more is received.
    Broken(Broken),
}

/// What [`Connection::receive`] has done.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// So many bytes are not needed any more.
    pub consumed: usize,
    /// `None`: more bytes are needed.
    pub event: Option<Event<'a>>,
}

/// How far the peer's first words have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preface,
    FirstSettings,
    Open,
    Broken,
}

/// How far a graceful end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was asked to begin no more streams; those under way still count.
    Announced,
    /// Streams above this one are not served.
    Final(u32),
}

/// A field block that comes in several frames.
#[derive(Debug)]
struct Block {
    stream: u32,
    is_end: bool,
    bytes: Vec<u8>,
    continuations: u32,
}

#[derive(Debug)]
struct Budgets {
    client_resets: Budget,
    error_resets: Budget,
    control_frames: Budget,
    empty_frames: Budget,
}

/// See the module. `S` is what the caller keeps with each stream; it is dropped when
/// the stream ends, however that comes.
#[derive(Debug)]
pub struct Connection<S> {
    limits: Limits,
    phase: Phase,
    leaving: Leaving,
    peer: Peer,
    is_settled: bool,
    peer_is_leaving: bool,
    is_ping_unanswered: bool,
    heads: Heads,
    block: Option<Block>,
    encoder: Encoder,
    streams: Streams<S>,
    last_stream: u32,
    requests: u64,
    completed: u64,
    data_bytes: u64,
    /// Streams with a body and a window, in the order of their turns.
    ready: VecDeque<u32>,
    /// Streams whose body was sent up to its end, and which may bring more.
    drained: VecDeque<u32>,
    reset_here: VecDeque<u32>,
    send_window: SendWindow,
    receive_window: ReceiveWindow,
    budgets: Budgets,
    outbox: Outbox,
}

impl<S: Default> Connection<S> {
    /// A connection of which nothing was received. `frequent` are fields of responses
    /// that are sent again and again; see [`Encoder`].
    #[must_use]
    pub fn new(limits: Limits, frequent: &'static [StaticField]) -> Connection<S> {
        let limits = limits.within_protocol();
        let mut outbox = Outbox::default();
        settings::announce(&limits, outbox.tail());
        Connection {
            phase: Phase::Preface,
            leaving: Leaving::No,
            peer: Peer::default(),
            is_settled: false,
            peer_is_leaving: false,
            is_ping_unanswered: false,
            heads: Heads::new(limits.header_table_bytes_max, limits.header_list_bytes_max),
            block: None,
            encoder: Encoder::new(frequent),
            streams: Streams::new(),
            last_stream: 0,
            requests: 0,
            completed: 0,
            data_bytes: 0,
            ready: VecDeque::new(),
            drained: VecDeque::new(),
            reset_here: VecDeque::new(),
            send_window: SendWindow::new(WINDOW_AT_FIRST),
            receive_window: ReceiveWindow::new(limits.connection_window_bytes),
            budgets: Budgets {
                client_resets: Budget::new(limits.client_resets),
                error_resets: Budget::new(limits.error_resets),
                control_frames: Budget::new(limits.control_frames),
                empty_frames: Budget::new(limits.empty_frames),
            },
            outbox,
            limits,
        }
    }

    /// The head that the last [`Event::Head`] told of.
    #[must_use]
    pub fn head(&self) -> &Head {
        self.heads.current()
    }

    /// What the caller keeps with a stream; `None` if it is not open any more.
    pub fn state(&mut self, stream: u32) -> Option<&mut S> {
        let at = self.streams.find(stream)?;
        Some(&mut self.streams.at_mut(at).state)
    }

    /// Streams that are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Requests that have begun so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Bytes of bodies that the peer's windows have let through so far.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Bytes that stand ready to be written.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Bytes of bodies that wait for the peer's windows, or behind other bodies.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.streams.bodies_bytes
    }

    /// What to write next: fills slices, in order, and says how many.
    pub fn output<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        self.fill();
        self.outbox.slices(slices)
    }

    /// So many of those bytes were written.
    pub fn sent(&mut self, bytes: usize) {
        self.outbox.sent(bytes);
    }

    /// Nothing happened for a while: let go of buffers that are kept for more to come.
    pub fn rest(&mut self) {
        self.outbox.rest();
    }

    /// A stream that has sent the whole body that it was given, told once.
    pub fn next_drained(&mut self) -> Option<u32> {
        self.drained.pop_front()
    }

    /// Ask the peer whether it is there.
    pub fn ping(&mut self) {
        self.is_ping_unanswered = true;
        frame::put(self.outbox.tail(), Kind::Ping, 0, 0, &KEEPALIVE);
    }

    /// Whether the last [`Connection::ping`] has no answer yet.
    #[must_use]
    pub fn is_ping_unanswered(&self) -> bool {
        self.is_ping_unanswered
    }

    /// Ask the peer to begin no more streams; those that it has begun, or begins
    /// before it hears this, are served.
    pub fn shutdown(&mut self) {
        if self.leaving == Leaving::No && self.phase != Phase::Broken {
            self.leaving = Leaving::Announced;
            frame::put_goaway(self.outbox.tail(), STREAM_MAX, Code::NoError, "");
            frame::put(self.outbox.tail(), Kind::Ping, 0, 0, &LEAVING);
        }
    }

    /// Serve no more streams than those that are open. Comes by itself after
    /// [`Connection::shutdown`], once the peer has answered.
    pub fn finish_shutdown(&mut self) {
        if self.phase != Phase::Broken && !matches!(self.leaving, Leaving::Final(_)) {
            self.leaving = Leaving::Final(self.last_stream);
            frame::put_goaway(self.outbox.tail(), self.last_stream, Code::NoError, "");
        }
    }

    /// End the connection with an error that the caller found.
    pub fn abort(&mut self, broken: Broken) {
        self.give_up(broken);
    }

    /// Whether nothing is to be received any more, and nothing to be answered.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        let is_done = self.streams.len() == 0;
        match (self.phase, self.leaving) {
            (Phase::Broken, _) => true,
            (_, Leaving::Final(_)) => is_done,
            _ => self.peer_is_leaving && is_done,
        }
    }

    /// Whether, besides, everything was written.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_ending() && self.outbox.bytes() == 0
    }

    fn give_up(&mut self, broken: Broken) {
        if self.phase == Phase::Broken {
            return;
        }
        self.phase = Phase::Broken;
        self.block = None;
        self.streams = Streams::new();
        self.ready.clear();
        self.drained.clear();
        let Broken { code, why } = broken;
        frame::put_goaway(self.outbox.tail(), self.last_stream, code, why);
    }

    fn was_reset_here(&self, stream: u32) -> bool {
        self.reset_here.contains(&stream)
    }

    fn remember_reset(&mut self, stream: u32) {
        if self.reset_here.len() == RESET_HERE_KEPT {
            self.reset_here.pop_front();
        }
        self.reset_here.push_back(stream);
    }
}
