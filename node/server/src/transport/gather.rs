//! The one message of a unary request, gathered from the frames that bring it.

use bytes::{Bytes, BytesMut};

use crate::transport::body::PREFIX_BYTES;

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Longer than a message may be.
    TooLong { bytes: usize },
    /// Compressed, which was not agreed upon.
    Compressed,
    /// Not exactly one whole message.
    NotOne,
}

/// What has come so far. A message that comes in one piece is not copied.
#[derive(Debug)]
pub(super) struct Gathered {
    first: Bytes,
    more: BytesMut,
    message_bytes_max: usize,
}

impl Gathered {
    pub(super) fn new(message_bytes_max: usize) -> Gathered {
        Gathered {
            first: Bytes::new(),
            more: BytesMut::new(),
            message_bytes_max,
        }
    }

    /// Take the next piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Broken> {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = piece;
        } else {
            if self.more.is_empty() {
                self.more
                    .extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.more.extend_from_slice(&piece);
        }
        let wanted = self.wanted()?;
        if wanted.is_some_and(|wanted| self.bytes().len() > PREFIX_BYTES + wanted) {
            return Err(Broken::NotOne);
        }
        Ok(())
    }

    /// The message, now that nothing more comes.
    pub(super) fn finish(self) -> Result<Bytes, Broken> {
        let wanted = self.wanted()?.ok_or(Broken::NotOne)?;
        if self.bytes().len() != PREFIX_BYTES + wanted {
            return Err(Broken::NotOne);
        }
        let whole = if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        };
        Ok(whole.slice(PREFIX_BYTES..))
    }

    fn bytes(&self) -> &[u8] {
        if self.more.is_empty() {
            &self.first
        } else {
            &self.more
        }
    }

    /// How long the message is, once that is known.
    fn wanted(&self) -> Result<Option<usize>, Broken> {
        let Some((prefix, _)) = self.bytes().split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let [compressed, length @ ..] = *prefix;
        let bytes = u32::from_be_bytes(length) as usize;
        match compressed {
            0 if bytes > self.message_bytes_max => Err(Broken::TooLong { bytes }),
            0 => Ok(Some(bytes)),
            _ => Err(Broken::Compressed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Broken, Gathered};
    use bytes::Bytes;

    fn gather(pieces: &[&'static [u8]]) -> Result<Bytes, Broken> {
        let mut gathered = Gathered::new(8);
        for piece in pieces {
            gathered.push(Bytes::from_static(piece))?;
        }
        gathered.finish()
    }

    #[test]
    fn pieces_make_one_message_however_they_are_cut() {
        let whole: &[u8] = b"\0\0\0\0\x03abc";
        assert_eq!(gather(&[whole]).unwrap(), "abc");
        for cut in 0..=whole.len() {
            assert_eq!(
                gather(&[&whole[..cut], &whole[cut..]]).unwrap(),
                "abc",
                "cut at {cut}"
            );
        }
        assert_eq!(
            gather(&[b"\0", b"\0\0\0", b"\x03a", b"", b"bc"]).unwrap(),
            "abc"
        );
        assert_eq!(gather(&[b"\0\0\0\0\0"]).unwrap(), "");
    }

    #[test]
    fn what_is_not_one_message_is_told_apart() {
        assert_eq!(gather(&[]), Err(Broken::NotOne));
        assert_eq!(gather(&[b"\0\0\0"]), Err(Broken::NotOne));
        assert_eq!(gather(&[b"\0\0\0\0\x03ab"]), Err(Broken::NotOne));
        assert_eq!(gather(&[b"\0\0\0\0\x03abcd"]), Err(Broken::NotOne));
        assert_eq!(gather(&[b"\x01\0\0\0\0"]), Err(Broken::Compressed));
        assert_eq!(
            gather(&[b"\0\0\0\0\x09"]),
            Err(Broken::TooLong { bytes: 9 })
        );
    }
}
