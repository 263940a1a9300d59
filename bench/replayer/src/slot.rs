//! From a key to its partition, as every client computes it.

const SLOTS: u32 = 16_384;

/// The partition, of `partitions`, that holds a key without a hash tag.
pub(crate) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (u32::from(crc16(key)) % SLOTS) / (SLOTS / partitions)
}

/// CRC16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_that_the_cluster_uses() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(partition_of(b"123456789", 16_384), 12_739);
        assert_eq!(partition_of(b"123456789", 256), 12_739 / 64);
    }
}
