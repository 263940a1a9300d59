//! What goes out: responses to frames, as far as the peer's windows allow.

use bytes::{BufMut, Bytes, BytesMut};

use crate::Field;
use crate::connection::Connection;
use crate::error::Code;
use crate::frame::{self, END_HEADERS, END_STREAM, HEADER_BYTES, Header, Kind};
use crate::streams::{At, Ending};

/// The largest DATA frame that is sent, whatever the peer takes, and the largest body
/// that goes out at once, so that no stream holds up the others for long.
const DATA_BYTES_MAX: usize = 64 * 1024;
/// The largest payload that every peer takes.
const BLOCK_BYTES_MAX: usize = 16 * 1024;
/// WINDOW_UPDATEs that a DATA frame may bring about.
const UPDATES_PER_DATA: usize = 4;

impl<S: Default> Connection<S> {
    /// Send a whole response. `write` appends its body, straight into the bytes to be
    /// sent; if it fails, nothing was sent, and the stream is as it was. Nothing is
    /// done for a stream that is not open.
    ///
    /// # Errors
    /// What `write` fails with.
    pub fn respond<E>(
        &mut self,
        stream: u32,
        head: &[Field<'_>],
        trailers: &[Field<'_>],
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(at) = self.streams.find(stream) else {
            return Ok(());
        };
        let encoder = self.encoder.clone();
        let out = self.outbox.tail();
        let start = out.len();
        let is_first = !std::mem::replace(&mut self.streams.at_mut(at).is_head_sent, true);
        if is_first {
            put_block(out, stream, 0, |out| {
                self.encoder.encode(head.iter().copied(), out);
            });
        }
        if let Err(error) = self.body(at, write) {
            self.outbox.tail().truncate(start);
            self.encoder = encoder;
            self.streams.at_mut(at).is_head_sent = !is_first;
            return Err(error);
        }
        self.send_end(stream, trailers);
        Ok(())
    }

    /// Send the head of a response, and with `is_end` nothing else.
    pub fn send_head(&mut self, stream: u32, head: &[Field<'_>], is_end: bool) {
        let Some(at) = self.streams.find(stream) else {
            return;
        };
        self.streams.at_mut(at).is_head_sent = true;
        let flags = if is_end { END_STREAM } else { 0 };
        put_block(self.outbox.tail(), stream, flags, |out| {
            self.encoder.encode(head.iter().copied(), out);
        });
        if is_end {
            self.end(at);
        }
    }

    /// Whether the head of a stream's response was sent. False if it is not open.
    #[must_use]
    pub fn is_head_sent(&self, stream: u32) -> bool {
        let at = self.streams.find(stream);
        at.is_some_and(|at| self.streams.at(at).is_head_sent)
    }

    /// Send more of a body; `write` appends it.
    ///
    /// # Errors
    /// What `write` fails with; then nothing was sent.
    pub fn send_body<E>(
        &mut self,
        stream: u32,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.streams.find(stream) {
            Some(at) => self.body(at, write),
            None => Ok(()),
        }
    }

    /// Send more of a body that is there already.
    pub fn send_bytes(&mut self, stream: u32, bytes: Bytes) {
        if let Some(at) = self.streams.find(stream)
            && !bytes.is_empty()
        {
            self.streams.add_body(at, bytes);
            self.queue(at);
        }
    }

    /// End a response, behind its body.
    pub fn send_end(&mut self, stream: u32, trailers: &[Field<'_>]) {
        let Some(at) = self.streams.find(stream) else {
            return;
        };
        let stream = self.streams.at_mut(at);
        if stream.body_bytes > 0 {
            let owned = trailers.iter().map(|(n, v)| (n.to_vec(), v.to_vec()));
            stream.ending = Ending::Trailers(owned.collect());
        } else {
            self.put_end(at, trailers.iter().copied());
        }
    }

    /// End a stream at once, without more of a response.
    pub fn reset(&mut self, stream: u32, code: Code) {
        if let Some(at) = self.streams.find(stream) {
            self.streams.remove(at);
            self.put_reset(stream, code);
        }
    }

    /// Bytes of a stream's body that wait.
    #[must_use]
    pub fn stream_waiting_bytes(&self, stream: u32) -> usize {
        let at = self.streams.find(stream);
        at.map_or(0, |at| self.streams.at(at).body_bytes)
    }

    /// Move bodies that wait to the bytes to be sent, a frame of each in turn.
    pub(super) fn fill(&mut self) {
        while self.outbox.bytes() < self.limits.outbox_bytes_max {
            let Some(id) = self.ready.pop_front() else {
                return;
            };
            let Some(at) = self.streams.find(id) else {
                continue;
            };
            if self.send_window.available() == 0 {
                self.ready.push_front(id);
                return;
            }
            let most = self.sendable(at);
            self.streams.at_mut(at).is_queued = false;
            let piece = self.streams.take_body(at, most);
            if piece.is_empty() {
                continue;
            }
            self.count_data(at, piece.len(), 1);
            let header = data_header(id, piece.len());
            self.outbox.tail().put_slice(&header);
            self.outbox.push(piece);
            let stream = self.streams.at_mut(at);
            if stream.body_bytes > 0 {
                self.queue(at);
                continue;
            }
            match std::mem::take(&mut stream.ending) {
                Ending::Unknown => self.drained.push_back(id),
                Ending::Trailers(trailers) => {
                    let fields = trailers.iter().map(|(n, v)| (n.as_slice(), v.as_slice()));
                    self.put_end(at, fields);
                }
            }
        }
    }

    /// Append to a body: in place where it may be sent at once.
    fn body<E>(
        &mut self,
        at: At,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let stream = self.streams.at(at);
        let (id, is_behind) = (stream.id, stream.body_bytes > 0);
        let is_full = self.outbox.bytes() >= self.limits.outbox_bytes_max;
        let windows = if is_full { 0 } else { self.windows(at) };
        let frame_bytes_max = self.peer.frame_bytes_max;
        let out = self.outbox.tail();
        let start = out.len();
        out.put_slice(&[0; HEADER_BYTES]);
        if let Err(error) = write(out) {
            out.truncate(start);
            return Err(error);
        }
        let bytes = out.len() - start - HEADER_BYTES;
        if bytes == 0 {
            out.truncate(start);
        } else if bytes <= windows.min(DATA_BYTES_MAX) && !is_behind {
            let frames = put_in_frames(out, start, id, frame_bytes_max);
            self.count_data(at, bytes, frames);
        } else {
            let body = self.outbox.cut(start + HEADER_BYTES);
            self.outbox.tail().truncate(start);
            self.streams.add_body(at, body);
            self.queue(at);
            // At once, so that whoever asks how much stands ready is told of it.
            self.fill();
        }
        Ok(())
    }

    /// How much a stream may send now.
    fn windows(&self, at: At) -> usize {
        let stream = self.streams.at(at).send.available();
        stream.min(self.send_window.available())
    }

    /// And in one frame.
    fn sendable(&self, at: At) -> usize {
        let windows = self.windows(at);
        windows.min(self.peer.frame_bytes_max).min(DATA_BYTES_MAX)
    }

    fn count_data(&mut self, at: At, bytes: usize, frames: usize) {
        self.send_window.take(bytes);
        self.data_bytes += bytes as u64;
        self.streams.at_mut(at).send.take(bytes);
        for _ in 0..frames * UPDATES_PER_DATA {
            self.budgets.control_frames.earn();
        }
    }

    /// Let a stream with a body have its turn, if its window is open.
    fn queue(&mut self, at: At) {
        let stream = self.streams.at_mut(at);
        if !stream.is_queued && stream.send.available() > 0 {
            stream.is_queued = true;
            self.ready.push_back(stream.id);
        }
    }

    fn put_end<'f>(&mut self, at: At, trailers: impl ExactSizeIterator<Item = Field<'f>>) {
        let stream = self.streams.at(at).id;
        let out = self.outbox.tail();
        if trailers.len() == 0 {
            let mut header = data_header(stream, 0);
            header[4] = END_STREAM;
            out.put_slice(&header);
        } else {
            put_block(out, stream, END_STREAM, |out| {
                self.encoder.encode(trailers, out);
            });
        }
        self.end(at);
    }

    /// This side has said everything. A peer that has not is told to stop.
    fn end(&mut self, at: At) {
        let stream = self.streams.at(at);
        let (id, is_remote_open) = (stream.id, stream.is_remote_open);
        self.streams.remove(at);
        self.completed();
        if is_remote_open {
            self.put_reset(id, Code::NoError);
        }
    }
}

/// Make frames of a body that stands at the end of `out`, behind room for one header.
/// Returns how many. What does not fit the first moves up a little, the last first.
fn put_in_frames(out: &mut BytesMut, start: usize, stream: u32, frame_bytes_max: usize) -> usize {
    let body_at = start + HEADER_BYTES;
    let bytes = out.len() - body_at;
    let frames = bytes.div_ceil(frame_bytes_max);
    out.resize(out.len() + (frames - 1) * HEADER_BYTES, 0);
    for frame in (0..frames).rev() {
        let from = frame * frame_bytes_max;
        let length = frame_bytes_max.min(bytes - from);
        let to = body_at + from + frame * HEADER_BYTES;
        if frame > 0 {
            let lies_at = body_at + from;
            out.copy_within(lies_at..lies_at + length, to);
        }
        out[to - HEADER_BYTES..to].copy_from_slice(&data_header(stream, length));
    }
    frames
}

fn data_header(stream: u32, length: usize) -> [u8; HEADER_BYTES] {
    let header = Header {
        length,
        kind: Kind::Data,
        flags: 0,
        stream,
    };
    header.to_bytes()
}

/// Write HEADERS, and CONTINUATION where the block does not fit one frame.
fn put_block(out: &mut BytesMut, stream: u32, flags: u8, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_slice(&[0; HEADER_BYTES]);
    write(out);
    let mut rest = BytesMut::new();
    if out.len() - start - HEADER_BYTES > BLOCK_BYTES_MAX {
        rest = out.split_off(start + HEADER_BYTES + BLOCK_BYTES_MAX);
    }
    let header = Header {
        length: out.len() - start - HEADER_BYTES,
        kind: Kind::Headers,
        flags: flags | last(&rest),
        stream,
    };
    out[start..start + HEADER_BYTES].copy_from_slice(&header.to_bytes());
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(BLOCK_BYTES_MAX));
        frame::put(out, Kind::Continuation, last(&rest), stream, &piece);
    }
}

/// Whether the frame before these bytes is a block's last.
fn last(rest: &BytesMut) -> u8 {
    if rest.is_empty() { END_HEADERS } else { 0 }
}
