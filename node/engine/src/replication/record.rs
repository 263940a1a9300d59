//! One operation, encoded: the same bytes in the log and in a batch.
//!
//! ```text
//! byte 0          kind in bits 0-2; 3 has a deadline, 4 absent, 5 has a request id,
//!                 6 the request was an increment, 7 extended
//! Put             [deadline 5] key length, value length, [id length 1], key, value,
//!                 [extras], [id]
//! Delete, Removed key length, key
//! Invalidate      as Delete, extended, with a tag in the place of the key
//! Touch           [deadline 5] key length, key
//! Epoch           epoch 8: what follows was written under it
//! Entry           sequence 8, [deadline 5] key length, value length, key, value, [extras]
//! Request         sequence 8, age 8, mark of its key 8, [number 8], id length 1, id
//! Range           epoch 8, first 8
//! ```
//!
//! Put, Delete, Invalidate and Touch are numbered: their sequence is one more than that of
//! the numbered one before. Deadlines are in the sender's own time. The last four stand in batches alone.
//! What is absent and has no other extras is only marked as that.

use super::wire::{Reader, length_bytes, put_length};
use crate::entry::DEADLINE_LIMIT_MS;
use crate::extras::{Extras, tags};
use crate::settings::{KEY_BYTES_LIMIT, VALUE_BYTES_LIMIT};

const PUT: u8 = 0;
const DELETE: u8 = 1;
const TOUCH: u8 = 2;
const REMOVED: u8 = 3;
const EPOCH: u8 = 4;
const ENTRY: u8 = 5;
const REQUEST: u8 = 6;
const RANGE: u8 = 7;

const KIND: u8 = 7;
const HAS_DEADLINE: u8 = 8;
const ABSENT: u8 = 16;
const HAS_ID: u8 = 32;
const IS_INCR: u8 = 64;
const EXTENDED: u8 = 128;

const DEADLINE_BYTES: usize = 5;
pub(super) const ID_BYTES_MAX: usize = 64;

/// A key's value, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) deadline_ms: Option<u64>,
    pub(super) extras: Extras<'a>,
}

/// The request that stored something. Of an increment the value tells the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct By<'a> {
    pub(super) id: &'a [u8],
    pub(super) is_incr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Put {
        stored: Stored<'a>,
        by: Option<By<'a>>,
    },
    Delete {
        key: &'a [u8],
    },
    /// Of every key that carries the tag.
    Invalidate {
        tag: &'a [u8],
    },
    Touch {
        key: &'a [u8],
        deadline_ms: Option<u64>,
    },
    /// It was evicted, or its time was over.
    Removed {
        key: &'a [u8],
    },
    Epoch {
        epoch: u64,
    },
    Entry {
        seq: u64,
        stored: Stored<'a>,
    },
    Request {
        id: &'a [u8],
        seq: u64,
        age_ms: u64,
        key_mark: u64,
        number: Option<i64>,
    },
    Range {
        epoch: u64,
        first: u64,
    },
}

impl<'a> Record<'a> {
    pub(super) fn is_numbered(&self) -> bool {
        matches!(
            self,
            Record::Put { .. }
                | Record::Delete { .. }
                | Record::Invalidate { .. }
                | Record::Touch { .. }
        )
    }

    /// How long it is when written.
    pub(super) fn bytes(&self) -> usize {
        let deadline = |deadline_ms: &Option<u64>| match deadline_ms {
            Some(_) => DEADLINE_BYTES,
            None => 0,
        };
        let stored_bytes = |stored: &Stored<'_>| {
            let extras_bytes = stored.sent_extras().bytes();
            let deadline_bytes = deadline(&stored.deadline_ms);
            deadline_bytes + key_bytes(stored.key) + key_bytes(stored.value) + extras_bytes
        };
        1 + match self {
            Record::Put { stored, by } => stored_bytes(stored) + by.map_or(0, |by| 1 + by.id.len()),
            Record::Delete { key: bytes }
            | Record::Invalidate { tag: bytes }
            | Record::Removed { key: bytes } => key_bytes(bytes),
            Record::Touch { key, deadline_ms } => deadline(deadline_ms) + key_bytes(key),
            Record::Epoch { .. } => 8,
            Record::Entry { stored, .. } => 8 + stored_bytes(stored),
            Record::Request { id, number, .. } => {
                24 + if number.is_some() { 8 } else { 0 } + 1 + id.len()
            }
            Record::Range { .. } => 16,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Put { stored, by } => {
                let by_marks = match by {
                    None => 0,
                    Some(By { is_incr: false, .. }) => HAS_ID,
                    Some(By { is_incr: true, .. }) => HAS_ID | IS_INCR,
                };
                out.push(PUT | stored.marks() | by_marks);
                stored.write_head(out);
                if let Some(by) = by {
                    out.push(by.id.len() as u8);
                }
                stored.write_body(out);
                if let Some(by) = by {
                    out.extend_from_slice(by.id);
                }
            }
            Record::Delete { key } => write_key(out, DELETE, None, key),
            Record::Invalidate { tag } => write_key(out, DELETE | EXTENDED, None, tag),
            Record::Removed { key } => write_key(out, REMOVED, None, key),
            Record::Touch { key, deadline_ms } => write_key(out, TOUCH, *deadline_ms, key),
            Record::Epoch { epoch } => {
                out.push(EPOCH);
                out.extend_from_slice(&epoch.to_le_bytes());
            }
            Record::Entry { seq, stored } => {
                out.push(ENTRY | stored.marks());
                out.extend_from_slice(&seq.to_le_bytes());
                stored.write_head(out);
                stored.write_body(out);
            }
            Record::Request {
                id,
                seq,
                age_ms,
                key_mark,
                number,
            } => {
                out.push(REQUEST | if number.is_some() { IS_INCR } else { 0 });
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&age_ms.to_le_bytes());
                out.extend_from_slice(&key_mark.to_le_bytes());
                if let Some(number) = number {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                out.push(id.len() as u8);
                out.extend_from_slice(id);
            }
            Record::Range { epoch, first } => {
                out.push(RANGE);
                out.extend_from_slice(&epoch.to_le_bytes());
                out.extend_from_slice(&first.to_le_bytes());
            }
        }
    }

    /// None: these bytes are no record.
    pub(super) fn read(from: &mut Reader<'a>) -> Option<Record<'a>> {
        let first = from.byte()?;
        let (kind, marks) = (first & KIND, first & !KIND);
        let allowed = match kind {
            PUT => HAS_DEADLINE | ABSENT | HAS_ID | IS_INCR | EXTENDED,
            DELETE => EXTENDED,
            TOUCH => HAS_DEADLINE,
            ENTRY => HAS_DEADLINE | ABSENT | EXTENDED,
            REQUEST => IS_INCR,
            _ => 0,
        };
        if marks & !allowed != 0 {
            return None;
        }
        Some(match kind {
            PUT => Record::read_put(from, marks)?,
            DELETE if marks == EXTENDED => Record::Invalidate {
                tag: read_key(from).filter(|tag| tags::check(tag).is_ok())?,
            },
            DELETE => Record::Delete {
                key: read_key(from)?,
            },
            TOUCH => Record::Touch {
                deadline_ms: read_deadline(from, marks)?,
                key: read_key(from)?,
            },
            REMOVED => Record::Removed {
                key: read_key(from)?,
            },
            EPOCH => Record::Epoch {
                epoch: from.long()?,
            },
            ENTRY => {
                let seq = from.long()?;
                let deadline_ms = read_deadline(from, marks)?;
                let (key_len, value_len) = (from.length()?, from.length()?);
                let stored = Stored::read(from, marks, deadline_ms, key_len, value_len)?;
                Record::Entry { seq, stored }
            }
            REQUEST => {
                let (seq, age_ms, key_mark) = (from.long()?, from.long()?, from.long()?);
                let number = if marks & IS_INCR == 0 {
                    None
                } else {
                    Some(from.long()?.cast_signed())
                };
                let id_len = from.byte()?;
                Record::Request {
                    id: read_id(from, id_len)?,
                    seq,
                    age_ms,
                    key_mark,
                    number,
                }
            }
            _ => Record::Range {
                epoch: from.long()?,
                first: from.long()?,
            },
        })
    }

    fn read_put(from: &mut Reader<'a>, marks: u8) -> Option<Record<'a>> {
        let deadline_ms = read_deadline(from, marks)?;
        let (key_len, value_len) = (from.length()?, from.length()?);
        let has_id = marks & HAS_ID != 0;
        let is_incr = marks & IS_INCR != 0;
        if is_incr && !has_id {
            return None;
        }
        let id_len = if has_id { from.byte()? } else { 0 };
        let stored = Stored::read(from, marks, deadline_ms, key_len, value_len)?;
        let by = if has_id {
            let id = read_id(from, id_len)?;
            Some(By { id, is_incr })
        } else {
            None
        };
        if is_incr {
            sum(stored.value)?;
        }
        Some(Record::Put { stored, by })
    }
}

/// The number that an increment stored.
pub(super) fn sum(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl<'a> Stored<'a> {
    fn marks(&self) -> u8 {
        let deadline = if self.deadline_ms.is_some() {
            HAS_DEADLINE
        } else {
            0
        };
        if !self.sent_extras().is_nothing() {
            return deadline | EXTENDED;
        }
        deadline | if self.extras.absent { ABSENT } else { 0 }
    }

    /// Those that are more than a mark.
    fn sent_extras(&self) -> Extras<'a> {
        if self.extras.fresh.is_none() && self.extras.tags.is_empty() {
            return Extras::default();
        }
        self.extras
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        put_deadline(out, self.deadline_ms);
        put_length(out, self.key.len());
        put_length(out, self.value.len());
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value);
        self.sent_extras()
            .write(|bytes| out.extend_from_slice(bytes));
    }

    fn read(
        from: &mut Reader<'a>,
        marks: u8,
        deadline_ms: Option<u64>,
        key_len: usize,
        value_len: usize,
    ) -> Option<Stored<'a>> {
        let is_extended = marks & EXTENDED != 0;
        let is_marked_absent = marks & ABSENT != 0;
        if key_len == 0
            || key_len > KEY_BYTES_LIMIT
            || value_len > VALUE_BYTES_LIMIT
            || is_extended && is_marked_absent
        {
            return None;
        }
        let (key, value) = (from.take(key_len)?, from.take(value_len)?);
        let extras = if is_extended {
            let extras = from.read(Extras::read)?;
            let is_only_a_mark = extras.fresh.is_none() && extras.tags.is_empty();
            (!is_only_a_mark).then_some(extras)?
        } else {
            Extras {
                absent: is_marked_absent,
                ..Extras::default()
            }
        };
        (!extras.absent || value.is_empty()).then_some(Stored {
            key,
            value,
            deadline_ms,
            extras,
        })
    }
}

fn key_bytes(key: &[u8]) -> usize {
    length_bytes(key.len()) + key.len()
}

fn write_key(out: &mut Vec<u8>, kind: u8, deadline_ms: Option<u64>, key: &[u8]) {
    let mark = if deadline_ms.is_some() {
        HAS_DEADLINE
    } else {
        0
    };
    out.push(kind | mark);
    put_deadline(out, deadline_ms);
    put_length(out, key.len());
    out.extend_from_slice(key);
}

fn put_deadline(out: &mut Vec<u8>, deadline_ms: Option<u64>) {
    if let Some(deadline_ms) = deadline_ms {
        debug_assert!(deadline_ms < DEADLINE_LIMIT_MS);
        out.extend_from_slice(&deadline_ms.to_le_bytes()[..DEADLINE_BYTES]);
    }
}

fn read_deadline(from: &mut Reader<'_>, marks: u8) -> Option<Option<u64>> {
    if marks & HAS_DEADLINE == 0 {
        return Some(None);
    }
    let mut bytes = [0; 8];
    bytes[..DEADLINE_BYTES].copy_from_slice(from.take(DEADLINE_BYTES)?);
    Some(Some(u64::from_le_bytes(bytes)))
}

fn read_key<'a>(from: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = from.length()?;
    if len == 0 || len > KEY_BYTES_LIMIT {
        return None;
    }
    from.take(len)
}

fn read_id<'a>(from: &mut Reader<'a>, len: u8) -> Option<&'a [u8]> {
    let len = usize::from(len);
    if len == 0 || len > ID_BYTES_MAX {
        return None;
    }
    from.take(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extras::Fresh;
    use crate::extras::load_time::LoadTime;
    use crate::extras::tags::{TAG_BYTES_MAX, TagList};
    use proptest::prelude::*;

    fn bytes(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), range)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_cut_is_not(
            key in bytes(1..300),
            value in bytes(0..20_000),
            id in bytes(1..65),
            deadline_ms in prop::option::of(0..DEADLINE_LIMIT_MS),
            absent: bool,
            fresh_ms in prop::option::of(0..DEADLINE_LIMIT_MS),
            tag in bytes(0..20),
            number: i64,
            seq: u64,
        ) {
            let value = if absent { &[][..] } else { &value };
            let tags = TagList::new((!tag.is_empty()).then_some(&tag[..])).unwrap();
            let load = LoadTime::of_ms(300);
            let fresh = fresh_ms.map(|until_ms| Fresh { until_ms, load });
            let extras = Extras { absent, fresh, tags: tags.tags() };
            let stored = Stored { key: &key, value, deadline_ms, extras };
            let digits = number.to_string();
            let extras = Extras { absent: false, ..extras };
            let summed = Stored { value: digits.as_bytes(), extras, ..stored };
            let by = |is_incr| Some(By { id: &id, is_incr });
            let (id, key) = (&id[..], &key[..]);
            for record in [
                Record::Put { stored, by: None },
                Record::Put { stored, by: by(false) },
                Record::Put { stored: summed, by: by(true) },
                Record::Delete { key },
                Record::Invalidate { tag: &key[..key.len().min(TAG_BYTES_MAX)] },
                Record::Touch { key, deadline_ms },
                Record::Removed { key },
                Record::Epoch { epoch: seq },
                Record::Entry { seq, stored },
                Record::Request { id, seq, age_ms: 5, key_mark: 1, number: Some(number) },
                Record::Request { id, seq, age_ms: u64::MAX, key_mark: seq, number: None },
                Record::Range { epoch: seq, first: 1 },
            ] {
                let mut out = Vec::new();
                record.write(&mut out);
                prop_assert_eq!(out.len(), record.bytes());
                let mut reader = Reader::new(&out);
                prop_assert_eq!(Record::read(&mut reader), Some(record));
                prop_assert!(reader.is_empty());
                prop_assert_eq!(Record::read(&mut Reader::new(&out[..out.len() - 1])), None);
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_none(noise in bytes(0..200)) {
            let mut reader = Reader::new(&noise);
            while Record::read(&mut reader).is_some() {}
        }
    }
}
