//! An entry: one run of bytes that holds everything about a key.
//!
//! ```text
//! offset  bytes  field       who writes it
//!      0      4  chain       index: the next entry in the same hash chain
//!      4    4+4  queue       eviction: the entries before and after in a queue
//!     12      4  age         operations: the sequence that stored the value, counted
//!                            from the base of the segment it lies in (see the heap)
//!     16      1  marks       bit 0 dead, 1 expires, 2 extended: heap, operations
//!                            bits 3-7 rank: eviction, whatever the policy likes
//!     17      5  deadline  } only where it expires: operations
//!     22    4+4  bucket    } expiry: the entries before and after in a bucket
//!     ..    1-3  key length, a varint
//!     ..    1-5  value length, a varint
//!     ..         key, value
//!     ..         extras, only where it is extended
//!     ..         a zero where needed to make the whole even
//! ```
//!
//! 32 bytes for a key and value below 128 bytes each with a time to live, 19 without.
//! Integers are little-endian. The epoch is the partition's, so it is not kept here. A
//! deadline is 40 bits of milliseconds of the partition's own time: 34 years.
//!
//! Nobody holds a reference into an entry over a change: the fields are read and
//! written through a [`crate::handle::Handle`], under the partition's lock. There is
//! no `unsafe` here: an entry is a slice, and a wrong offset panics instead of reading
//! what it should not.

mod draft;

use crate::extras::{self, Extras};
use crate::handle::{GRAIN_BYTES, Link};

pub(crate) use draft::Draft;

/// Deadlines, in milliseconds of the partition's own time, are below this.
pub(crate) const DEADLINE_LIMIT_MS: u64 = 1 << 40;
/// Ranks are below this.
pub(crate) const RANK_LIMIT: u8 = 1 << (8 - RANK_SHIFT);

const CHAIN: usize = 0;
const AGE: usize = 12;
const MARKS: usize = 16;
const DEADLINE: usize = 17;
const PLAIN_HEADER: usize = 17;
const EXPIRING_HEADER: usize = 30;

const DEAD: u8 = 1;
const EXPIRES: u8 = 2;
const EXTENDED: u8 = 4;
const RANK_SHIFT: u8 = 3;

/// A pair of link fields, by the offset of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Queue = 4,
    Bucket = 22,
}

/// Where the parts of an entry lie within its slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    key_at: usize,
    value_at: usize,
    value_end: usize,
}

impl Layout {
    #[inline]
    pub(crate) fn of(entry: &[u8]) -> Layout {
        let header = if expires(entry) {
            EXPIRING_HEADER
        } else {
            PLAIN_HEADER
        };
        let (key_len, at) = get_varint(entry, header);
        let (value_len, key_at) = get_varint(entry, at);
        let value_at = key_at + key_len;
        Layout {
            key_at,
            value_at,
            value_end: value_at + value_len,
        }
    }

    /// Of this entry, which is so laid out.
    #[inline]
    fn bytes(&self, entry: &[u8]) -> usize {
        let extras_bytes = if is_extended(entry) {
            extras::length(&entry[self.value_end..])
        } else {
            0
        };
        (self.value_end + extras_bytes).next_multiple_of(GRAIN_BYTES)
    }
}

#[inline]
pub(crate) fn key(entry: &[u8]) -> &[u8] {
    let layout = Layout::of(entry);
    &entry[layout.key_at..layout.value_at]
}

/// Whether the entry is of this key: what every probe asks.
#[inline]
pub(crate) fn is_of(entry: &[u8], key: &[u8]) -> bool {
    let at = if expires(entry) {
        EXPIRING_HEADER
    } else {
        PLAIN_HEADER
    };
    let (key_len, at) = get_varint(entry, at);
    if key_len != key.len() {
        return false;
    }
    let (_, key_at) = get_varint(entry, at);
    entry[key_at..key_at + key_len] == *key
}

#[inline]
pub(crate) fn value(entry: &[u8]) -> &[u8] {
    let layout = Layout::of(entry);
    &entry[layout.value_at..layout.value_end]
}

/// Key and value alone.
pub(crate) fn payload_bytes(entry: &[u8]) -> usize {
    let layout = Layout::of(entry);
    layout.value_end - layout.key_at
}

/// What it takes in the heap.
#[inline]
pub(crate) fn bytes(entry: &[u8]) -> usize {
    Layout::of(entry).bytes(entry)
}

#[inline]
pub(crate) fn chain(entry: &[u8]) -> Link {
    link(entry, CHAIN)
}

#[inline]
pub(crate) fn set_chain(entry: &mut [u8], link: Link) {
    set_link(entry, CHAIN, link);
}

/// The link to the entry before.
#[inline]
pub(crate) fn before(entry: &[u8], links: Links) -> Link {
    link(entry, links as usize)
}

/// The link to the entry after.
#[inline]
pub(crate) fn after(entry: &[u8], links: Links) -> Link {
    link(entry, links as usize + 4)
}

#[inline]
pub(crate) fn set_before(entry: &mut [u8], links: Links, to: Link) {
    set_link(entry, links as usize, to);
}

#[inline]
pub(crate) fn set_after(entry: &mut [u8], links: Links, to: Link) {
    set_link(entry, links as usize + 4, to);
}

#[inline]
pub(crate) fn age(entry: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&entry[AGE..MARKS]);
    u32::from_le_bytes(bytes)
}

#[inline]
pub(crate) fn set_age(entry: &mut [u8], age: u32) {
    entry[AGE..MARKS].copy_from_slice(&age.to_le_bytes());
}

/// None: it does not expire.
#[inline]
pub(crate) fn deadline_ms(entry: &[u8]) -> Option<u64> {
    if !expires(entry) {
        return None;
    }
    let mut bytes = [0; 8];
    bytes[..5].copy_from_slice(&entry[DEADLINE..DEADLINE + 5]);
    Some(u64::from_le_bytes(bytes))
}

/// Changes the deadline of an entry that has one.
#[inline]
pub(crate) fn set_deadline_ms(entry: &mut [u8], deadline_ms: u64) {
    debug_assert!(expires(entry) && deadline_ms < DEADLINE_LIMIT_MS);
    entry[DEADLINE..DEADLINE + 5].copy_from_slice(&deadline_ms.to_le_bytes()[..5]);
}

#[inline]
pub(crate) fn expires(entry: &[u8]) -> bool {
    entry[MARKS] & EXPIRES != 0
}

/// Whether it has any extras.
#[inline]
pub(crate) fn is_extended(entry: &[u8]) -> bool {
    entry[MARKS] & EXTENDED != 0
}

pub(crate) fn extras(entry: &[u8]) -> Extras<'_> {
    if !is_extended(entry) {
        return Extras::default();
    }
    Extras::of(&entry[Layout::of(entry).value_end..])
}

#[inline]
pub(crate) fn is_absent(entry: &[u8]) -> bool {
    is_extended(entry) && extras(entry).absent
}

#[inline]
pub(crate) fn is_tagged(entry: &[u8]) -> bool {
    is_extended(entry) && extras::has_tags(&entry[Layout::of(entry).value_end..])
}

/// Removed: only its length is of use, to whoever walks the segment.
#[inline]
pub(crate) fn is_dead(entry: &[u8]) -> bool {
    entry[MARKS] & DEAD != 0
}

#[inline]
pub(crate) fn set_dead(entry: &mut [u8]) {
    entry[MARKS] |= DEAD;
}

/// Makes one dead entry of a gap that dead entries left: they are so long together.
pub(crate) fn fill_gap(gap: &mut [u8]) {
    let len = gap.len();
    // One byte tells the key's length, 0; the value takes what its own length leaves, and
    // where that comes out one short, rounding fills it up.
    let rest = len - PLAIN_HEADER - 1;
    let value_len = rest - varint_bytes(rest);
    gap[MARKS] = DEAD;
    let at = put_varint(gap, PLAIN_HEADER, 0);
    put_varint(gap, at, value_len);
    debug_assert_eq!(bytes(gap), len);
}

#[inline]
pub(crate) fn rank(entry: &[u8]) -> u8 {
    entry[MARKS] >> RANK_SHIFT
}

#[inline]
pub(crate) fn set_rank(entry: &mut [u8], rank: u8) {
    set_rank_of(&mut entry[MARKS], rank);
}

#[inline]
fn set_rank_of(marks: &mut u8, rank: u8) {
    debug_assert!(rank < RANK_LIMIT);
    *marks = *marks & (DEAD | EXPIRES | EXTENDED) | rank << RANK_SHIFT;
}

#[inline]
fn link(entry: &[u8], at: usize) -> Link {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&entry[at..at + 4]);
    Link::from_bytes(bytes)
}

#[inline]
fn set_link(entry: &mut [u8], at: usize, link: Link) {
    entry[at..at + 4].copy_from_slice(&link.to_bytes());
}

fn varint_bytes(number: usize) -> usize {
    (usize::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

fn put_varint(out: &mut [u8], mut at: usize, mut number: usize) -> usize {
    while number >= 0x80 {
        out[at] = number as u8 | 0x80;
        number >>= 7;
        at += 1;
    }
    out[at] = number as u8;
    at + 1
}

#[inline]
fn get_varint(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let first = bytes[at];
    if first < 0x80 {
        return (first.into(), at + 1);
    }
    let mut number = 0;
    let mut shift = 0;
    loop {
        let byte = bytes[at];
        number |= usize::from(byte & 0x7F) << shift;
        at += 1;
        if byte < 0x80 {
            return (number, at);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::extras::Fresh;
    use crate::extras::load_time::LoadTime;
    use crate::extras::tags::{TAG_BYTES_MAX, TagList};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            key in prop::collection::vec(any::<u8>(), 1..300),
            value in prop::collection::vec(any::<u8>(), 0..20_000),
            age: u32,
            sequence: u64,
            deadline_ms in prop::option::of(0..DEADLINE_LIMIT_MS),
            absent: bool,
            fresh_ms in prop::option::of(0..DEADLINE_LIMIT_MS),
            tag in prop::collection::vec(any::<u8>(), 0..TAG_BYTES_MAX),
            rank_given in 0..RANK_LIMIT,
        ) {
            let tags = TagList::new((!tag.is_empty()).then_some(&tag[..])).unwrap();
            let load = LoadTime::of_ms(7);
            let fresh = fresh_ms.map(|until_ms| Fresh { until_ms, load });
            let extras = Extras { absent, fresh, tags: tags.tags() };
            let body = None;
            let draft = Draft { key: &key, value: &value, sequence, deadline_ms, extras, body };
            let mut entry = vec![0xAB];
            draft.append(&mut entry, 0);
            prop_assert_eq!(entry.remove(0), 0xAB);
            // The same, laid out before more was known than how long all is.
            let later = deadline_ms.map(|_| 0);
            let body = Body::of(&Draft { sequence: 0, deadline_ms: later, ..draft });
            let draft = Draft { body: Some(&body), ..draft };
            for _ in 0..2 {
                let mut own = draft.own_bytes();
                prop_assert_eq!(own.capacity(), draft.bytes());
                draft.write(&mut own);
                prop_assert_eq!(&own, &entry);
            }
            prop_assert_eq!(rank(&entry), 0);
            prop_assert_eq!(before(&entry, Links::Queue), Link::NONE);
            set_rank(&mut entry, rank_given);
            set_chain(&mut entry, Link::end(1));
            set_after(&mut entry, Links::Queue, Link::end(2));
            let turned: Vec<u8> = value.iter().rev().copied().collect();
            Draft { value: &turned, ..draft }.overwrite(&mut entry, age);
            prop_assert_eq!(bytes(&entry), entry.len());
            prop_assert_eq!(super::key(&entry), &key[..]);
            prop_assert_eq!(super::value(&entry), &turned[..]);
            prop_assert_eq!(super::age(&entry), age);
            prop_assert_eq!(super::deadline_ms(&entry), deadline_ms);
            prop_assert_eq!(super::extras(&entry), extras);
            prop_assert_eq!((is_absent(&entry), is_tagged(&entry)), (absent, !tag.is_empty()));
            prop_assert_eq!(rank(&entry), rank_given);
            prop_assert_eq!(chain(&entry), Link::end(1));
            prop_assert_eq!(after(&entry, Links::Queue), Link::end(2));
            prop_assert!(!is_dead(&entry));
        }
    }

    #[test]
    fn a_gap_of_any_length_is_one_dead_entry() {
        for len in (20..1 << 16).step_by(GRAIN_BYTES) {
            let mut gap = vec![0xAB; len];
            fill_gap(&mut gap);
            assert!(bytes(&gap) == len && is_dead(&gap));
        }
    }

    #[test]
    fn the_overhead_is_what_the_module_says() {
        let draft = Draft {
            key: &[1; 13],
            value: &[2; 100],
            sequence: 9,
            deadline_ms: None,
            extras: Extras::default(),
            body: None,
        };
        assert_eq!(draft.bytes(), 113 + 19);
        let draft = Draft {
            deadline_ms: Some(5),
            ..draft
        };
        assert_eq!(draft.bytes(), 113 + 32 + 1);
        let fresh = Some(Fresh {
            until_ms: 4,
            load: LoadTime::default(),
        });
        let extras = Extras {
            fresh,
            ..Extras::default()
        };
        assert_eq!(Draft { extras, ..draft }.bytes(), 113 + 32 + 7);
    }
}
