//! What a test can do to the engine and to its twin.

use shoal_engine::Eviction;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Get {
        key: u16,
    },
    Set {
        key: u16,
        value: Vec<u8>,
        ttl_ms: u64,
        absent: bool,
        condition: Wanted,
        fresh_ms: u64,
        /// Numbers of tags.
        tags: Vec<u8>,
    },
    Delete {
        key: u16,
    },
    Incr {
        key: u16,
        delta: i64,
        initial: i64,
        ttl_ms: u64,
    },
    Touch {
        key: u16,
        ttl_ms: u64,
    },
    InvalidateTag {
        partition: u32,
        tag: u8,
    },
    Wait {
        ms: u64,
    },
    Reclaim {
        partition: u32,
        budget: usize,
    },
    /// Close and open under the next epoch.
    Reopen {
        partition: u32,
    },
    /// Close what is open, open what is closed.
    Toggle {
        partition: u32,
    },
    /// Keys that no write takes.
    BadKey,
    /// Another policy, and a part of the way to it.
    Switch {
        to: Eviction,
        budget: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Nothing,
    IfAbsent,
    IfPresent,
    /// The version that the twin knows, or one that is off by this.
    IfVersion {
        off_by: u64,
    },
    /// The sequence that the twin knows, of the epoch before.
    IfVersionOfAnotherEpoch,
}
