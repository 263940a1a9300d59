//! A draft: what is known of an entry before it lies anywhere, and how it is written.

use super::{
    AGE, DEAD, EXPIRES, EXPIRING_HEADER, EXTENDED, Links, MARKS, PLAIN_HEADER, bytes, expires,
    put_varint, set_age, set_deadline_ms, set_rank_of, varint_bytes,
};
use crate::body::Body;
use crate::extras::Extras;
use crate::handle::GRAIN_BYTES;

/// What is known of an entry before it lies anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) sequence: u64,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) extras: Extras<'a>,
    /// Key and value of it in their places, if they were laid there before.
    pub(crate) body: Option<&'a Body>,
}

impl Draft<'_> {
    /// What it takes in the heap.
    pub(crate) fn bytes(&self) -> usize {
        let value_end = self.key_at() + self.key.len() + self.value.len();
        (value_end + self.extras.bytes()).next_multiple_of(GRAIN_BYTES)
    }

    fn key_at(&self) -> usize {
        let header = if self.deadline_ms.is_some() {
            EXPIRING_HEADER
        } else {
            PLAIN_HEADER
        };
        header + varint_bytes(self.key.len()) + varint_bytes(self.value.len())
    }

    /// Key and value alone.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }

    /// Writes the entry behind what is in `out`, unlinked, with rank 0.
    pub(crate) fn append(&self, out: &mut Vec<u8>, age: u32) {
        let start = out.len();
        self.lay(out);
        self.complete(out, start, age);
    }

    /// Puts key and value where they will be in an entry that begins behind what is in `out`.
    pub(crate) fn lay(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.key_at(), 0);
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value);
    }

    /// What an entry of its own is to be written to: its body, or nothing yet.
    pub(crate) fn own_bytes(&self) -> Vec<u8> {
        let laid = self.body.and_then(Body::take);
        laid.unwrap_or_else(|| Vec::with_capacity(self.bytes()))
    }

    /// Writes the entry to its own bytes, with age 0.
    pub(crate) fn write(&self, own_bytes: &mut Vec<u8>) {
        if own_bytes.is_empty() {
            self.lay(own_bytes);
        }
        self.complete(own_bytes, 0, 0);
    }

    /// Writes what is around key and value.
    fn complete(&self, out: &mut Vec<u8>, start: usize, age: u32) {
        self.put_head(&mut out[start..], age);
        self.put_free(&mut out[start..]);
        self.extras.write(|bytes| out.extend_from_slice(bytes));
        out.resize(start + self.bytes(), 0);
    }

    /// Unlinked, with rank 0.
    fn put_free(&self, out: &mut [u8]) {
        out[..AGE].fill(0xFF);
        set_rank_of(&mut out[MARKS], 0);
        if self.deadline_ms.is_some() {
            out[Links::Bucket as usize..EXPIRING_HEADER].fill(0xFF);
        }
    }

    /// Overwrites an entry of the same size and kind, keeping its links and its rank.
    pub(crate) fn overwrite(&self, entry: &mut [u8], age: u32) {
        debug_assert_eq!(
            (bytes(entry), expires(entry)),
            (self.bytes(), self.deadline_ms.is_some())
        );
        let key_at = self.put_head(entry, age);
        let value_at = key_at + self.key.len();
        let value_end = value_at + self.value.len();
        entry[key_at..value_at].copy_from_slice(self.key);
        entry[value_at..value_end].copy_from_slice(self.value);
        let mut end = value_end;
        self.extras.write(|bytes| {
            entry[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        });
    }

    /// Writes what stands before the key, but the links and the rank; returns where the
    /// key begins.
    fn put_head(&self, entry: &mut [u8], age: u32) -> usize {
        set_age(entry, age);
        let rank = entry[MARKS] & !(DEAD | EXPIRES | EXTENDED);
        let is_extended = !self.extras.is_nothing();
        entry[MARKS] = rank | if is_extended { EXTENDED } else { 0 };
        let mut at = PLAIN_HEADER;
        if let Some(deadline_ms) = self.deadline_ms {
            entry[MARKS] |= EXPIRES;
            set_deadline_ms(entry, deadline_ms);
            at = EXPIRING_HEADER;
        }
        at = put_varint(entry, at, self.key.len());
        put_varint(entry, at, self.value.len())
    }
}
