//! What comes in: bytes to frames, frames to events.

use crate::connection::{Connection, Event, KEEPALIVE, LEAVING, Leaving, Phase, Received};
use crate::error::{Broken, Code};
use crate::flood::Spent;
use crate::frame::{self, ACK, END_STREAM, HEADER_BYTES, Header, Kind, PREFACE, number};
use crate::streams::At;

/// Completed streams that pay for one reset.
const COMPLETED_PER_RESET: u64 = 4;

pub(super) type Handled<'a> = Result<Option<Event<'a>>, Broken>;

impl<S: Default> Connection<S> {
    /// Take bytes that came, behind those that were consumed before, and tell the
    /// next event. A frame is taken as a whole or not at all, so that the caller
    /// needs room for the largest one. `now_ms` is any clock that goes forward.
    pub fn receive<'a>(&mut self, input: &'a [u8], now_ms: u64) -> Received<'a> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let step = match self.phase {
                Phase::Broken => {
                    return Received {
                        consumed: input.len(),
                        event: None,
                    };
                }
                Phase::Preface => self.preface(rest),
                Phase::FirstSettings | Phase::Open => self.frame(rest, now_ms),
            };
            let (taken, event) = match step {
                Ok(Some(step)) => step,
                Ok(None) => {
                    return Received {
                        consumed,
                        event: None,
                    };
                }
                Err(broken) => {
                    self.give_up(broken);
                    (rest.len(), Some(Event::Broken(broken)))
                }
            };
            consumed += taken;
            if event.is_some() {
                return Received { consumed, event };
            }
        }
    }

    /// The caller has done with so many bytes of a stream's body: the peer may send
    /// as many again.
    pub fn release(&mut self, stream: u32, bytes: usize) {
        let Some(at) = self.streams.find(stream) else {
            return;
        };
        let stream_id = stream;
        let stream = self.streams.at_mut(at);
        if let Some(more) = stream.receive.release(bytes)
            && stream.is_remote_open
        {
            let out = self.outbox.tail();
            frame::put(out, Kind::WindowUpdate, 0, stream_id, &more.to_be_bytes());
        }
    }

    fn preface<'a>(&mut self, input: &[u8]) -> Result<Option<(usize, Option<Event<'a>>)>, Broken> {
        let compared = input.len().min(PREFACE.len());
        if input[..compared] != PREFACE[..compared] {
            return Err(Broken::protocol("this is not HTTP/2 with prior knowledge"));
        }
        if compared < PREFACE.len() {
            return Ok(None);
        }
        self.phase = Phase::FirstSettings;
        Ok(Some((compared, None)))
    }

    #[inline]
    fn frame<'a>(
        &mut self,
        input: &'a [u8],
        now_ms: u64,
    ) -> Result<Option<(usize, Option<Event<'a>>)>, Broken> {
        let Some(header) = Header::parse(input) else {
            return Ok(None);
        };
        if header.length > self.limits.frame_bytes_max as usize {
            return Err(Broken::new(Code::FrameSize, "a frame is too large"));
        }
        let end = HEADER_BYTES + header.length;
        let Some(payload) = input.get(HEADER_BYTES..end) else {
            return Ok(None);
        };
        if self.phase == Phase::FirstSettings {
            if header.kind != Kind::Settings || header.has(ACK) {
                return Err(Broken::protocol("SETTINGS must come first"));
            }
            self.phase = Phase::Open;
        }
        if self.block.is_some() && header.kind != Kind::Continuation {
            return Err(Broken::protocol("a field block was interrupted"));
        }
        let event = match header.kind {
            Kind::Data => self.data(header, payload, now_ms),
            Kind::Headers => self.headers(header, payload, now_ms),
            Kind::Continuation => self.continuation(header, payload, now_ms),
            Kind::Reset => self.reset_frame(header, payload, now_ms),
            other => {
                self.spend_control(now_ms)?;
                match other {
                    Kind::Settings => self.settings(header, payload),
                    Kind::Ping => self.ping_frame(header, payload),
                    Kind::WindowUpdate => self.window_update(header, payload, now_ms),
                    Kind::GoAway => self.goaway(header, payload),
                    Kind::Priority => priority(header, payload),
                    Kind::PushPromise => Err(Broken::protocol("a client pushes nothing")),
                    _ => Ok(None),
                }
            }
        }?;
        Ok(Some((end, event)))
    }

    fn data<'a>(&mut self, header: Header, payload: &'a [u8], now_ms: u64) -> Handled<'a> {
        self.must_not_be_idle(header.stream)?;
        let bytes = frame::without_padding(header, payload)?;
        let received = self.receive_window.take(payload.len());
        received.map_err(|code| Broken::new(code, "the connection's window is overrun"))?;
        if let Some(more) = self.receive_window.release(payload.len()) {
            let out = self.outbox.tail();
            frame::put(out, Kind::WindowUpdate, 0, 0, &more.to_be_bytes());
        }
        let is_end = header.has(END_STREAM);
        if bytes.is_empty() && !is_end {
            self.spend_empty(now_ms)?;
        } else {
            self.budgets.control_frames.earn();
        }
        let Some(at) = self.streams.find(header.stream) else {
            if self.was_reset_here(header.stream) {
                return Ok(None);
            }
            return self.refuse(header.stream, Code::StreamClosed, now_ms);
        };
        let stream = self.streams.at_mut(at);
        if !stream.is_remote_open {
            return self.fail(at, Code::StreamClosed, now_ms);
        }
        if let Err(code) = stream.receive.take(payload.len()) {
            return self.fail(at, code, now_ms);
        }
        if let Some(to_come) = &mut stream.bytes_to_come {
            match to_come.checked_sub(bytes.len() as u64) {
                Some(left) if left == 0 || !is_end => *to_come = left,
                _ => return self.fail(at, Code::Protocol, now_ms),
            }
        }
        stream.is_remote_open = !is_end;
        if is_end {
            self.budgets.empty_frames.earn();
        } else if payload.len() > bytes.len() {
            self.release(header.stream, payload.len() - bytes.len());
        }
        Ok(Some(Event::Data {
            stream: header.stream,
            bytes,
            is_end,
        }))
    }

    fn reset_frame<'a>(&mut self, header: Header, payload: &[u8], now_ms: u64) -> Handled<'a> {
        let code = Code::from_number(number(payload)?);
        self.must_not_be_idle(header.stream)?;
        let spent = self.budgets.client_resets.spend(now_ms);
        spent.map_err(|Spent| Broken::calm("too many streams were reset"))?;
        Ok(self.streams.find(header.stream).map(|at| {
            self.streams.remove(at);
            Event::Reset {
                stream: header.stream,
                code,
            }
        }))
    }

    fn settings<'a>(&mut self, header: Header, payload: &[u8]) -> Handled<'a> {
        if header.stream != 0 {
            return Err(Broken::protocol("SETTINGS belong to the connection"));
        }
        if header.has(ACK) {
            self.is_settled = true;
            return match payload {
                [] => Ok(None),
                _ => Err(Broken::new(Code::FrameSize, "an acknowledgement is empty")),
            };
        }
        let before = self.peer;
        self.peer.apply(payload)?;
        self.encoder.resize(self.peer.header_table_bytes);
        let change = i64::from(self.peer.window_bytes) - i64::from(before.window_bytes);
        if change != 0 {
            for stream in self.streams.iter_mut() {
                let changed = stream.send.change(change);
                changed.map_err(|code| Broken::new(code, "a window is too large"))?;
                if stream.body_bytes > 0 && !stream.is_queued && stream.send.available() > 0 {
                    stream.is_queued = true;
                    self.ready.push_back(stream.id);
                }
            }
        }
        frame::put(self.outbox.tail(), Kind::Settings, ACK, 0, &[]);
        Ok(None)
    }

    fn ping_frame<'a>(&mut self, header: Header, payload: &[u8]) -> Handled<'a> {
        let size = Broken::new(Code::FrameSize, "a PING is not of its size");
        let payload: [u8; 8] = payload.try_into().map_err(|_| size)?;
        if header.stream != 0 {
            return Err(Broken::protocol("PING belongs to the connection"));
        }
        if !header.has(ACK) {
            frame::put(self.outbox.tail(), Kind::Ping, ACK, 0, &payload);
        } else if payload == KEEPALIVE {
            self.is_ping_unanswered = false;
        } else if payload == LEAVING && self.leaving == Leaving::Announced {
            self.finish_shutdown();
        }
        Ok(None)
    }

    fn window_update<'a>(&mut self, header: Header, payload: &[u8], now_ms: u64) -> Handled<'a> {
        let more = number(payload)? & 0x7fff_ffff;
        if header.stream == 0 {
            if more == 0 {
                return Err(Broken::protocol("WINDOW_UPDATE by nothing"));
            }
            let changed = self.send_window.change(more.into());
            changed.map_err(|code| Broken::new(code, "the window is too large"))?;
            return Ok(None);
        }
        self.must_not_be_idle(header.stream)?;
        let Some(at) = self.streams.find(header.stream) else {
            return Ok(None);
        };
        if more == 0 {
            return self.fail(at, Code::Protocol, now_ms);
        }
        let stream = self.streams.at_mut(at);
        if let Err(code) = stream.send.change(more.into()) {
            return self.fail(at, code, now_ms);
        }
        if stream.body_bytes > 0 && !stream.is_queued && stream.send.available() > 0 {
            stream.is_queued = true;
            self.ready.push_back(header.stream);
        }
        Ok(None)
    }

    fn goaway<'a>(&mut self, header: Header, payload: &[u8]) -> Handled<'a> {
        if header.stream != 0 {
            return Err(Broken::protocol("GOAWAY belongs to the connection"));
        }
        if payload.len() < 8 {
            return Err(Broken::new(Code::FrameSize, "GOAWAY is too short"));
        }
        self.peer_is_leaving = true;
        Ok(None)
    }

    fn must_not_be_idle(&self, stream: u32) -> Result<(), Broken> {
        if stream == 0 || stream > self.last_stream || stream.is_multiple_of(2) {
            return match self.leaving {
                // Streams that came too late are not counted.
                Leaving::Final(last) if stream > last && stream % 2 == 1 => Ok(()),
                _ => Err(Broken::protocol(
                    "a frame for a stream that was never opened",
                )),
            };
        }
        Ok(())
    }

    /// Reset an open stream because the peer broke a rule.
    pub(super) fn fail<'a>(&mut self, at: At, code: Code, now_ms: u64) -> Handled<'a> {
        let stream = self.streams.at(at).id;
        self.streams.remove(at);
        self.refuse(stream, code, now_ms)?;
        Ok(Some(Event::Reset { stream, code }))
    }

    /// The same, for one that is not open.
    fn refuse<'a>(&mut self, stream: u32, code: Code, now_ms: u64) -> Handled<'a> {
        self.spend_error(now_ms)?;
        self.put_reset(stream, code);
        Ok(None)
    }

    pub(super) fn put_reset(&mut self, stream: u32, code: Code) {
        let out = self.outbox.tail();
        frame::put(out, Kind::Reset, 0, stream, &(code as u32).to_be_bytes());
        self.remember_reset(stream);
    }

    pub(super) fn completed(&mut self) {
        self.completed += 1;
        if self.completed.is_multiple_of(COMPLETED_PER_RESET) {
            self.budgets.client_resets.earn();
        }
    }

    pub(super) fn spend_error(&mut self, now_ms: u64) -> Result<(), Broken> {
        let spent = self.budgets.error_resets.spend(now_ms);
        spent.map_err(|Spent| Broken::calm("too many broken streams"))
    }

    pub(super) fn spend_control(&mut self, now_ms: u64) -> Result<(), Broken> {
        let spent = self.budgets.control_frames.spend(now_ms);
        spent.map_err(|Spent| Broken::calm("too many control frames"))
    }

    pub(super) fn spend_empty(&mut self, now_ms: u64) -> Result<(), Broken> {
        let spent = self.budgets.empty_frames.spend(now_ms);
        spent.map_err(|Spent| Broken::calm("too many empty frames"))
    }
}

fn priority<'a>(header: Header, payload: &[u8]) -> Handled<'a> {
    match (header.stream, payload.len()) {
        (0, _) => Err(Broken::protocol("PRIORITY belongs to a stream")),
        (_, 5) => Ok(None),
        _ => Err(Broken::new(Code::FrameSize, "PRIORITY is not of its size")),
    }
}
