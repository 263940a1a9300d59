//! Frames: the nine bytes before every payload, and the payloads of fixed form.

use bytes::{BufMut, BytesMut};

use crate::error::{Broken, Code};

/// Bytes before a payload.
pub const HEADER_BYTES: usize = 9;
/// What a client says first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The flag `END_STREAM` of DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// The flag `ACK` of SETTINGS and PING.
pub const ACK: u8 = 0x1;
/// The flag `END_HEADERS` of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;
/// The flag `PADDED` of DATA and HEADERS.
pub const PADDED: u8 = 0x8;
/// The flag `PRIORITY` of HEADERS.
pub const PRIORITY: u8 = 0x20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// One of an extension: passed over.
    Unknown(u8),
}

impl Kind {
    fn from_byte(byte: u8) -> Kind {
        match byte {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            other => Kind::Unknown(other),
        }
    }

    fn to_byte(self) -> u8 {
        match self {
            Kind::Data => 0,
            Kind::Headers => 1,
            Kind::Priority => 2,
            Kind::Reset => 3,
            Kind::Settings => 4,
            Kind::PushPromise => 5,
            Kind::Ping => 6,
            Kind::GoAway => 7,
            Kind::WindowUpdate => 8,
            Kind::Continuation => 9,
            Kind::Unknown(other) => other,
        }
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload, below 2^24.
    pub length: usize,
    /// What it is.
    pub kind: Kind,
    /// Its flags; those that the kind does not have are ignored.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
}

impl Header {
    /// Read the first nine bytes, if there are as many.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Header {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind: Kind::from_byte(kind),
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind.to_byte(), self.flags, d, e, f, g]
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The payload without its padding.
///
/// # Errors
/// Where there is more padding than payload.
pub fn without_padding(header: Header, payload: &[u8]) -> Result<&[u8], Broken> {
    if !header.has(PADDED) {
        return Ok(payload);
    }
    let wrong = Broken::protocol("a frame has more padding than payload");
    let (padding, rest) = payload.split_first().ok_or(wrong)?;
    let bytes = rest.len().checked_sub(usize::from(*padding));
    bytes.map(|bytes| &rest[..bytes]).ok_or(wrong)
}

/// The fragment of a field block that HEADERS bring.
///
/// # Errors
/// Where padding or priority do not fit, or a stream depends on itself.
pub fn fragment(header: Header, payload: &[u8]) -> Result<&[u8], Broken> {
    let payload = without_padding(header, payload)?;
    if !header.has(PRIORITY) {
        return Ok(payload);
    }
    let size = Broken::new(Code::FrameSize, "HEADERS are shorter than their priority");
    let (priority, fragment) = payload.split_first_chunk::<5>().ok_or(size)?;
    let [a, b, c, d, _] = *priority;
    if u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff == header.stream {
        return Err(Broken::protocol("a stream depends on itself"));
    }
    Ok(fragment)
}

/// Four bytes as a number.
///
/// # Errors
/// `FRAME_SIZE_ERROR` where there are not four.
pub fn number(payload: &[u8]) -> Result<u32, Broken> {
    let bytes: Result<[u8; 4], _> = payload.try_into();
    bytes
        .map(u32::from_be_bytes)
        .map_err(|_| Broken::new(Code::FrameSize, "a frame is not of its size"))
}

pub(crate) fn put(out: &mut BytesMut, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
    let header = Header {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    out.put_slice(&header.to_bytes());
    out.put_slice(payload);
}

pub(crate) fn put_goaway(out: &mut BytesMut, last_stream: u32, code: Code, why: &str) {
    let mut payload = Vec::with_capacity(8 + why.len());
    payload.extend_from_slice(&last_stream.to_be_bytes());
    payload.extend_from_slice(&(code as u32).to_be_bytes());
    payload.extend_from_slice(why.as_bytes());
    put(out, Kind::GoAway, 0, 0, &payload);
}

#[cfg(test)]
mod tests {
    use super::{Header, Kind, PADDED, PRIORITY, fragment, without_padding};

    fn headers(flags: u8) -> Header {
        Header {
            length: 0,
            kind: Kind::Headers,
            flags,
            stream: 3,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header {
            length: 0x01_02_03,
            kind: Kind::Unknown(0x7b),
            flags: 0xa5,
            stream: 0x7fff_fffe,
        };
        assert_eq!(Header::parse(&header.to_bytes()), Some(header));
        assert_eq!(Header::parse(&[0; 8]), None);
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        assert_eq!(
            without_padding(headers(PADDED), b"\x02abcd").unwrap(),
            b"ab"
        );
        assert_eq!(without_padding(headers(PADDED), b"\x02ab").unwrap(), b"");
        assert!(without_padding(headers(PADDED), b"\x03ab").is_err());
        assert!(without_padding(headers(PADDED), b"").is_err());
        let both = headers(PADDED | PRIORITY);
        assert_eq!(fragment(both, b"\x01\0\0\0\x01\x10xyz").unwrap(), b"xy");
        assert!(fragment(headers(PRIORITY), b"\0\0\0\x01").is_err());
        assert!(fragment(headers(PRIORITY), b"\x80\0\0\x03\x10xyz").is_err());
    }
}
