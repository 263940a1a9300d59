//! How fast snapshots may go: a token bucket, of bytes, that may be overdrawn.
//!
//! Whoever finds it positive may take a chunk, and pays what the chunk came to. So a chunk
//! may be larger than what is there, and the rate holds over time. Shared by all streams
//! of a node.

/// What the bucket holds at most: this many milliseconds of its rate.
const BURST_MS: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Bytes a second. 0: no bound.
    rate: u64,
    /// Thousandths of a byte, so that nothing is lost between two looks.
    millibytes: i64,
    filled_ms: u64,
}

impl Bucket {
    /// From now on, this many bytes a second. 0: no bound.
    pub(crate) fn set_rate(&mut self, bytes_per_second: u64) {
        self.rate = bytes_per_second.min(1 << 40);
        self.millibytes = self.millibytes.min(self.most());
    }

    /// Whether a chunk may go now; else when to ask again.
    pub(crate) fn ready(&mut self, now_ms: u64) -> Result<(), u64> {
        if self.rate == 0 {
            return Ok(());
        }
        self.fill(now_ms);
        if self.millibytes > 0 {
            return Ok(());
        }
        let missing = self.millibytes.unsigned_abs() + 1;
        Err(now_ms + missing.div_ceil(self.rate).max(1))
    }

    /// A chunk of so many bytes has gone.
    pub(crate) fn pay(&mut self, bytes: usize) {
        if self.rate != 0 {
            let millibytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.millibytes = self
                .millibytes
                .saturating_sub(millibytes.saturating_mul(1000));
        }
    }

    fn fill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = self.filled_ms.max(now_ms);
        // Bytes a second times milliseconds are thousandths of a byte.
        let gained = i64::try_from(passed_ms.saturating_mul(self.rate)).unwrap_or(i64::MAX);
        self.millibytes = self.millibytes.saturating_add(gained).min(self.most());
    }

    fn most(&self) -> i64 {
        i64::try_from(self.rate * BURST_MS).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    /// Bytes that went in so many milliseconds, in chunks of this size.
    fn sent(bucket: &mut Bucket, from_ms: u64, for_ms: u64, chunk_bytes: usize) -> usize {
        let (mut now, mut bytes) = (from_ms, 0);
        while now < from_ms + for_ms {
            match bucket.ready(now) {
                Ok(()) => {
                    bucket.pay(chunk_bytes);
                    bytes += chunk_bytes;
                }
                Err(later) => {
                    assert!(later > now, "it would spin");
                    now = later;
                }
            }
        }
        bytes
    }

    #[test]
    fn it_keeps_its_rate_whatever_the_chunks() {
        for chunk_bytes in [1, 1000, 64 << 10, 3 << 20] {
            let mut bucket = Bucket::default();
            bucket.set_rate(1 << 20);
            let bytes = sent(&mut bucket, 5_000_000, 10_000, chunk_bytes);
            let (least, most) = (10 << 20, (10 << 20) + (1 << 20) / 10 + chunk_bytes + 2);
            assert!(
                bytes >= least - chunk_bytes && bytes <= most,
                "{bytes} in chunks of {chunk_bytes}"
            );
        }
    }

    #[test]
    fn a_new_rate_holds_at_once_and_none_is_no_bound() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.ready(0), Ok(()));
        bucket.pay(1 << 30);
        assert_eq!(bucket.ready(0), Ok(()));
        bucket.set_rate(1000);
        assert_eq!(bucket.ready(1000), Ok(()));
        bucket.pay(1100);
        assert_eq!(bucket.ready(1000), Err(2001));
        bucket.set_rate(1_000_000);
        assert_eq!(bucket.ready(1000), Err(1002));
        assert_eq!(bucket.ready(1002), Ok(()));
    }
}
