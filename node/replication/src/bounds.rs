//! What bounds a hub, for each partition.

/// Bounds of one partition. What passes one is refused at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `IN_SYNC` writes that are not committed yet.
    pub pending_max: usize,
    /// Callers that wait. Above `pending_max`, so that a write which was let in finds a
    /// place to wait in, and reads the rest.
    pub waiters_max: usize,
    /// Streams that follow, or would.
    pub streams_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            pending_max: 4096,
            waiters_max: 12_288,
            streams_max: 64,
        }
    }
}
