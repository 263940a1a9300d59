//! HTTP/2 frames: a head of nine bytes, then the payload (RFC 9113, section 4).

/// Types of frames, by their number.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

pub(super) const END_STREAM: u8 = 1;
/// Of `SETTINGS` and `PING`.
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
pub(super) const HEAD_BYTES: usize = 9;

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the front, if all of it is there.
    pub(super) fn read(input: &'a [u8]) -> Option<Frame<'a>> {
        let head = input.get(..HEAD_BYTES)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: number(&head[5..9]) & 0x7fff_ffff,
            payload: input.get(HEAD_BYTES..HEAD_BYTES + length)?,
        })
    }

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What `DATA` and `HEADERS` hold, without padding and priority.
    pub(super) fn content(&self) -> Option<&'a [u8]> {
        let mut content = self.payload;
        let mut padding = 0;
        if self.is(PADDED) {
            let (&length, rest) = content.split_first()?;
            (padding, content) = (usize::from(length), rest);
        }
        if self.kind == kind::HEADERS && self.is(PRIORITY) {
            content = content.get(5..)?;
        }
        content.get(..content.len().checked_sub(padding)?)
    }
}

/// Four bytes, the highest first.
pub(super) fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

/// Append the head of a frame.
pub(super) fn head(kind: u8, flags: u8, stream: u32, length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::{END_STREAM, Frame, head, kind};

    #[test]
    fn a_frame_is_read_when_all_of_it_is_there() {
        let mut out = Vec::new();
        head(kind::DATA, END_STREAM, 7, 3, &mut out);
        out.extend_from_slice(b"abcd");
        let frame = Frame::read(&out).unwrap();
        assert_eq!((frame.stream, frame.payload), (7, &b"abc"[..]));
        assert!(frame.is(END_STREAM));
        assert_eq!(Frame::read(&out[..11]), None);
        assert_eq!(Frame::read(&out[..8]), None);
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        let padded = Frame {
            kind: kind::HEADERS,
            flags: 8 | 32,
            stream: 1,
            payload: &[2, 0, 0, 0, 0, 9, 1, 2, 0, 0],
        };
        assert_eq!(padded.content(), Some(&[1, 2][..]));
        let too_much = Frame {
            payload: &[9, 1],
            ..padded
        };
        assert_eq!(too_much.content(), None);
    }
}
