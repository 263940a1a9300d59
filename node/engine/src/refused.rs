//! The engine's errors, one drawn tree:
//!
//! ```text
//! AlreadyOpen     open: somebody opened the partition before
//! Refused         every write: nothing was changed
//! ├── NotOpen     the partition is closed here (reads answer with this one alone)
//! ├── NotAnInteger, Overflow            incr
//! ├── KeyEmpty, KeyTooLong              every write
//! ├── ValueTooLarge                     set
//! ├── TokenVoid                         fill
//! ├── BadTag                            invalidate_tag
//! └── MemoryFull  nothing more can be evicted, or the policy is `none`
//! NotPromotable   promote: closed, half restored, or under an epoch that is over
//! ReadError       read_log, read_snapshot: not primary here, or begin anew
//! ApplyError      apply: what the batch was refused for
//! ```

use std::fmt;

use crate::extras::tags::BadTags;

/// The partition is open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyOpen;

/// The partition is closed on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpen;

/// Why a write was refused. It left no trace and took no sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The partition is closed on this node.
    NotOpen,
    /// The value is not a decimal integer of 64 bits.
    NotAnInteger,
    /// The sum does not fit into 64 bits.
    Overflow,
    /// Nothing more can be evicted for it.
    MemoryFull,
    /// Keys hold at least one byte.
    KeyEmpty,
    /// The key is longer than the settings allow.
    KeyTooLong,
    /// The value is larger than the settings allow.
    ValueTooLarge,
    /// The key was written, or a tag of the value invalidated, since the token was given, or
    /// its time is over.
    TokenVoid,
    /// It is no tag.
    BadTag(BadTags),
}

/// Why a copy was not made primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPromotable {
    /// The partition is closed on this node.
    NotOpen,
    /// A snapshot is on its way into it.
    Restoring,
    /// The epoch is not above all that the copy has heard of.
    OldEpoch,
}

/// Why nothing was read for a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The partition is closed on this node, or not primary.
    NotOpen,
    /// The log does not reach back to the cursor: join again.
    Truncated,
}

/// Why a batch was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// The partition is closed on this node.
    NotOpen,
    /// It is primary.
    NotAFollower,
    /// The batch does not begin where the copy is: ask again with its position.
    Gap,
    /// These bytes are no batch, or do not go with what is here.
    Malformed,
    /// It is of a primary that is deposed.
    OldEpoch,
    /// There is no memory for it, and the policy gives up nothing.
    MemoryFull,
}

impl From<NotOpen> for Refused {
    fn from(_: NotOpen) -> Self {
        Refused::NotOpen
    }
}

impl fmt::Display for AlreadyOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The partition is open already; close it first.")
    }
}

impl fmt::Display for NotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The partition is not open on this node; ask its owner.")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::NotOpen => "The partition is not open on this node; ask its owner.",
            Refused::NotAnInteger => {
                "The value is not a decimal integer of 64 bits; store one before adding to it."
            }
            Refused::Overflow => "The sum does not fit into a signed integer of 64 bits.",
            Refused::MemoryFull => {
                "The memory is full and nothing can be evicted; raise maxmemory or delete keys."
            }
            Refused::KeyEmpty => "The key is empty; give at least one byte.",
            Refused::KeyTooLong => "The key is too long; hash it to a shorter one.",
            Refused::ValueTooLarge => "The value is too large; split it over several keys.",
            Refused::TokenVoid => {
                "The fill token is void; what was loaded may be old, so read the key again."
            }
            Refused::BadTag(_) => "A tag has 1 to 128 bytes; give such a one.",
        })
    }
}

impl fmt::Display for NotPromotable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotPromotable::NotOpen => "The partition is not open on this node; follow it first.",
            NotPromotable::Restoring => {
                "A snapshot is on its way into the copy; wait for it, or discard the copy."
            }
            NotPromotable::OldEpoch => "The copy knows of a higher epoch; take the next one.",
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadError::NotOpen => "The partition is not primary on this node; ask its owner.",
            ReadError::Truncated => "The log does not reach back so far; join again.",
        })
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApplyError::NotOpen => "The partition is not open on this node; open it to follow.",
            ApplyError::NotAFollower => "The partition is primary on this node; demote it first.",
            ApplyError::Gap => "The batch does not begin where the copy is; ask from its position.",
            ApplyError::Malformed => {
                "The batch cannot be read; ask again from the copy's position."
            }
            ApplyError::OldEpoch => {
                "The batch is of an epoch that is over; follow the new primary."
            }
            ApplyError::MemoryFull => {
                "The memory is full and nothing can be evicted; raise maxmemory."
            }
        })
    }
}

impl std::error::Error for NotPromotable {}
impl std::error::Error for ReadError {}
impl std::error::Error for ApplyError {}
impl std::error::Error for AlreadyOpen {}
impl std::error::Error for NotOpen {}
impl std::error::Error for Refused {}
