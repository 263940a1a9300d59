//! A handle: where an entry lies, in 32 bits, within its partition.
//!
//! ```text
//! 0x0000_0000 ..= 0xDFFF_FFFF   in a segment: 17 bits of segment, 15 of offset / 2
//! 0xE000_0000 ..= 0xFFFF_FDFF   a large entry, by number
//! 0xFFFF_FE00 ..= 0xFFFF_FFFE   not an entry: the end of a list, by number
//! 0xFFFF_FFFF                   nothing
//! ```
//!
//! So a partition holds up to 7 GiB of small entries and five hundred million large
//! ones; past that it answers as if the memory were full. A handle is good until its
//! entry is removed or its segment is slid, and that happens only while room is made
//! or after a removal: nobody keeps one over those.

/// Entries begin at multiples of this.
pub(crate) const GRAIN_BYTES: usize = 2;
/// Size of a full segment.
pub(crate) const SEGMENT_BYTES: usize = 64 << 10;
pub(crate) const SEGMENTS_MAX: usize = (FIRST_LARGE >> OFFSET_BITS) as usize;
pub(crate) const LARGE_MAX: usize = (FIRST_END - FIRST_LARGE) as usize;

const OFFSET_BITS: u32 = 15;
const FIRST_LARGE: u32 = 0xE000_0000;
const FIRST_END: u32 = 0xFFFF_FE00;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Handle(u32);

/// A handle, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Small { segment: usize, offset: usize },
    Large { number: usize },
}

impl Handle {
    #[inline]
    pub(crate) fn small(segment: usize, offset: usize) -> Handle {
        debug_assert!(segment < SEGMENTS_MAX && offset < SEGMENT_BYTES);
        debug_assert!(offset.is_multiple_of(GRAIN_BYTES));
        Handle((segment as u32) << OFFSET_BITS | (offset / GRAIN_BYTES) as u32)
    }

    #[inline]
    pub(crate) fn large(number: usize) -> Handle {
        debug_assert!(number < LARGE_MAX);
        Handle(FIRST_LARGE + number as u32)
    }

    #[inline]
    pub(crate) fn place(self) -> Place {
        if self.0 < FIRST_LARGE {
            let segment = (self.0 >> OFFSET_BITS) as usize;
            let offset = (self.0 & ((1 << OFFSET_BITS) - 1)) as usize * GRAIN_BYTES;
            Place::Small { segment, offset }
        } else {
            Place::Large {
                number: (self.0 - FIRST_LARGE) as usize,
            }
        }
    }
}

/// What a link field holds: a handle, a list's end, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Default for Link {
    fn default() -> Link {
        Link::NONE
    }
}

impl Link {
    pub(crate) const NONE: Link = Link(u32::MAX);

    #[inline]
    pub(crate) fn to(handle: Handle) -> Link {
        Link(handle.0)
    }

    /// The end of list number `list`.
    #[inline]
    pub(crate) fn end(list: usize) -> Link {
        debug_assert!(list < (u32::MAX - FIRST_END) as usize);
        Link(FIRST_END + list as u32)
    }

    #[inline]
    pub(crate) fn handle(self) -> Option<Handle> {
        (self.0 < FIRST_END).then_some(Handle(self.0))
    }

    #[inline]
    pub(crate) fn list(self) -> Option<usize> {
        (self.0 >= FIRST_END && self != Link::NONE).then(|| (self.0 - FIRST_END) as usize)
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Link {
        Link(u32::from_le_bytes(bytes))
    }

    #[inline]
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_round_trip() {
        for (segment, offset) in [(0, 0), (1, 2), (SEGMENTS_MAX - 1, SEGMENT_BYTES - 2)] {
            let handle = Handle::small(segment, offset);
            assert_eq!(handle.place(), Place::Small { segment, offset });
            assert_eq!(Link::to(handle).handle(), Some(handle));
        }
        for number in [0, 7, LARGE_MAX - 1] {
            let handle = Handle::large(number);
            assert_eq!(handle.place(), Place::Large { number });
            assert_eq!(Link::to(handle).handle(), Some(handle));
        }
    }

    #[test]
    fn ends_are_not_handles() {
        assert_eq!(Link::end(3).handle(), None);
        assert_eq!(Link::end(3).list(), Some(3));
        assert_eq!((Link::NONE.handle(), Link::NONE.list()), (None, None));
    }
}
