//! gRPC over HTTP/2, the client's side, for one method called again and again.
//!
//! Unary methods take a stream a request. `Execute` keeps one stream open and its messages
//! are answered in order. The receive windows are as large as they can be, so that the
//! server is never held up by this side; the server's windows are respected.
//!
//! Non-goals: anything that a server of this contract does not send (push, continuation of
//! header blocks, compression); it is answered with an error, not understood.

mod frame;
mod headers;
mod messages;
mod wire;

use std::collections::VecDeque;

use self::frame::{ACK, END_HEADERS, END_STREAM, Frame, HEAD_BYTES, head, kind, number};
use self::headers::{Requests, Responses};
use super::Protocol;
use crate::arguments::{Arguments, Shape};
use crate::work::{Request, Work};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The window that the connection begins with, both ways.
const WINDOW_FIRST: i64 = 65_535;
const WINDOW_MAX: i64 = (1 << 31) - 1;
/// What was received is given back when it is so much.
const GIVE_BACK: i64 = 1 << 29;
/// Compressed flag and length before every message.
const PREFIX_BYTES: usize = 5;
const SETTING_TABLE_SIZE: u32 = 1;
const SETTING_PUSH: u16 = 2;
const SETTING_INITIAL_WINDOW: u32 = 4;
const SETTING_FRAME_SIZE: u32 = 5;

/// A stream of a unary call, one for each slot of the connection.
#[derive(Clone, Debug, Default)]
struct Call {
    /// 0: none.
    stream: u32,
    was_accepted: bool,
    was_verified: bool,
    /// Of a message that came in parts.
    parts: Vec<u8>,
}

pub(crate) struct Grpc {
    is_ready: bool,
    is_stream: bool,
    requests: Requests,
    responses: Responses<'static>,
    next_stream: u32,
    calls: Vec<Call>,
    /// Of the `Execute` stream: slots and ids that wait for an answer.
    waiting: VecDeque<(usize, u64)>,
    next_id: u64,
    message: Vec<u8>,
    frame_bytes_max: usize,
    /// What the server still takes, in all and on the `Execute` stream.
    window: i64,
    stream_window: i64,
    initial_window: i64,
    received: i64,
}

impl Grpc {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let path = messages::path(arguments.verb, arguments.shape);
        Self {
            is_ready: false,
            is_stream: arguments.shape == Shape::Batch,
            requests: Requests::new(path, arguments.address.clone()),
            responses: Responses::new(),
            next_stream: 1,
            calls: vec![Call::default(); arguments.streams],
            waiting: VecDeque::new(),
            next_id: 1,
            message: Vec::new(),
            frame_bytes_max: 16_384,
            window: WINDOW_FIRST,
            stream_window: WINDOW_FIRST,
            initial_window: WINDOW_FIRST,
            received: 0,
        }
    }

    fn open(&mut self, out: &mut Vec<u8>) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let start = out.len();
        head(kind::HEADERS, END_HEADERS, stream, 0, out);
        self.requests.write(out);
        let length = (out.len() - start - HEAD_BYTES) as u32;
        out[start..start + 3].copy_from_slice(&length.to_be_bytes()[1..]);
        stream
    }

    /// The message as `DATA`, in as many frames as it needs.
    fn write_message(&mut self, stream: u32, out: &mut Vec<u8>) {
        let parts = self.message.chunks(self.frame_bytes_max);
        let last = parts.len() - 1;
        for (at, part) in parts.enumerate() {
            let ends = at == last && !self.is_stream;
            let flags = if ends { END_STREAM } else { 0 };
            head(kind::DATA, flags, stream, part.len(), out);
            out.extend_from_slice(part);
        }
    }

    fn settings(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if frame.is(ACK) {
            return;
        }
        for setting in frame.payload.chunks_exact(6) {
            let value = number(&setting[2..]);
            match number(&setting[..2]) {
                SETTING_TABLE_SIZE if !self.is_ready => self.requests.set_table_bytes(value),
                SETTING_INITIAL_WINDOW => {
                    self.stream_window += i64::from(value) - self.initial_window;
                    self.initial_window = i64::from(value);
                }
                SETTING_FRAME_SIZE => self.frame_bytes_max = value as usize,
                _ => {}
            }
        }
        head(kind::SETTINGS, ACK, 0, 0, out);
        self.is_ready = true;
    }

    fn give_back(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.received += bytes as i64;
        if self.received < GIVE_BACK {
            return;
        }
        let streams: &[u32] = if self.is_stream { &[0, 1] } else { &[0] };
        for &stream in streams {
            head(kind::WINDOW_UPDATE, 0, stream, 4, out);
            out.extend_from_slice(&(self.received as u32).to_be_bytes());
        }
        self.received = 0;
    }

    fn slot_of(&self, stream: u32) -> Result<usize, String> {
        let found = self.calls.iter().position(|call| call.stream == stream);
        found.ok_or_else(|| format!("an answer on stream {stream}, where nothing was asked"))
    }

    /// A block of headers; whether it ends its stream well.
    fn headers(&mut self, frame: &Frame<'_>, done: &mut Vec<usize>) -> Result<(), String> {
        if !frame.is(END_HEADERS) {
            return Err("a header block goes on in a CONTINUATION, which is not read here".into());
        }
        let block = frame.content().ok_or_else(cut)?;
        let said = self.responses.read(block)?;
        if let Some(code) = said.grpc_status.filter(|&code| code != 0) {
            return Err(format!("gRPC status {code}: {}", said.grpc_message));
        }
        let ends = frame.is(END_STREAM);
        if said.status.is_some_and(|status| status != 200) || (!ends && said.status.is_none()) {
            return Err(format!(
                "the response begins with {said:?}, which is not 200"
            ));
        }
        if self.is_stream {
            return match ends {
                true => Err("the server ended the stream of batches".into()),
                false => Ok(()),
            };
        }
        let slot = self.slot_of(frame.stream)?;
        let call = &mut self.calls[slot];
        if !ends {
            call.was_accepted = true;
            return Ok(());
        }
        if said.grpc_status != Some(0) || !call.was_accepted || !call.was_verified {
            return Err(format!("a response ended without a message, with {said:?}"));
        }
        (call.stream, call.was_accepted, call.was_verified) = (0, false, false);
        done.push(slot);
        Ok(())
    }

    fn data(
        &mut self,
        frame: &Frame<'_>,
        requests: &[Request],
        work: &mut Work,
        done: &mut Vec<usize>,
    ) -> Result<(), String> {
        let content = frame.content().ok_or_else(cut)?;
        if frame.is(END_STREAM) {
            return Err("a response ended without trailers".into());
        }
        if self.is_stream {
            return self.batch_data(content, requests, work, done);
        }
        let slot = self.slot_of(frame.stream)?;
        let call = &mut self.calls[slot];
        let mut verified = |bytes: &[u8]| match message(bytes)? {
            Some((message, whole)) if whole == bytes.len() => {
                messages::verify(message, &requests[slot].keys, 0, work).map(|()| true)
            }
            Some(_) => Err("a unary response holds more than one message".into()),
            None => Ok(false),
        };
        if call.was_verified {
            return Err("data after the message of a unary response".into());
        }
        if call.parts.is_empty() {
            call.was_verified = verified(content)?;
            if !call.was_verified {
                call.parts.extend_from_slice(content);
            }
        } else {
            call.parts.extend_from_slice(content);
            call.was_verified = verified(&call.parts)?;
        }
        if call.was_verified {
            call.parts.clear();
        }
        Ok(())
    }

    /// Messages of the `Execute` stream, however they are cut into frames.
    fn batch_data(
        &mut self,
        content: &[u8],
        requests: &[Request],
        work: &mut Work,
        done: &mut Vec<usize>,
    ) -> Result<(), String> {
        let mut held = std::mem::take(&mut self.calls[0].parts);
        if held.is_empty() {
            let used = self.batches(content, requests, work, done)?;
            held.extend_from_slice(&content[used..]);
        } else {
            held.extend_from_slice(content);
            let used = self.batches(&held, requests, work, done)?;
            held.drain(..used);
        }
        self.calls[0].parts = held;
        Ok(())
    }

    /// The whole messages at the front; returns how much they were.
    fn batches(
        &mut self,
        bytes: &[u8],
        requests: &[Request],
        work: &mut Work,
        done: &mut Vec<usize>,
    ) -> Result<usize, String> {
        let mut used = 0;
        while let Some((message, whole)) = message(&bytes[used..])? {
            let (slot, id) = self.waiting.pop_front().ok_or("a batch too many")?;
            messages::verify(message, &requests[slot].keys, id, work)?;
            done.push(slot);
            used += whole;
        }
        Ok(used)
    }

    fn window_update(&mut self, frame: &Frame<'_>) {
        let more = i64::from(number(frame.payload) & 0x7fff_ffff);
        match frame.stream {
            0 => self.window += more,
            1 if self.is_stream => self.stream_window += more,
            // Unary requests fit into the window that their stream begins with.
            _ => {}
        }
    }
}

impl Protocol for Grpc {
    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(PREFACE);
        head(kind::SETTINGS, 0, 0, 12, out);
        out.extend_from_slice(&SETTING_PUSH.to_be_bytes());
        out.extend_from_slice(&0_u32.to_be_bytes());
        out.extend_from_slice(&(SETTING_INITIAL_WINDOW as u16).to_be_bytes());
        out.extend_from_slice(&(WINDOW_MAX as u32).to_be_bytes());
        head(kind::WINDOW_UPDATE, 0, 0, 4, out);
        out.extend_from_slice(&((WINDOW_MAX - WINDOW_FIRST) as u32).to_be_bytes());
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn send(
        &mut self,
        slot: usize,
        keys: &[u64],
        work: &Work,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        self.message.clear();
        self.message.resize(PREFIX_BYTES, 0);
        messages::request(keys, self.next_id, work, &mut self.message);
        let length = (self.message.len() - PREFIX_BYTES) as u32;
        self.message[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
        let bytes = self.message.len() as i64;
        if bytes > self.initial_window {
            return Err(format!(
                "a request of {bytes} bytes is more than the server's window: take a smaller --batch"
            ));
        }
        if bytes > self.window || (self.is_stream && bytes > self.stream_window) {
            return Ok(false);
        }
        self.window -= bytes;
        let stream = if self.is_stream {
            self.stream_window -= bytes;
            self.waiting.push_back((slot, self.next_id));
            self.next_id += 1;
            if self.next_stream == 1 {
                self.open(out)
            } else {
                1
            }
        } else {
            self.calls[slot].stream = self.next_stream;
            self.open(out)
        };
        self.write_message(stream, out);
        Ok(true)
    }

    fn receive(
        &mut self,
        input: &[u8],
        requests: &[Request],
        work: &mut Work,
        out: &mut Vec<u8>,
        done: &mut Vec<usize>,
    ) -> Result<usize, String> {
        let mut used = 0;
        while let Some(frame) = Frame::read(&input[used..]) {
            used += HEAD_BYTES + frame.payload.len();
            match frame.kind {
                kind::DATA => {
                    self.data(&frame, requests, work, done)?;
                    self.give_back(frame.payload.len(), out);
                }
                kind::HEADERS => self.headers(&frame, done)?,
                kind::SETTINGS => self.settings(&frame, out),
                kind::WINDOW_UPDATE => self.window_update(&frame),
                kind::PING if !frame.is(ACK) => {
                    head(kind::PING, ACK, 0, frame.payload.len(), out);
                    out.extend_from_slice(frame.payload);
                }
                kind::RST_STREAM => {
                    let code = number(frame.payload);
                    return Err(format!("stream {} was reset with {code}", frame.stream));
                }
                kind::GOAWAY => {
                    let code = number(frame.payload.get(4..).unwrap_or_default());
                    return Err(format!("the server sent GOAWAY with {code}"));
                }
                kind::PUSH_PROMISE | kind::CONTINUATION => {
                    return Err(format!("a frame of type {} is not read here", frame.kind));
                }
                _ => {}
            }
        }
        Ok(used)
    }
}

/// The message at the front and its length with the prefix, if all of it is there.
fn message(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, String> {
    let Some((prefix, rest)) = bytes.split_at_checked(PREFIX_BYTES) else {
        return Ok(None);
    };
    if prefix[0] != 0 {
        return Err("a message is compressed, and nobody asked for it".into());
    }
    let length = number(&prefix[1..]) as usize;
    Ok(rest
        .get(..length)
        .map(|found| (found, PREFIX_BYTES + length)))
}

fn cut() -> String {
    "a frame is shorter than it says".into()
}
