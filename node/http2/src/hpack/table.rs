//! The static table of RFC 7541, appendix A, and the dynamic table of a connection.
//!
//! Invariants: the entries' sizes (name, value and 32 more) never exceed the limit;
//! the bytes of entries lie behind each other, the oldest first.

use std::collections::VecDeque;

/// What an entry counts beyond its name and value.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 32;

/// An entry's name and value, and whether a request may hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) is_valid: bool,
}

#[derive(Debug)]
struct Place {
    /// Counted from the first byte that was ever stored.
    start: usize,
    name_bytes: usize,
    value_bytes: usize,
    is_valid: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Table {
    places: VecDeque<Place>,
    bytes: Vec<u8>,
    /// How many bytes were stored before the first of `bytes`.
    dropped: usize,
    size: usize,
    size_max: usize,
    /// Rises with every change, so that what was decoded before can be told from what
    /// would be decoded now.
    generation: u64,
}

impl Table {
    pub(crate) fn new(size_max: usize) -> Table {
        Table {
            places: VecDeque::new(),
            bytes: Vec::new(),
            dropped: 0,
            size: 0,
            size_max,
            generation: 0,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The entry of an index as it stands on the wire, from 1 on.
    pub(crate) fn get(&self, index: usize) -> Option<Entry<'_>> {
        let at = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Some(Entry {
                name,
                value,
                is_valid: true,
            });
        }
        // The newest has the lowest index.
        let from_oldest = self.places.len().checked_sub(at - STATIC.len() + 1)?;
        let place = self.places.get(from_oldest)?;
        let start = place.start - self.dropped;
        let both = &self.bytes[start..start + place.name_bytes + place.value_bytes];
        let (name, value) = both.split_at(place.name_bytes);
        Some(Entry {
            name,
            value,
            is_valid: place.is_valid,
        })
    }

    /// Add an entry; one that is too large empties the table.
    pub(crate) fn insert(&mut self, entry: Entry<'_>) {
        self.generation += 1;
        let size = entry.name.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES;
        self.evict_to(self.size_max.saturating_sub(size));
        if size > self.size_max {
            return;
        }
        self.compact();
        self.places.push_back(Place {
            start: self.dropped + self.bytes.len(),
            name_bytes: entry.name.len(),
            value_bytes: entry.value.len(),
            is_valid: entry.is_valid,
        });
        self.bytes.extend_from_slice(entry.name);
        self.bytes.extend_from_slice(entry.value);
        self.size += size;
    }

    pub(crate) fn resize(&mut self, size_max: usize) {
        self.generation += 1;
        self.size_max = size_max;
        self.evict_to(size_max);
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.places.pop_front() else {
                return;
            };
            self.size -= oldest.name_bytes + oldest.value_bytes + ENTRY_OVERHEAD_BYTES;
        }
    }

    /// Give up the bytes of entries that are gone, once they are the most.
    fn compact(&mut self) {
        let live = self
            .places
            .front()
            .map_or(self.bytes.len(), |oldest| oldest.start - self.dropped);
        if live > self.size_max {
            self.bytes.drain(..live);
            self.dropped += live;
        }
    }
}

const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

#[cfg(test)]
mod tests {
    use super::{Entry, Table};

    fn entry<'a>(name: &'a str, value: &'a str) -> Entry<'a> {
        Entry {
            name: name.as_bytes(),
            value: value.as_bytes(),
            is_valid: true,
        }
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_goes() {
        let mut table = Table::new(2 * (32 + 4));
        table.insert(entry("aa", "11"));
        table.insert(entry("bb", "22"));
        assert_eq!(table.get(62), Some(entry("bb", "22")));
        assert_eq!(table.get(63), Some(entry("aa", "11")));
        table.insert(entry("cc", "33"));
        assert_eq!(table.get(62), Some(entry("cc", "33")));
        assert_eq!(table.get(63), Some(entry("bb", "22")));
        assert_eq!(table.get(64), None);
        assert_eq!(table.get(0), None);
        assert_eq!(table.get(61), Some(entry("www-authenticate", "")));
    }

    #[test]
    fn an_entry_that_is_too_large_empties_it() {
        let mut table = Table::new(40);
        table.insert(entry("a", "b"));
        table.insert(entry("a", &"b".repeat(8)));
        assert_eq!(table.get(62), None);
        assert_eq!(table.size, 0);
    }

    #[test]
    fn bytes_stay_bounded_and_entries_right() {
        let mut table = Table::new(200);
        for n in 0..10_000 {
            let value = n.to_string();
            table.insert(entry("name", &value));
            assert_eq!(table.get(62), Some(entry("name", &value)));
            assert!(table.size <= 200 && table.bytes.len() <= 600, "{table:?}");
        }
        table.resize(0);
        assert_eq!(table.get(62), None);
        table.resize(100);
        table.insert(entry("x", "y"));
        assert_eq!(table.get(62), Some(entry("x", "y")));
    }
}
