//! The Huffman code of RFC 7541, appendix B, decoded.
//!
//! The code is canonical: codes of one length follow each other in the order of
//! their symbols, so that their lengths are the whole table. Codes of up to eight
//! bits, which is nearly all text, are looked up; longer ones are found by length.

/// The length of each symbol's code; the last one is the end of the string.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];
const LENGTH_MAX: usize = 30;
#[cfg(test)]
const END_OF_STRING: u16 = 256;

/// Codes of one length: the first of them, how many, and where their symbols stand.
#[derive(Clone, Copy)]
struct Group {
    first: u32,
    count: u32,
    symbols_at: u32,
}

struct Tables {
    groups: [Group; LENGTH_MAX + 1],
    /// Symbols by the length of their codes, then by value.
    symbols: [u16; 257],
    /// By the next eight bits: a symbol and the length of its code, 0 if it is longer.
    short: [(u8, u8); 256],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let empty = Group {
        first: 0,
        count: 0,
        symbols_at: 0,
    };
    let mut tables = Tables {
        groups: [empty; LENGTH_MAX + 1],
        symbols: [0; 257],
        short: [(0, 0); 256],
    };
    let mut code = 0;
    let mut placed = 0;
    let mut length = 1;
    while length <= LENGTH_MAX {
        code <<= 1;
        tables.groups[length].first = code;
        tables.groups[length].symbols_at = placed as u32;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                tables.symbols[placed] = symbol as u16;
                placed += 1;
                if length <= 8 {
                    let mut tail = 0;
                    while tail < 1 << (8 - length) {
                        let at = ((code as usize) << (8 - length)) | tail;
                        tables.short[at] = (symbol as u8, length as u8);
                        tail += 1;
                    }
                }
                code += 1;
            }
            symbol += 1;
        }
        tables.groups[length].count = code - tables.groups[length].first;
        length += 1;
    }
    tables
}

/// The string is not a Huffman code, or not padded as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Append the decoded string. A byte of it takes at least five bits of `from`.
pub(crate) fn decode(from: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    // The lowest `have` bits of `bits` are still to be read.
    let mut bits = 0_u64;
    let mut have = 0;
    for byte in from {
        bits = (bits << 8) | u64::from(*byte);
        have += 8;
        while have >= 8 {
            let (symbol, length) = TABLES.short[(bits >> (have - 8)) as usize & 0xff];
            if length > 0 {
                out.push(symbol);
                have -= u32::from(length);
            } else if let Some((symbol, length)) = long(bits, have) {
                out.push(u8::try_from(symbol).map_err(|_| Invalid)?);
                have -= length;
            } else if have > LENGTH_MAX as u32 {
                return Err(Invalid);
            } else {
                break;
            }
        }
    }
    while have > 0 {
        let left = bits & ((1 << have) - 1);
        if have < 8 && left == (1 << have) - 1 {
            return Ok(());
        }
        let ones = (1_u64 << (8_u32.saturating_sub(have))) - 1;
        let next = (left << 8_u32.saturating_sub(have)) | ones;
        let (symbol, length) = match have {
            0..8 => TABLES.short[next as usize & 0xff],
            _ => return Err(Invalid),
        };
        if length == 0 || u32::from(length) > have {
            return Err(Invalid);
        }
        out.push(symbol);
        have -= u32::from(length);
    }
    Ok(())
}

/// A code of more than eight bits, if it is there as a whole.
fn long(bits: u64, have: u32) -> Option<(u16, u32)> {
    for length in 9..=(LENGTH_MAX as u32).min(have) {
        let code = (bits >> (have - length)) as u32 & ((1 << length) - 1);
        let group = TABLES.groups[length as usize];
        let at = code.wrapping_sub(group.first);
        if at < group.count {
            return Some((TABLES.symbols[(group.symbols_at + at) as usize], length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{END_OF_STRING, Invalid, LENGTHS, TABLES, decode};

    /// The code of a symbol, found the slow way: by counting.
    fn code_of(symbol: usize) -> (u32, u8) {
        let length = LENGTHS[symbol];
        let mut code = 0_u32;
        for shorter in 1..=length {
            code <<= 1;
            let before = if shorter == length {
                symbol
            } else {
                LENGTHS.len()
            };
            code += LENGTHS[..before]
                .iter()
                .filter(|other| **other == shorter)
                .count() as u32;
        }
        (code, length)
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for byte in text {
            let (code, length) = code_of(usize::from(*byte));
            bits += &format!("{code:0width$b}", width = usize::from(length));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let bytes = bits.as_bytes().chunks(8);
        bytes
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    fn decoded(from: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = Vec::new();
        decode(from, &mut out).map(|()| out)
    }

    #[test]
    fn the_code_fills_its_space() {
        let full: u64 = LENGTHS.iter().map(|length| 1 << (30 - length)).sum();
        assert_eq!(full, 1 << 30);
        assert_eq!(code_of(usize::from(b'0')), (0, 5));
        assert_eq!(code_of(usize::from(END_OF_STRING)), (0x3fff_ffff, 30));
        assert_eq!(
            TABLES.symbols[256], END_OF_STRING,
            "the last of the longest"
        );
    }

    #[test]
    fn every_byte_comes_back_wherever_it_stands() {
        for byte in 0..=255 {
            for around in [&b""[..], b"0", b"abc", b"\xff\0", b"XZ"] {
                let text = [around, &[byte], around].concat();
                assert_eq!(decoded(&encode(&text)).unwrap(), text);
            }
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        let code = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decoded(&code).unwrap(), b"www.example.com");
    }

    #[test]
    fn padding_is_short_and_all_ones() {
        assert_eq!(decoded(&[0b0000_0111]).unwrap(), b"0");
        assert_eq!(decoded(&[0b0000_0110]), Err(Invalid));
        assert_eq!(decoded(&[0b0000_0111, 0xff]), Err(Invalid));
        assert_eq!(decoded(&[0xff]), Err(Invalid));
        assert_eq!(
            decoded(&[0xff; 4]),
            Err(Invalid),
            "the end of the string itself"
        );
        assert_eq!(decoded(&[0xff; 64]), Err(Invalid));
        assert_eq!(decoded(&[]).unwrap(), b"");
    }
}
