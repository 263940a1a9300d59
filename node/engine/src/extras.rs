//! What only some entries have: that the origin has no value, until when the value is
//! fresh, how long it took to load, and its tags. It stands behind the value, in a run of
//! bytes of its own, so that an entry without any of it pays nothing:
//!
//! ```text
//! 1   marks: bit 0 absent, 1 fresh, 2 tags
//! 5+1 fresh: until when, in milliseconds of the partition's own time, and how long the
//!     load took (see [`mod@load_time`])
//! 2+n tags: how many bytes, and these (see [`mod@tags`])
//! ```
//!
//! The same bytes travel in a record, with the sender's times.
//!
//! Invariant: what was read whole can be read again without looking whether it is whole.

pub(crate) mod load_time;
pub(crate) mod tags;

use load_time::LoadTime;
use tags::Tags;

use crate::entry::DEADLINE_LIMIT_MS;

const ABSENT: u8 = 1;
const FRESH: u8 = 2;
const TAGS: u8 = 4;
const FRESH_AT: usize = 1;
const TIME_BYTES: usize = 5;
const LOAD_AT: usize = FRESH_AT + TIME_BYTES;
const FRESH_BYTES: usize = TIME_BYTES + 1;
const TAGS_LENGTH_BYTES: usize = 2;

/// The default has nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras<'a> {
    /// The origin is known to have no value.
    pub(crate) absent: bool,
    pub(crate) fresh: Option<Fresh>,
    pub(crate) tags: Tags<'a>,
}

/// Until when a value is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    /// In the partition's own time.
    pub(crate) until_ms: u64,
    pub(crate) load: LoadTime,
}

impl Extras<'_> {
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        !self.absent && self.fresh.is_none() && self.tags.is_empty()
    }

    /// How long they are when written: 0 where there is nothing.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        if self.is_nothing() {
            return 0;
        }
        let fresh = if self.fresh.is_some() { FRESH_BYTES } else { 0 };
        let tags = match self.tags.bytes().len() {
            0 => 0,
            bytes => TAGS_LENGTH_BYTES + bytes,
        };
        1 + fresh + tags
    }

    /// Writes them, if there is anything, through `put`, in order.
    pub(crate) fn write(&self, mut put: impl FnMut(&[u8])) {
        if self.is_nothing() {
            return;
        }
        let tags = self.tags.bytes();
        let marks = [
            (ABSENT, self.absent),
            (FRESH, self.fresh.is_some()),
            (TAGS, !tags.is_empty()),
        ];
        put(&[marks
            .iter()
            .map(|&(mark, is)| if is { mark } else { 0 })
            .sum()]);
        if let Some(Fresh { until_ms, load }) = self.fresh {
            debug_assert!(until_ms < DEADLINE_LIMIT_MS);
            put(&until_ms.to_le_bytes()[..TIME_BYTES]);
            put(&[load.code()]);
        }
        if !tags.is_empty() {
            put(&(tags.len() as u16).to_le_bytes());
            put(tags);
        }
    }

    /// The same with these tags, which may lie elsewhere.
    pub(crate) fn with_tags<'b>(&self, tags: Tags<'b>) -> Extras<'b> {
        Extras {
            absent: self.absent,
            fresh: self.fresh,
            tags,
        }
    }
}

impl<'a> Extras<'a> {
    /// Those that `bytes` begin with, and what is behind them. None: they are malformed.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Extras<'a>, &'a [u8])> {
        let (&marks, mut rest) = bytes.split_first()?;
        if marks == 0 || marks & !(ABSENT | FRESH | TAGS) != 0 {
            return None;
        }
        let fresh = if marks & FRESH == 0 {
            None
        } else {
            let (fresh, after) = rest.split_at_checked(FRESH_BYTES)?;
            rest = after;
            Some(Fresh {
                until_ms: time(fresh),
                load: LoadTime::of_code(fresh[TIME_BYTES]),
            })
        };
        let mut tags = Tags::NONE;
        if marks & TAGS != 0 {
            let (length, after) = rest.split_at_checked(TAGS_LENGTH_BYTES)?;
            let (list, after) = after.split_at_checked(tags_length(length))?;
            tags = Tags::read(list).filter(|tags| !tags.is_empty())?;
            rest = after;
        }
        let absent = marks & ABSENT != 0;
        Some((
            Extras {
                absent,
                fresh,
                tags,
            },
            rest,
        ))
    }

    /// Of what was read or written before.
    pub(crate) fn of(bytes: &'a [u8]) -> Extras<'a> {
        let at = tags_at(bytes);
        let tags = if bytes[0] & TAGS == 0 {
            Tags::NONE
        } else {
            let begins = at + TAGS_LENGTH_BYTES;
            Tags::of(&bytes[begins..begins + tags_length(&bytes[at..])])
        };
        Extras {
            absent: bytes[0] & ABSENT != 0,
            fresh: (bytes[0] & FRESH != 0).then(|| Fresh {
                until_ms: time(&bytes[FRESH_AT..]),
                load: LoadTime::of_code(bytes[LOAD_AT]),
            }),
            tags,
        }
    }
}

/// How long those are that `bytes` begin with, which were read or written before.
#[inline]
pub(crate) fn length(bytes: &[u8]) -> usize {
    let at = tags_at(bytes);
    if bytes[0] & TAGS == 0 {
        return at;
    }
    at + TAGS_LENGTH_BYTES + tags_length(&bytes[at..])
}

/// Whether there are tags among those that `bytes` begin with.
#[inline]
pub(crate) fn has_tags(bytes: &[u8]) -> bool {
    bytes[0] & TAGS != 0
}

#[inline]
fn tags_at(bytes: &[u8]) -> usize {
    if bytes[0] & FRESH == 0 {
        FRESH_AT
    } else {
        FRESH_AT + FRESH_BYTES
    }
}

#[inline]
fn tags_length(bytes: &[u8]) -> usize {
    u16::from_le_bytes([bytes[0], bytes[1]]).into()
}

fn time(bytes: &[u8]) -> u64 {
    let mut time = [0; 8];
    time[..TIME_BYTES].copy_from_slice(&bytes[..TIME_BYTES]);
    u64::from_le_bytes(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tags::TagList;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_cut_is_not(
            absent: bool,
            fresh in prop::option::of((0..DEADLINE_LIMIT_MS, any::<u32>())),
            tags in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let list = TagList::new(tags.iter().map(|tag| &tag[..])).unwrap();
            let fresh = fresh.map(|(until_ms, load_ms)| Fresh {
                until_ms,
                load: LoadTime::of_ms(load_ms.into()),
            });
            let extras = Extras { absent, fresh, tags: list.tags() };
            let mut out = Vec::new();
            extras.write(|bytes| out.extend_from_slice(bytes));
            prop_assert_eq!(out.len(), extras.bytes());
            if extras.is_nothing() {
                return Ok(());
            }
            prop_assert_eq!(Extras::of(&out), extras);
            prop_assert_eq!(has_tags(&out), !tags.is_empty());
            for cut in 0..out.len() {
                prop_assert_eq!(Extras::read(&out[..cut]), None);
            }
            out.extend_from_slice(&behind);
            prop_assert_eq!(Extras::read(&out), Some((extras, &behind[..])));
            prop_assert_eq!(length(&out), extras.bytes());
        }

        #[test]
        fn any_bytes_are_extras_or_none(noise in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some((extras, rest)) = Extras::read(&noise) {
                prop_assert_eq!(extras.bytes() + rest.len(), noise.len());
                prop_assert_eq!(Extras::of(&noise), extras);
            }
        }
    }
}
