//! Bytes as batches hold them: read to the end or not at all, and written.
//!
//! Integers are little-endian; lengths are varints of at most 32 bits.

/// What is left to be read. Every read is None where there is not enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// What `read` makes of what is left, and leaves.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>,
    ) -> Option<T> {
        let (read, rest) = read(self.0)?;
        self.0 = rest;
        Some(read)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn short(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn length(&mut self) -> Option<usize> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return u32::try_from(number).ok().map(|number| number as usize);
            }
        }
        None
    }
}

#[inline]
pub(super) fn put_length(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
pub(super) fn length_bytes(number: usize) -> usize {
    (usize::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_survive_the_round_trip_and_longer_ones_are_refused() {
        for number in [0, 1, 127, 128, 16_383, 16_384, 512 << 20, u32::MAX as usize] {
            let mut out = Vec::new();
            put_length(&mut out, number);
            assert_eq!(out.len(), length_bytes(number));
            let mut reader = Reader::new(&out);
            assert_eq!((reader.length(), reader.len()), (Some(number), 0));
            assert_eq!(Reader::new(&out[1..]).length().is_none(), out.len() == 1);
        }
        assert_eq!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).length(), None);
        assert_eq!(Reader::new(&[0x80; 9]).length(), None);
    }
}
