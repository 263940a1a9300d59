//! A batch: a header, and records, for one partition.
//!
//! ```text
//!  0  1  version of this form
//!  1  1  kind: 0 log, 1 a snapshot's first, 2 its next; bit 7: its last
//!  2  8  epoch of the sender
//! 10  8  the sender's own time
//! 18 16  position that the receiver must be at: epoch, sequence
//! 34  8  number of the snapshot
//! 42  4  number of the batch within it
//! ```
//!
//! Whether a batch is well formed is known before anything of it is applied.

use super::SEQUENCE_LIMIT;
use super::lineage::RANGES_MAX;
use super::position::Position;
use super::record::Record;
use super::wire::Reader;

const VERSION: u8 = 1;
const LAST: u8 = 0x80;
const KIND_AT: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Log,
    First,
    Next,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) is_last: bool,
    pub(super) epoch: u64,
    pub(super) now_ms: u64,
    pub(super) from: Position,
    pub(super) snapshot: u64,
    pub(super) ordinal: u32,
}

impl Header {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            Kind::Log => 0,
            Kind::First => 1,
            Kind::Next => 2,
        };
        out.extend_from_slice(&[VERSION, kind | if self.is_last { LAST } else { 0 }]);
        for long in [self.epoch, self.now_ms, self.from.epoch, self.from.seq] {
            out.extend_from_slice(&long.to_le_bytes());
        }
        out.extend_from_slice(&self.snapshot.to_le_bytes());
        out.extend_from_slice(&self.ordinal.to_le_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Header> {
        let [version, kind] = from.array()?;
        let header = Header {
            kind: match kind & !LAST {
                0 => Kind::Log,
                1 => Kind::First,
                2 => Kind::Next,
                _ => return None,
            },
            is_last: kind & LAST != 0,
            epoch: from.long()?,
            now_ms: from.long()?,
            from: Position {
                epoch: from.long()?,
                seq: from.long()?,
            },
            snapshot: from.long()?,
            ordinal: from.short()?,
        };
        let is_sound = version == VERSION
            && header.from.seq < SEQUENCE_LIMIT
            && header.from.epoch <= header.epoch
            && (header.from.seq == 0) == (header.from.epoch == 0)
            && !(header.is_last && header.kind == Kind::Log);
        is_sound.then_some(header)
    }
}

/// Says of the batch that begins at `at` that it is its snapshot's last.
pub(super) fn mark_last(out: &mut [u8], at: usize) {
    out[at + KIND_AT] |= LAST;
}

/// A whole batch, each record of which was read once. None: it is malformed.
pub(super) fn read(bytes: &[u8]) -> Option<(Header, Reader<'_>)> {
    let mut reader = Reader::new(bytes);
    let header = Header::read(&mut reader)?;
    let records = reader;
    let mut ranges = 0;
    while !reader.is_empty() {
        let record = Record::read(&mut reader)?;
        let is_here = match record {
            Record::Range { .. } => {
                ranges += 1;
                header.kind == Kind::First && ranges <= RANGES_MAX
            }
            Record::Entry { .. } | Record::Request { .. } => header.kind != Kind::Log,
            _ => true,
        };
        if !is_here {
            return None;
        }
    }
    Some((header, records))
}
