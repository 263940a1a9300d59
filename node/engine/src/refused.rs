//! The engine's errors, one drawn tree:
//!
//! ```text
//! AlreadyOpen     open: somebody opened the partition before
//! Refused         every write: nothing was changed
//! ├── NotOpen     the partition is closed here (reads answer with this one alone)
//! ├── NotAnInteger, Overflow            incr
//! ├── KeyEmpty, KeyTooLong              every write
//! ├── ValueTooLarge                     set
//! └── MemoryFull  nothing more can be evicted, or the policy is `none`
//! ```

use std::fmt;

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
        })
    }
}

impl std::error::Error for AlreadyOpen {}
impl std::error::Error for NotOpen {}
impl std::error::Error for Refused {}
