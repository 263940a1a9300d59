//! What a test can do to a primary and its followers.

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Set {
        key: u8,
        value: Vec<u8>,
        ttl_ms: u64,
        absent: bool,
        if_version: bool,
        id: Option<u8>,
        fresh_ms: u64,
        /// Numbers of tags.
        tags: Vec<u8>,
    },
    Incr {
        key: u8,
        delta: i8,
        id: Option<u8>,
    },
    Delete {
        key: u8,
    },
    Touch {
        key: u8,
        ttl_ms: u64,
    },
    Invalidate {
        tag: u8,
    },
    Wait {
        ms: u64,
    },
    Reclaim,
    /// One batch to a follower; it may be lost on the way.
    Ship {
        to: usize,
        budget: usize,
        is_lost: bool,
    },
    /// The stream breaks; the follower asks anew.
    Break {
        to: usize,
    },
    Discard {
        to: usize,
    },
    LimitLog {
        bytes: usize,
    },
    /// A follower takes over. The old primary writes this often before it notices.
    Promote {
        to: usize,
        late_writes: u8,
    },
}
