//! Protobuf's wire format, as far as the messages of this load need it.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, front to back; ends with an error where it is malformed.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Held<'a>), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(());
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Held<'a>)> {
        let tag = self.varint()?;
        let held = match tag & 7 {
            0 => Held::Number(self.varint()?),
            1 => Held::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Held::Bytes(self.take(length)?)
            }
            5 => Held::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, held))
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

pub(super) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn varint_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// The head of a field of bytes; they follow.
pub(super) fn bytes_head(field: u64, length: usize, out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(length as u64, out);
}

/// A field of bytes in all, with a tag of one byte.
pub(super) fn field_bytes(length: usize) -> usize {
    1 + varint_bytes(length as u64) + length
}

#[cfg(test)]
mod tests {
    use super::{Fields, Held, field_bytes, varint, varint_bytes};

    #[test]
    fn numbers_are_as_long_as_said() {
        for number in [0, 1, 127, 128, 300, 1 << 21, u64::MAX] {
            let mut out = Vec::new();
            varint(number, &mut out);
            assert_eq!(out.len(), varint_bytes(number));
            assert_eq!(Fields(&out).varint(), Some(number));
        }
        assert_eq!(field_bytes(200), 203);
    }

    #[test]
    fn fields_are_read_and_what_is_cut_is_an_error() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, 7, 8];
        let fields: Vec<_> = Fields(&message).collect();
        assert_eq!(fields[0], Ok((1, Held::Number(150))));
        assert_eq!(fields[1], Ok((2, Held::Bytes(&[7, 8]))));
        for length in [1, 2, 4, 5, 6] {
            assert!(
                Fields(&message[..length]).any(|field| field.is_err()),
                "{length}"
            );
        }
    }
}
