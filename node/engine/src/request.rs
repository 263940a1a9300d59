//! The words of the engine's surface: what a caller passes in and gets back.
//!
//! All of them are plain values. Times are milliseconds; 0 means none.

use crate::extras::tags::Tags;

/// Milliseconds of a monotonic clock that counts suspension. Only differences
/// matter; it should not go backwards (then entries live longer, nothing worse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u64);

/// A key's place in the tables of one engine. Keyed: it says nothing to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u64);

/// Place of a write in its partition's order: by epoch, then by sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The epoch under which the partition was opened.
    pub epoch: u64,
    /// 1 for the partition's first write under that epoch.
    pub seq: u64,
}

/// What a read is shown, under the partition's lock. Copy what you need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The value. Empty where `absent`.
    pub value: &'a [u8],
    /// Of the write that stored it.
    pub version: Version,
    /// Remaining time to live, at least 1. 0: the entry does not expire.
    pub ttl_ms: u64,
    /// A marker: the origin is known to have no value for this key.
    pub absent: bool,
    /// For how long it is still fresh. None: it has no such time.
    pub fresh_ms: Option<u64>,
    /// How long it took to load. 0: nobody knows.
    pub(crate) load_ms: u64,
}

impl Entry<'_> {
    /// It is past the time for which it is fresh.
    pub fn is_stale(&self) -> bool {
        self.fresh_ms == Some(0)
    }
}

/// When a set applies. A known-absent marker counts as no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Only where there is no value.
    IfAbsent,
    /// Only where there is a value.
    IfPresent,
    /// Only where the entry, marker or not, has this very version.
    IfVersion(Version),
}

/// One value to store, whole. The default is an empty one, for as long as there is room.
#[derive(Clone, Copy, Debug, Default)]
pub struct Write<'a> {
    /// Must be empty where `absent`; what is given then is not stored.
    pub value: &'a [u8],
    /// Time to live. 0: until evicted or deleted.
    pub ttl_ms: u64,
    /// Stores a known-absent marker instead of a value.
    pub absent: bool,
    /// None: always applies.
    pub condition: Option<Condition>,
    /// For how long it is fresh. 0: for as long as it lives.
    pub fresh_ms: u64,
    /// By which it is invalidated together with others.
    pub tags: Tags<'a>,
}

/// What became of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOutcome {
    /// Stored, as this version.
    Applied(Version),
    /// The condition did not hold. The version of the entry that stands, if one does.
    NotApplied(Option<Version>),
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether a live entry, marker included, was there.
    pub existed: bool,
    /// Of the delete itself.
    pub version: Version,
}

/// An addition to a decimal integer.
#[derive(Clone, Copy, Debug)]
pub struct Increment {
    /// Added to the value.
    pub delta: i64,
    /// What a key without a value counts as; it becomes `initial + delta`.
    pub initial: i64,
    /// Time to live of a key that this creates. An existing one keeps its own.
    pub ttl_ms: u64,
}

/// What became of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incremented {
    /// After the addition.
    pub value: i64,
    /// Of the entry now.
    pub version: Version,
}
