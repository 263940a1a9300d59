//! Bytes that stand ready to be sent.
//!
//! Small things are written one behind the other into one buffer; a large body
//! stands between as it is, shared and not copied.
//!
//! Invariant: `bytes` is what all parts hold that is not sent.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// From this size on a body is shared rather than copied.
const SHARED_BYTES_MIN: usize = 8 * 1024;
/// What the buffer is made with, and what it grows to in use is kept up to.
const BUFFER_BYTES: usize = 16 * 1024;
const BUFFER_KEPT_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Sent first.
    parts: VecDeque<Bytes>,
    parts_bytes: usize,
    /// Sent after them; more is written at its end.
    tail: BytesMut,
}

impl Outbox {
    pub(crate) fn bytes(&self) -> usize {
        self.parts_bytes + self.tail.len()
    }

    /// Where to write.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.tail.capacity() == 0 {
            self.tail.reserve(BUFFER_BYTES);
        }
        &mut self.tail
    }

    /// Append a body, shared if that is worth it.
    pub(crate) fn push(&mut self, body: Bytes) {
        if body.len() < SHARED_BYTES_MIN {
            self.tail().extend_from_slice(&body);
            return;
        }
        if !self.tail.is_empty() {
            self.parts_bytes += self.tail.len();
            self.parts.push_back(self.tail.split().freeze());
        }
        self.parts_bytes += body.len();
        self.parts.push_back(body);
    }

    /// What to send next. Returns how many slices were filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().map(|part| &**part);
        let tail = Some(&*self.tail).filter(|tail| !tail.is_empty());
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(parts.chain(tail)) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    /// So many bytes were sent.
    pub(crate) fn sent(&mut self, mut bytes: usize) {
        while let Some(part) = self.parts.front_mut() {
            let taken = part.len().min(bytes);
            part.advance(taken);
            self.parts_bytes -= taken;
            bytes -= taken;
            if !part.is_empty() {
                return;
            }
            self.parts.pop_front();
        }
        self.tail.advance(bytes);
        if self.tail.is_empty() {
            self.tail.clear();
            if self.tail.capacity() > BUFFER_KEPT_BYTES {
                self.tail = BytesMut::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outbox, SHARED_BYTES_MIN};
    use bytes::Bytes;
    use std::io::IoSlice;

    #[test]
    fn everything_comes_out_in_order_however_it_is_sent() {
        for step in [1, 7, 1000, 100_000] {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (n, size) in [3, SHARED_BYTES_MIN, 0, 5, 3 * SHARED_BYTES_MIN, 9]
                .into_iter()
                .enumerate()
            {
                outbox.tail().extend_from_slice(&[n as u8; 2]);
                expected.extend_from_slice(&[n as u8; 2]);
                outbox.push(Bytes::from(vec![n as u8; size]));
                expected.extend(std::iter::repeat_n(n as u8, size));
            }
            let mut sent = Vec::new();
            while outbox.bytes() > 0 {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = outbox.slices(&mut slices);
                let now: Vec<u8> = slices[..filled]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .take(step)
                    .collect();
                outbox.sent(now.len());
                sent.extend(now);
            }
            assert_eq!(sent, expected, "step {step}");
        }
    }
}
