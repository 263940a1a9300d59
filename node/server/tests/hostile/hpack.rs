//! Header blocks, by hand: written without a table, read without one.
//!
//! An attacker tells the server to keep no dynamic table, so that any block can be
//! read by itself.

/// Lengths in bits of the Huffman codes of RFC 7541; they are canonical, so this is
/// the whole table.
const CODE_BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Entries of the static table.
const STATIC_ENTRIES: usize = 61;

pub(crate) type Fields = Vec<(String, String)>;

/// The block of a gRPC request.
pub(crate) fn request(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04];
    string(&mut block, path.as_bytes());
    block.push(0x01);
    string(&mut block, b"shoal.test");
    block.extend(literal("content-type", "application/grpc"));
    block.extend(literal("te", "trailers"));
    block
}

/// A field that is not put into the table.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    field(0x00, name.as_bytes(), value.as_bytes())
}

/// A field that is put into the table.
pub(crate) fn remembered(name: &str, value: &str) -> Vec<u8> {
    field(0x40, name.as_bytes(), value.as_bytes())
}

pub(crate) fn field(form: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![form];
    string(&mut block, name);
    string(&mut block, value);
    block
}

/// A change of the table's size.
pub(crate) fn table_size(bytes: usize) -> Vec<u8> {
    let mut block = Vec::new();
    integer(&mut block, 0x20, 5, bytes);
    block
}

fn string(block: &mut Vec<u8>, bytes: &[u8]) {
    integer(block, 0x00, 7, bytes.len());
    block.extend_from_slice(bytes);
}

fn integer(block: &mut Vec<u8>, form: u8, bits: u8, value: usize) {
    let most = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value).unwrap();
    if value < most {
        return block.push(form | byte(value));
    }
    block.push(form | byte(most));
    let mut left = value - most;
    while left >= 0x80 {
        block.push(0x80 | byte(left & 0x7f));
        left >>= 7;
    }
    block.push(byte(left));
}

/// The fields of a block that a server wrote without a dynamic table.
pub(crate) fn read(mut block: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while let Some(&first) = block.first() {
        let (name, value) = if first & 0x80 != 0 {
            let index = read_integer(&mut block, 7);
            (static_name(index), static_value(index))
        } else if first & 0xe0 == 0x20 {
            let _ = read_integer(&mut block, 5);
            continue;
        } else {
            let bits = if first & 0x40 != 0 { 6 } else { 4 };
            let name = match read_integer(&mut block, bits) {
                0 => read_string(&mut block),
                index => static_name(index),
            };
            (name, read_string(&mut block))
        };
        fields.push((name, value));
    }
    fields
}

fn static_name(index: usize) -> String {
    assert!(
        (1..=STATIC_ENTRIES).contains(&index),
        "the server used a table that it was told not to keep: {index}"
    );
    match index {
        8..=14 => ":status".into(),
        31 => "content-type".into(),
        other => format!("static-{other}"),
    }
}

fn static_value(index: usize) -> String {
    let values = ["200", "204", "206", "304", "400", "404", "500"];
    let value = index.checked_sub(8).and_then(|nth| values.get(nth));
    (*value.unwrap_or(&"")).into()
}

fn read_integer(block: &mut &[u8], bits: u8) -> usize {
    let mut next = || {
        let (&first, rest) = block.split_first().expect("a block that ends too soon");
        *block = rest;
        usize::from(first)
    };
    let most = (1 << bits) - 1;
    let mut value = next() & most;
    if value < most {
        return value;
    }
    let mut shift = 0;
    loop {
        let byte = next();
        value += (byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn read_string(block: &mut &[u8]) -> String {
    let is_huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = read_integer(block, 7);
    let (bytes, rest) = block.split_at(length);
    *block = rest;
    let bytes = if is_huffman {
        unpacked(bytes)
    } else {
        bytes.to_vec()
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut symbols: Vec<u8> = (0..=255).collect();
    symbols.sort_by_key(|&symbol| (CODE_BITS[usize::from(symbol)], symbol));
    let mut text = Vec::new();
    let (mut code, mut length) = (0_u32, 0_u8);
    for byte in packed {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            if let Some(symbol) = symbol(&symbols, code, length) {
                text.push(symbol);
                (code, length) = (0, 0);
            }
        }
    }
    text
}

/// The symbol with this code. Slow, and short.
fn symbol(in_order: &[u8], code: u32, length: u8) -> Option<u8> {
    let (mut next, mut bits) = (0_u32, 0_u8);
    for &symbol in in_order {
        let own = CODE_BITS[usize::from(symbol)];
        next <<= own - bits;
        bits = own;
        if own > length {
            return None;
        }
        if own == length && next == code {
            return Some(symbol);
        }
        next += 1;
    }
    None
}

#[test]
fn blocks_of_rfc_7541_are_read() {
    let huffman = [0x88, 0x0f, 0x10, 0x86];
    let packed = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
    let block: Vec<u8> = huffman.into_iter().chain(packed).collect();
    let expected = [(":status", "200"), ("content-type", "no-cache")];
    assert_eq!(
        read(&block),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let value = "v".repeat(1000);
    let literal = literal("a-name", &value);
    assert_eq!(read(&literal), [("a-name".to_owned(), value)]);
}
