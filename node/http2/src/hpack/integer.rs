//! Integers with a prefix (RFC 7541, section 5.1).

use bytes::{BufMut, BytesMut};

/// Read one from the front of `from`, whose first byte holds `prefix_bits` of it.
/// `None`: it is cut short, or longer than any that makes sense here.
pub(crate) fn read(from: &mut &[u8], prefix_bits: u32) -> Option<usize> {
    let (first, mut rest) = from.split_first()?;
    let most = (1_usize << prefix_bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        for shift in (0..28).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *from = rest;
                return Some(value);
            }
        }
        return None;
    }
    *from = rest;
    Some(value)
}

/// Write one, under the pattern that the first byte begins with.
pub(crate) fn write(pattern: u8, prefix_bits: u32, value: usize, out: &mut BytesMut) {
    let most = (1_usize << prefix_bits) - 1;
    if value < most {
        out.put_u8(pattern | value as u8);
        return;
    }
    out.put_u8(pattern | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.put_u8(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use bytes::BytesMut;

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(read(&mut &[0b1110_1010][..], 5), Some(10));
        assert_eq!(
            read(&mut &[31, 0b1001_1010, 0b0000_1010][..], 5),
            Some(1337)
        );
        assert_eq!(read(&mut &[42][..], 8), Some(42));
    }

    #[test]
    fn what_is_written_is_read() {
        for prefix_bits in 4..=8 {
            for value in (0..1000).chain([16_383, 16_384, 1 << 20, (1 << 28) - 1]) {
                let mut out = BytesMut::new();
                write(0, prefix_bits, value, &mut out);
                out.extend_from_slice(b"x");
                let mut from = &out[..];
                assert_eq!(read(&mut from, prefix_bits), Some(value));
                assert_eq!(from, b"x");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        assert_eq!(read(&mut &[][..], 5), None);
        assert_eq!(read(&mut &[31][..], 5), None);
        assert_eq!(read(&mut &[31, 0x80, 0x80][..], 5), None);
        assert_eq!(
            read(&mut &[31, 0x80, 0x80, 0x80, 0x80, 0x80, 1][..], 5),
            None
        );
    }
}
