//! Where a copy of a partition is, and what it may do.

/// The last numbered operation that a copy has applied. The default is nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Under which it was written; 0 where there is none.
    pub epoch: u64,
    /// Its number, which goes on over epochs.
    pub seq: u64,
}

impl Position {
    /// Of a copy that is empty.
    pub const NOTHING: Position = Position { epoch: 0, seq: 0 };
}

/// What an open copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, and removes what has expired.
    Primary,
    /// It takes batches of a primary's log, and may be promoted.
    Follower,
    /// A snapshot is on its way into it. It shows nothing and cannot be promoted.
    Restoring,
}
