//! Where a follower's messages are laid, one after the other.
//!
//! The buffer is taken again for the next message once the transport has sent this one:
//! what it lies in is large, and a new one a message would cost its writes more than their
//! place in the log.

use bytes::Bytes;

use crate::transport::PREFIX_BYTES;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    free: Vec<u8>,
    /// The last message, which may be on its way.
    sent: Bytes,
}

impl Buffer {
    /// Where to append a message: behind room for its prefix.
    pub(super) fn begin(&mut self) -> &mut Vec<u8> {
        if self.free.capacity() == 0
            && let Ok(sent) = std::mem::take(&mut self.sent).try_into_mut()
        {
            self.free = sent.into();
        }
        self.free.clear();
        self.free.extend_from_slice(&[0; PREFIX_BYTES]);
        &mut self.free
    }

    /// The message that was appended, as gRPC sends it. The buffer is kept where it is not
    /// larger than this.
    pub(super) fn finish(&mut self, kept_bytes_max: usize) -> Bytes {
        let mut laid = std::mem::take(&mut self.free);
        // Budgets are far below 4 GiB, and so are values.
        let length = (laid.len() - PREFIX_BYTES) as u32;
        laid[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
        let is_kept = laid.capacity() <= kept_bytes_max;
        let whole = Bytes::from(laid);
        if is_kept {
            self.sent = whole.clone();
        }
        whole
    }

    /// There is nothing to say: let go of what is kept for more to come.
    pub(super) fn rest(&mut self) {
        *self = Buffer::default();
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;
    use bytes::Bytes;

    fn message(buffer: &mut Buffer, bytes: usize) -> Bytes {
        buffer.begin().resize(5 + bytes, 7);
        buffer.finish(200_000)
    }

    #[test]
    fn a_message_stands_behind_its_prefix() {
        let mut buffer = Buffer::default();
        assert_eq!(message(&mut buffer, 3), b"\0\0\0\0\x03\x07\x07\x07"[..]);
        buffer.begin().extend_from_slice(b"nothing came of it");
        assert_eq!(message(&mut buffer, 258)[..6], b"\0\0\0\x01\x02\x07"[..]);
    }

    #[test]
    fn a_buffer_is_taken_again_once_its_message_has_gone() {
        let mut buffer = Buffer::default();
        let first = message(&mut buffer, 100_000);
        let second = message(&mut buffer, 100_000);
        assert_ne!(second.as_ptr(), first.as_ptr(), "the first is still there");
        let lies_at = second.as_ptr();
        drop(second);
        drop(message(&mut buffer, 1));
        let third = message(&mut buffer, 100_000);
        assert_eq!(third.as_ptr(), lies_at);
        assert_eq!(first[5..], [7; 100_000]);
    }

    #[test]
    fn no_buffer_is_kept_that_is_too_large_or_of_no_use() {
        let mut buffer = Buffer::default();
        drop(message(&mut buffer, 300_000));
        assert_eq!(buffer.begin().capacity(), 8);
        drop(message(&mut buffer, 100_000));
        buffer.rest();
        assert_eq!((buffer.free.capacity(), buffer.sent.len()), (0, 0));
    }
}
