//! From a key to its slot and partition, as every client computes it too.
//!
//! `slot = CRC16/XMODEM(hash tag or key) mod 16384`, with the hash tags of Redis
//! Cluster: what stands between the first `{` and the first `}` after it, unless
//! that is empty. Golden cases stand in `protos/vectors/slots.json`.

/// How many slots there are.
pub const SLOTS: u32 = 16384;

/// The slot of a key.
#[must_use]
pub fn slot_of(key: &[u8]) -> u32 {
    u32::from(crc16(hashed_part(key))) % SLOTS
}

/// The partition of a key, of so many; a power of two, at most [`SLOTS`].
#[must_use]
pub fn partition_of(key: &[u8], partition_count: u32) -> u32 {
    slot_of(key) * partition_count / SLOTS
}

fn hashed_part(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        None | Some(0) => key,
        Some(close) => &rest[..close],
    }
}

const POLYNOMIAL: u16 = 0x1021;

/// So many bytes are looked up at once. Only the first two of them wait for the bytes
/// before; the others' tables hold what a byte does that many places before the end.
const AT_ONCE: usize = 8;

static TABLES: [[u16; 256]; AT_ONCE] = tables();

const fn tables() -> [[u16; 256]; AT_ONCE] {
    let mut tables = [[0; 256]; AT_ONCE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ POLYNOMIAL
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < AT_ONCE {
        byte = 0;
        while byte < 256 {
            let crc = tables[table - 1][byte];
            tables[table][byte] = (crc << 8) ^ tables[0][(crc >> 8) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0_u16;
    let (chunks, rest) = bytes.as_chunks::<AT_ONCE>();
    for chunk in chunks {
        let [high, low] = crc.to_be_bytes();
        let mut next = 0;
        for (at, byte) in chunk.iter().enumerate() {
            let byte = match at {
                0 => byte ^ high,
                1 => byte ^ low,
                _ => *byte,
            };
            next ^= TABLES[AT_ONCE - 1 - at][usize::from(byte)];
        }
        crc = next;
    }
    for byte in rest {
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::{crc16, partition_of, slot_of};

    #[test]
    fn it_is_crc16_xmodem() {
        assert_eq!(
            crc16(b"123456789"),
            0x31C3,
            "the check value of the catalogue"
        );
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn lengths_of_every_kind_agree_with_the_definition() {
        let bytes: Vec<u8> = (0..100_u32).map(|n| (n * n * 31 + 7) as u8).collect();
        for length in 0..bytes.len() {
            let by_bits = bytes[..length].iter().fold(0_u16, |crc, byte| {
                (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
                    (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
                })
            });
            assert_eq!(crc16(&bytes[..length]), by_bits, "{length} bytes");
        }
    }

    #[test]
    fn hash_tags_are_those_of_redis_cluster() {
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_eq!(
            u32::from(crc16(b"foo{}{bar}")) % 16384,
            slot_of(b"foo{}{bar}")
        );
        assert_eq!(u32::from(crc16(b"foo{bar")) % 16384, slot_of(b"foo{bar"));
    }

    #[test]
    fn partitions_are_ranges_of_slots() {
        assert_eq!(partition_of(b"foo", 1), 0);
        assert_eq!(partition_of(b"foo", 16384), slot_of(b"foo"));
        assert_eq!(slot_of(b"foo"), 12182, "as CLUSTER KEYSLOT foo answers");
        assert_eq!(partition_of(b"foo", 256), 12182 / 64);
    }
}
