//! The trace: what was asked for, in order.
//!
//! A file of records of 12 bytes, little-endian: the key as 64 bits, then the size of its
//! value as 32. Every cache is given the same bytes: a key is `k` and 12 digits or more, a
//! value is so many `v`.

use std::path::Path;

const RECORD_BYTES: usize = 12;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    key: u64,
    value_bytes: u32,
}

impl Request {
    pub(crate) fn key(self) -> String {
        format!("k{:012}", self.key)
    }

    pub(crate) fn value_bytes(self) -> usize {
        self.value_bytes as usize
    }
}

/// Reads a whole trace.
pub(crate) fn read(path: &Path) -> Result<Vec<Request>, String> {
    let bytes = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
    if !rest.is_empty() {
        return Err(format!("{} ends within a record", path.display()));
    }
    Ok(records.iter().map(request).collect())
}

fn request(record: &[u8; RECORD_BYTES]) -> Request {
    let mut key = [0; 8];
    let mut value_bytes = [0; 4];
    key.copy_from_slice(&record[..8]);
    value_bytes.copy_from_slice(&record[8..]);
    Request {
        key: u64::from_le_bytes(key),
        value_bytes: u32::from_le_bytes(value_bytes),
    }
}

/// The longest value of a trace, to cut every other from.
pub(crate) fn longest_value(trace: &[Request]) -> Vec<u8> {
    let longest = trace.iter().map(|request| request.value_bytes()).max();
    vec![b'v'; longest.unwrap_or(0)]
}
