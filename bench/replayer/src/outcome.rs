//! What one replay saw.

/// Counts of one replay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) misses: u64,
    /// Entries held, averaged over the second half of the trace; 0 where nobody looked.
    pub(crate) entries: u64,
    /// What the cache said that it uses at the end; 0 where nobody looked.
    pub(crate) used_bytes: u64,
    /// What it uses when it is empty; 0 where nobody looked.
    pub(crate) base_bytes: u64,
}

impl Outcome {
    pub(crate) fn to_json(self) -> String {
        format!(
            "{{\"requests\": {}, \"misses\": {}, \"entries\": {}, \"used_bytes\": {}, \"base_bytes\": {}}}",
            self.requests, self.misses, self.entries, self.used_bytes, self.base_bytes
        )
    }
}
