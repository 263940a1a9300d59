//! Field blocks: from HEADERS and CONTINUATION to requests and trailers.
//!
//! Every block is decoded, whatever its stream is: the table of the field compression
//! is one for all.

use crate::connection::receive::Handled;
use crate::connection::{Block, Connection, Event, Leaving};
use crate::error::{Broken, Code};
use crate::frame::{self, END_HEADERS, END_STREAM, Header};
use crate::streams::At;

/// Whatever else is to be done with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Request,
    Trailers,
    /// Only the table of the field compression is kept up.
    Refuse,
    Ignore,
}

impl<S: Default> Connection<S> {
    pub(super) fn headers<'a>(
        &mut self,
        header: Header,
        payload: &[u8],
        now_ms: u64,
    ) -> Handled<'a> {
        if header.stream.is_multiple_of(2) {
            return Err(Broken::protocol("a client's streams have odd numbers"));
        }
        let fragment = frame::fragment(header, payload)?;
        let is_end = header.has(END_STREAM);
        if header.has(END_HEADERS) {
            return self.block(header.stream, is_end, fragment, now_ms);
        }
        self.block = Some(Block {
            stream: header.stream,
            is_end,
            bytes: fragment.to_vec(),
            continuations: 0,
        });
        self.bounded_block()
    }

    pub(super) fn continuation<'a>(
        &mut self,
        header: Header,
        payload: &[u8],
        now_ms: u64,
    ) -> Handled<'a> {
        let stray = Broken::protocol("CONTINUATION without a field block");
        let block = self.block.as_mut().ok_or(stray)?;
        if block.stream != header.stream {
            return Err(stray);
        }
        block.bytes.extend_from_slice(payload);
        block.continuations += 1;
        if payload.is_empty() {
            self.spend_empty(now_ms)?;
        }
        self.bounded_block()?;
        if !header.has(END_HEADERS) {
            return Ok(None);
        }
        let whole = self.block.take().ok_or(stray)?;
        self.block(whole.stream, whole.is_end, &whole.bytes, now_ms)
    }

    fn bounded_block<'a>(&self) -> Handled<'a> {
        if let Some(block) = &self.block {
            if block.bytes.len() > self.limits.header_list_bytes_max as usize {
                return Err(Broken::calm("a field block is too large"));
            }
            if block.continuations > self.limits.continuations_max {
                return Err(Broken::calm("too many CONTINUATION frames"));
            }
        }
        Ok(None)
    }

    /// A whole field block.
    fn block<'a>(&mut self, id: u32, is_end: bool, block: &[u8], now_ms: u64) -> Handled<'a> {
        let (purpose, at) = self.purpose(id)?;
        let decoded = self.heads.decode(block);
        decoded.map_err(|_| Broken::new(Code::Compression, "a field block is broken"))?;
        let head = self.heads.current();
        match (purpose, at) {
            (Purpose::Trailers, Some(at)) => {
                let stream = self.streams.at_mut(at);
                let is_whole = stream.bytes_to_come.is_none_or(|left| left == 0);
                if !stream.is_remote_open {
                    return self.fail(at, Code::StreamClosed, now_ms);
                }
                if !is_end || !is_whole || head.check_trailers().is_err() {
                    return self.fail(at, Code::Protocol, now_ms);
                }
                stream.is_remote_open = false;
                let bytes = &[];
                Ok(Some(Event::Data {
                    stream: id,
                    bytes,
                    is_end,
                }))
            }
            (Purpose::Request, _) => {
                self.last_stream = id;
                self.requests += 1;
                self.budgets.control_frames.earn();
                let is_malformed = head.check().is_err();
                let length = head.content_length();
                let is_too_large = head.is_too_large();
                let send_bytes = self.peer.window_bytes;
                let receive_bytes = self.limits.stream_window_bytes;
                let at = self.streams.open(id, send_bytes, receive_bytes);
                let stream = self.streams.at_mut(at);
                stream.bytes_to_come = length;
                stream.is_remote_open = !is_end;
                if is_too_large {
                    self.spend_error(now_ms)?;
                    self.send_head(id, &[(b":status", b"431")], true);
                    return Ok(None);
                }
                if is_malformed || (is_end && length.is_some_and(|length| length > 0)) {
                    // Nobody has heard of it, so nobody is told that it is gone.
                    self.fail(at, Code::Protocol, now_ms)?;
                    return Ok(None);
                }
                Ok(Some(Event::Head { stream: id, is_end }))
            }
            (Purpose::Refuse, _) => {
                self.last_stream = id;
                // Before it knows how many it may open, more is no fault.
                if self.is_settled {
                    self.spend_error(now_ms)?;
                } else {
                    self.spend_control(now_ms)?;
                }
                self.put_reset(id, Code::Refused);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// What a head on this stream is for.
    fn purpose(&self, id: u32) -> Result<(Purpose, Option<At>), Broken> {
        if id <= self.last_stream {
            let closed = Broken::new(Code::StreamClosed, "HEADERS for a stream that was closed");
            return match self.streams.find(id) {
                Some(at) => Ok((Purpose::Trailers, Some(at))),
                None if self.was_reset_here(id) => Ok((Purpose::Ignore, None)),
                None => Err(closed),
            };
        }
        Ok(match self.leaving {
            Leaving::Final(last) if id > last => (Purpose::Ignore, None),
            _ if self.streams.len() >= self.limits.concurrent_streams_max as usize => {
                (Purpose::Refuse, None)
            }
            _ => (Purpose::Request, None),
        })
    }
}
