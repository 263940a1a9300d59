//! Bytes that stand ready to be sent.
//!
//! Small things are written one behind the other into one buffer; a large body
//! stands between as it is, shared and not copied. The buffer that it was written to is
//! taken again once it was sent: a fresh one comes page by page, and is copied each time
//! that it grows.
//!
//! Invariants: `bytes` is what all parts hold that is not sent; besides, a few
//! empty buffers are kept, each of bounded size.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// From this size on a body is shared rather than copied.
const SHARED_BYTES_MIN: usize = 8 * 1024;
/// What the buffer is made with, and what it grows to in use is kept up to.
const BUFFER_BYTES: usize = 16 * 1024;
const BUFFER_KEPT_BYTES: usize = 256 * 1024;
/// Large bodies' buffers that are kept: about as many stand between two writes,
const SPARES_MAX: usize = 2;
/// and of at most this size.
const SPARE_BYTES_MAX: usize = 128 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Sent first.
    parts: VecDeque<Bytes>,
    parts_bytes: usize,
    /// Sent after them; more is written at its end.
    tail: BytesMut,
    /// Empty ones, for tails to come.
    spares: Vec<BytesMut>,
}

impl Outbox {
    pub(crate) fn bytes(&self) -> usize {
        self.parts_bytes + self.tail.len()
    }

    /// Where to write.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.tail.is_empty() {
            let capacity = self.tail.capacity();
            if let Some(larger) = self.spares.pop_if(|it| it.capacity() > capacity) {
                self.tail = larger;
            } else if capacity == 0 {
                self.tail.reserve(BUFFER_BYTES);
            }
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

    /// Take what stands behind the first `at` bytes of the tail, to be sent later.
    pub(crate) fn cut(&mut self, at: usize) -> Bytes {
        let body = self.tail.split_off(at).freeze();
        // What stands before a large one must not keep the whole of it.
        if body.len() > self.tail.len() {
            let before = std::mem::take(&mut self.tail);
            self.tail().extend_from_slice(&before);
        }
        body
    }

    /// Nothing happened for a while: let go of what is kept for more to come.
    pub(crate) fn rest(&mut self) {
        if self.bytes() == 0 {
            (self.tail, self.spares) = Default::default();
        }
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
            if let Some(Ok(buffer)) = self.parts.pop_front().map(Bytes::try_into_mut) {
                self.keep(buffer);
            }
        }
        if bytes > 0 {
            self.tail.advance(bytes);
        }
        if bytes > 0 && self.tail.is_empty() {
            begin_anew(&mut self.tail);
            if self.tail.capacity() > BUFFER_KEPT_BYTES {
                self.tail = BytesMut::new();
            }
        }
    }

    /// Keep a buffer of which everything was sent, and that nobody else reads.
    fn keep(&mut self, mut buffer: BytesMut) {
        begin_anew(&mut buffer);
        let is_of_use = (BUFFER_BYTES..=SPARE_BYTES_MAX).contains(&buffer.capacity());
        if is_of_use && self.spares.len() < SPARES_MAX {
            self.spares.push(buffer);
        }
    }
}

/// A buffer that stands at its end begins anew at its beginning.
fn begin_anew(buffer: &mut BytesMut) {
    buffer.clear();
    // It does so where it is asked for more than is left.
    buffer.reserve(buffer.capacity() + 1);
}

#[cfg(test)]
mod tests {
    use super::{BUFFER_KEPT_BYTES, Outbox, SHARED_BYTES_MIN, SPARE_BYTES_MAX, SPARES_MAX};
    use bytes::{Bytes, BytesMut};
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

    /// Write bodies of this size, each behind a head, and send them together. Where each
    /// lay.
    fn send_bodies(outbox: &mut Outbox, count: usize, size: usize) -> Vec<usize> {
        let mut places = Vec::new();
        for _ in 0..count {
            let tail = outbox.tail();
            tail.extend_from_slice(b"head");
            let at = tail.len();
            (0..size).for_each(|n| tail.extend_from_slice(&[n as u8]));
            let mut body = outbox.cut(at);
            assert!(body.iter().enumerate().all(|(n, byte)| *byte == n as u8));
            places.push(body.as_ptr() as usize);
            while !body.is_empty() {
                let piece = body.split_to(body.len().min(16 * 1024));
                outbox.push(piece);
            }
        }
        assert_eq!(outbox.bytes(), count * (size + 4));
        outbox.sent(outbox.bytes());
        places
    }

    #[test]
    fn buffers_are_taken_again_once_they_were_sent() {
        let mut outbox = Outbox::default();
        send_bodies(&mut outbox, 2, 100_000);
        let before = send_bodies(&mut outbox, 2, 100_000);
        let after = send_bodies(&mut outbox, 2, 100_000);
        // A little further on or back, by the heads before them.
        let is_there = |place: &usize| before.iter().any(|old| old.abs_diff(*place) < 100);
        assert!(after.iter().all(is_there), "they were made anew");
        outbox.rest();
        assert_eq!((outbox.tail.capacity(), outbox.spares.len()), (0, 0));
    }

    #[test]
    fn no_large_buffer_is_kept() {
        let mut outbox = Outbox::default();
        send_bodies(&mut outbox, 3, BUFFER_KEPT_BYTES + 1);
        assert!(outbox.tail.capacity() <= BUFFER_KEPT_BYTES);
        let is_bounded = |it: &BytesMut| it.capacity() <= SPARE_BYTES_MAX;
        assert!(outbox.spares.iter().all(is_bounded));
        send_bodies(&mut outbox, 9, SPARE_BYTES_MAX / 2);
        assert_eq!(outbox.spares.len(), SPARES_MAX);
    }
}
