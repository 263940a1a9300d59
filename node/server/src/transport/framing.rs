//! gRPC's framing: five bytes before every message, and the bytes of a stream that do
//! not make a message yet.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::transport::ledger::{Full, Held, Ledger};

/// The bytes before a message: whether it is compressed, and its length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Longer than a message may be.
    TooLong { bytes: usize },
    /// Compressed, which was not agreed upon.
    Compressed,
    /// Not exactly one whole message.
    NotOne,
    /// More than may be held for all streams of this connection, or of the node.
    Full,
}

impl From<Full> for Broken {
    fn from(_: Full) -> Broken {
        Broken::Full
    }
}

/// Where the first message stands in these bytes, once its length is known. It may end
/// behind them.
pub(super) fn first(bytes: &[u8], bytes_max: usize) -> Result<Option<Range<usize>>, Broken> {
    let Some(([compressed, length @ ..], _)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let bytes = u32::from_be_bytes(*length) as usize;
    match compressed {
        0 if bytes > bytes_max => Err(Broken::TooLong { bytes }),
        0 => Ok(Some(PREFIX_BYTES..PREFIX_BYTES + bytes)),
        _ => Err(Broken::Compressed),
    }
}

/// What stands before a message.
pub(super) fn prefix(message: &[u8]) -> Bytes {
    let mut prefix = [0; PREFIX_BYTES];
    prefix[1..].copy_from_slice(&(message.len() as u32).to_be_bytes());
    Bytes::copy_from_slice(&prefix)
}

/// Append a message that `write` appends, behind its prefix.
pub(super) fn put<E>(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.put_slice(&[0; PREFIX_BYTES]);
    write(out)?;
    // Answers are bounded far below 4 GiB.
    let length = (out.len() - start - PREFIX_BYTES) as u32;
    out[start + 1..start + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// What has come of a stream and is no whole message, or waits for its turn. Copied, so
/// that a few bytes do not hold a whole read buffer.
pub(super) struct Unframed {
    bytes: BytesMut,
    held: Held,
    message_bytes_max: usize,
}

impl Unframed {
    pub(super) fn new(ledger: &Arc<Ledger>, message_bytes_max: usize) -> Unframed {
        Unframed {
            bytes: BytesMut::new(),
            held: Held::new(ledger),
            message_bytes_max,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keep a piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Broken> {
        self.held.grow(piece.len())?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The next message, if it is there as a whole: from what was kept, and then from
    /// `piece`, of which it takes what it needs, without a copy if nothing was kept.
    pub(super) fn next(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, Broken> {
        if self.bytes.is_empty() {
            return cut(piece, self.message_bytes_max);
        }
        if !piece.is_empty() {
            self.push(piece)?;
            piece.clear();
        }
        let Some(place) = first(&self.bytes, self.message_bytes_max)? else {
            return Ok(None);
        };
        if place.end > self.bytes.len() {
            return Ok(None);
        }
        let message = self.bytes.split_to(place.end).freeze();
        self.held.shrink(place.end);
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        Ok(Some(message.slice(place)))
    }

    /// Look at what was kept of a unary request: there must not be more than one message.
    pub(super) fn check_one(&self) -> Result<(), Broken> {
        match first(&self.bytes, self.message_bytes_max)? {
            Some(place) if place.end < self.bytes.len() => Err(Broken::NotOne),
            _ => Ok(()),
        }
    }

    /// The one message of a unary request, of which this is the last piece.
    pub(super) fn last(&mut self, mut piece: Bytes) -> Result<Bytes, Broken> {
        let message = self.next(&mut piece)?.ok_or(Broken::NotOne)?;
        if piece.is_empty() && self.bytes.is_empty() {
            Ok(message)
        } else {
            Err(Broken::NotOne)
        }
    }
}

/// Cut the first message off, if it is there as a whole.
fn cut(piece: &mut Bytes, bytes_max: usize) -> Result<Option<Bytes>, Broken> {
    let Some(place) = first(piece, bytes_max)? else {
        return Ok(None);
    };
    if place.end > piece.len() {
        return Ok(None);
    }
    let message = piece.slice(place.clone());
    piece.advance(place.end);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::{Broken, Unframed, put};
    use crate::transport::ledger::Ledger;
    use bytes::{Bytes, BytesMut};

    fn one(pieces: &[&'static [u8]]) -> Result<Bytes, Broken> {
        let mut unframed = Unframed::new(&Ledger::for_tests(1000), 8);
        let (last, before) = pieces.split_last().unwrap();
        for piece in before {
            unframed.push(piece)?;
            unframed.check_one()?;
        }
        unframed.last(Bytes::from_static(last))
    }

    #[test]
    fn pieces_make_one_message_however_they_are_cut() {
        let whole: &[u8] = b"\0\0\0\0\x03abc";
        assert_eq!(one(&[whole]).unwrap(), "abc");
        for cut in 0..=whole.len() {
            assert_eq!(
                one(&[&whole[..cut], &whole[cut..]]).unwrap(),
                "abc",
                "{cut}"
            );
        }
        let pieces: [&[u8]; 5] = [b"\0", b"\0\0\0", b"\x03a", b"", b"bc"];
        assert_eq!(one(&pieces).unwrap(), "abc");
        assert_eq!(one(&[b"\0\0\0\0\0"]).unwrap(), "");
    }

    #[test]
    fn what_is_not_one_message_is_told_apart() {
        assert_eq!(one(&[b""]), Err(Broken::NotOne));
        assert_eq!(one(&[b"\0\0\0"]), Err(Broken::NotOne));
        assert_eq!(one(&[b"\0\0\0\0\x03ab"]), Err(Broken::NotOne));
        assert_eq!(one(&[b"\0\0\0\0\x03abcd"]), Err(Broken::NotOne));
        assert_eq!(one(&[b"\0\0\0\0\x03abcd", b""]), Err(Broken::NotOne));
        assert_eq!(one(&[b"\x01\0\0\0\0"]), Err(Broken::Compressed));
        assert_eq!(one(&[b"\0\0\0\0\x09"]), Err(Broken::TooLong { bytes: 9 }));
    }

    #[test]
    fn many_messages_come_out_however_they_are_cut() {
        let mut stream = BytesMut::new();
        let messages: [&[u8]; 4] = [b"a", b"", b"12345678", b"xy"];
        for message in messages {
            put(&mut stream, |out| {
                out.extend_from_slice(message);
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        let stream = stream.freeze();
        for size in 1..=stream.len() {
            let ledger = Ledger::for_tests(1000);
            let mut unframed = Unframed::new(&ledger, 8);
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                let mut piece = Bytes::copy_from_slice(piece);
                while let Some(message) = unframed.next(&mut piece).unwrap() {
                    found.push(message);
                }
                unframed.push(&piece).unwrap();
            }
            assert_eq!(found, messages, "pieces of {size}");
            assert!(unframed.is_empty());
            assert_eq!(ledger.requests_bytes(), 0);
        }
    }

    #[test]
    fn more_than_may_be_held_is_refused() {
        let ledger = Ledger::for_tests(10);
        let mut unframed = Unframed::new(&ledger, 100);
        unframed.push(&[0; 8]).unwrap();
        assert_eq!(unframed.push(&[0; 3]), Err(Broken::Full));
        drop(unframed);
        assert_eq!(ledger.requests_bytes(), 0);
    }
}
