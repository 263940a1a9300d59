//! Tags of an entry, as they are kept and travel: the length of each in a byte, and it.
//!
//! Invariant: none is empty or stands twice, they rise, and there are at most
//! [`TAGS_MAX`] of at most [`TAG_BYTES_MAX`] bytes.

/// Tags of one entry, at most.
pub const TAGS_MAX: usize = 16;
/// Bytes of one tag, at most.
pub const TAG_BYTES_MAX: usize = 128;

/// The tags of one entry. The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a>(&'a [u8]);

/// Why these are no tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTags {
    /// There are so many, and may be [`TAGS_MAX`].
    TooMany(usize),
    /// One has so many bytes, and may have [`TAG_BYTES_MAX`].
    TooLong(usize),
    /// One is empty.
    Empty,
}

/// Tags as whoever sets an entry names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList(Vec<u8>);

impl TagList {
    /// In any order; what stands twice counts once.
    pub fn new<'a>(tags: impl IntoIterator<Item = &'a [u8]>) -> Result<TagList, BadTags> {
        let mut sorted: Vec<&[u8]> = tags.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() > TAGS_MAX {
            return Err(BadTags::TooMany(sorted.len()));
        }
        let mut list = Vec::with_capacity(sorted.iter().map(|tag| 1 + tag.len()).sum());
        for tag in sorted {
            check(tag)?;
            list.push(tag.len() as u8);
            list.extend_from_slice(tag);
        }
        Ok(TagList(list))
    }

    /// To be stored.
    pub fn tags(&self) -> Tags<'_> {
        Tags(&self.0)
    }
}

/// Whether this may be a tag.
pub(crate) fn check(tag: &[u8]) -> Result<(), BadTags> {
    match tag.len() {
        0 => Err(BadTags::Empty),
        1..=TAG_BYTES_MAX => Ok(()),
        bytes => Err(BadTags::TooLong(bytes)),
    }
}

impl<'a> Tags<'a> {
    /// None at all.
    pub const NONE: Tags<'static> = Tags(&[]);

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Of bytes that were tags before.
    pub(crate) fn of(bytes: &'a [u8]) -> Tags<'a> {
        Tags(bytes)
    }

    /// None: these bytes are no tags.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Tags<'a>> {
        let mut rest = bytes;
        let mut count = 0;
        let mut before: Option<&[u8]> = None;
        while let Some((&length, after)) = rest.split_first() {
            let (tag, after) = after.split_at_checked(length.into())?;
            count += 1;
            if check(tag).is_err() || before >= Some(tag) || count > TAGS_MAX {
                return None;
            }
            before = Some(tag);
            rest = after;
        }
        Some(Tags(bytes))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first()?;
            let (tag, after) = after.split_at(length.into());
            rest = after;
            Some(tag)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_sorted_bounded_and_told_apart() {
        let list = TagList::new([&b"b"[..], b"a", b"b"]).unwrap();
        assert_eq!(list.tags().iter().collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(Tags::read(list.tags().bytes()), Some(list.tags()));
        assert_eq!(TagList::new([&b""[..]]), Err(BadTags::Empty));
        let long = [7; TAG_BYTES_MAX + 1];
        assert_eq!(TagList::new([&long[..]]), Err(BadTags::TooLong(long.len())));
        let many: Vec<[u8; 1]> = (0..=TAGS_MAX as u8).map(|tag| [tag]).collect();
        let many = TagList::new(many.iter().map(|tag| &tag[..]));
        assert_eq!(many, Err(BadTags::TooMany(TAGS_MAX + 1)));
        for bytes in [
            &b"\x01b\x01a"[..],
            b"\x01a\x01a",
            b"\x00",
            b"\x02a",
            b"\x81",
        ] {
            assert_eq!(Tags::read(bytes), None);
        }
    }
}
