//! From fields to a field block.
//!
//! The fields that a connection sends again and again are named when it is made;
//! each enters the table when it is first sent, nothing else ever does, and nothing
//! is evicted, so that from then on it is one byte. Nothing is Huffman-coded: what
//! is not in a table is an error's text, and rare.

use bytes::{BufMut, BytesMut};

use crate::hpack::integer;
use crate::hpack::table::ENTRY_OVERHEAD_BYTES;
use crate::{Field, StaticField};

const STATIC_ENTRIES: usize = 61;
const STATUS_NAME: usize = 8;
/// `:status` values of the static table, by index.
const STATUSES: [(usize, &[u8]); 7] = [
    (8, b"200"),
    (9, b"204"),
    (10, b"206"),
    (11, b"304"),
    (12, b"400"),
    (13, b"404"),
    (14, b"500"),
];
const CONTENT_TYPE_NAME: usize = 31;

/// See the module.
#[derive(Clone, Debug)]
pub struct Encoder {
    frequent: &'static [StaticField],
    /// For each the number of entries that had entered when it had, 0 if it has not.
    entered: [u8; Encoder::FREQUENT_MAX],
    entries: u8,
    size: usize,
    size_max: usize,
    /// The peer lowered the size of the table and is to be told that this was heard.
    must_tell: bool,
}

impl Encoder {
    /// How many fields may be named as frequent; more are sent as any other.
    pub const FREQUENT_MAX: usize = 8;

    /// With an empty table of at most 4096 bytes.
    #[must_use]
    pub fn new(frequent: &'static [StaticField]) -> Encoder {
        Encoder {
            frequent,
            entered: [0; Encoder::FREQUENT_MAX],
            entries: 0,
            size: 0,
            size_max: 4096,
            must_tell: false,
        }
    }

    /// The peer's table holds so many bytes from now on. More than at first is not
    /// made use of.
    pub fn resize(&mut self, size_max: u32) {
        let size_max = (size_max as usize).min(4096);
        if size_max < self.size_max {
            self.size_max = size_max;
            self.must_tell = true;
            self.forget();
        }
    }

    /// Write a block of these fields. Blocks must be sent in the order of these calls.
    pub fn encode<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>, out: &mut BytesMut) {
        if self.must_tell {
            self.must_tell = false;
            integer::write(0x20, 5, 0, out);
            integer::write(0x20, 5, self.size_max, out);
        }
        for (name, value) in fields {
            self.field(name, value, out);
        }
    }

    fn forget(&mut self) {
        self.entered = [0; Encoder::FREQUENT_MAX];
        self.entries = 0;
        self.size = 0;
    }

    fn field(&mut self, name: &[u8], value: &[u8], out: &mut BytesMut) {
        let is_status = name == b":status";
        if is_status && let Some((index, _)) = STATUSES.iter().find(|(_, known)| *known == value) {
            return out.put_u8(0x80 | *index as u8);
        }
        let name_index = match name {
            _ if is_status => STATUS_NAME,
            b"content-type" => CONTENT_TYPE_NAME,
            _ => 0,
        };
        let frequent = self.frequent.iter().zip(&mut self.entered);
        let Some((_, entered)) = frequent
            .into_iter()
            .find(|((n, v), _)| *n == name && *v == value)
        else {
            return literal(0x00, 4, name_index, name, value, out);
        };
        if *entered > 0 {
            let index = STATIC_ENTRIES + 1 + usize::from(self.entries - *entered);
            return integer::write(0x80, 7, index, out);
        }
        let size = name.len() + value.len() + ENTRY_OVERHEAD_BYTES;
        if self.size + size > self.size_max {
            return literal(0x00, 4, name_index, name, value, out);
        }
        self.size += size;
        self.entries += 1;
        *entered = self.entries;
        literal(0x40, 6, name_index, name, value, out);
    }
}

fn literal(
    pattern: u8,
    prefix_bits: u32,
    name_index: usize,
    name: &[u8],
    value: &[u8],
    out: &mut BytesMut,
) {
    integer::write(pattern, prefix_bits, name_index, out);
    if name_index == 0 {
        integer::write(0, 7, name.len(), out);
        out.put_slice(name);
    }
    integer::write(0, 7, value.len(), out);
    out.put_slice(value);
}

#[cfg(test)]
mod tests {
    use super::Encoder;
    use crate::Field;
    use crate::head::Head;
    use crate::hpack::Decoder;
    use bytes::BytesMut;

    const FREQUENT: &[(&[u8], &[u8])] = &[
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"0"),
    ];
    const RESPONSE: &[Field<'static>] = &[
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"0"),
        (b"grpc-message", b"once"),
    ];

    fn through(encoder: &mut Encoder, decoder: &mut Decoder) -> usize {
        let mut out = BytesMut::new();
        encoder.encode(RESPONSE.iter().copied(), &mut out);
        let mut head = Head::new(10_000);
        decoder.decode(&out, &mut head).unwrap();
        let fields: Vec<Field<'_>> = head.all_fields().collect();
        assert_eq!(fields, RESPONSE);
        out.len()
    }

    #[test]
    fn frequent_fields_become_one_byte() {
        let (mut encoder, mut decoder) = (Encoder::new(FREQUENT), Decoder::new(4096));
        let first = through(&mut encoder, &mut decoder);
        let second = through(&mut encoder, &mut decoder);
        let once = 2 + "grpc-message".len() + 1 + "once".len();
        assert!(first > second);
        assert_eq!(second, 3 + once);
        assert_eq!(through(&mut encoder, &mut decoder), second);
    }

    #[test]
    fn a_peer_without_a_table_is_sent_literals() {
        let (mut encoder, mut decoder) = (Encoder::new(FREQUENT), Decoder::new(4096));
        through(&mut encoder, &mut decoder);
        encoder.resize(0);
        let told = through(&mut encoder, &mut decoder);
        let after = through(&mut encoder, &mut decoder);
        assert_eq!(told, after + 2);
        assert_eq!(through(&mut encoder, &mut decoder), after);
        encoder.resize(4096);
        assert_eq!(through(&mut encoder, &mut decoder), after);
    }

    #[test]
    fn a_smaller_table_holds_what_fits() {
        let (mut encoder, mut decoder) = (Encoder::new(FREQUENT), Decoder::new(4096));
        through(&mut encoder, &mut decoder);
        encoder.resize(70);
        for _ in 0..3 {
            through(&mut encoder, &mut decoder);
        }
    }
}
