//! How fast snapshots may go: a token bucket, of bytes, that may be overdrawn.
//!
//! Whoever finds it positive may take a chunk, and pays what the chunk came to. So a chunk
//! may be larger than what is there, and the rate holds over time. A node has one for what
//! it sends and one for what it takes, each shared by all streams.
//!
//! Where those who take from it must not overtake each other they book: they pay at once,
//! and have it when what was booked before is filled.

/// What the bucket holds at most: this many milliseconds of its rate. Requests wait for as
/// long as what may go at once takes.
const BURST_MS: u64 = 20;

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Bytes a second. 0: no bound.
    rate: u64,
    /// Thousandths of a byte, so that nothing is lost between two looks.
    millibytes: i64,
    /// Bytes that were paid, in all.
    paid: u64,
    filled_ms: u64,
}

/// A place in the order of those who booked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Booking {
    /// Bytes that were paid before.
    behind: u64,
}

impl Bucket {
    /// From now on, this many bytes a second. 0: no bound.
    pub(crate) fn set_rate(&mut self, bytes_per_second: u64) {
        self.rate = bytes_per_second.min(1 << 40);
        self.millibytes = self.millibytes.min(self.most());
    }

    /// Bytes a second. 0: no bound.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Whether a chunk may go now; else when to ask again.
    pub(crate) fn ready(&mut self, now_ms: u64) -> Result<(), u64> {
        let last = Booking { behind: self.paid };
        self.is_due(last, now_ms)
    }

    /// Pays for a chunk of so many bytes, to be taken when it is due.
    pub(crate) fn book(&mut self, bytes: usize, now_ms: u64) -> Booking {
        self.fill(now_ms);
        let booking = Booking { behind: self.paid };
        self.pay(bytes);
        booking
    }

    /// Whether what was booked may be taken now; else when to ask again.
    pub(crate) fn is_due(&mut self, booking: Booking, now_ms: u64) -> Result<(), u64> {
        if self.rate == 0 {
            return Ok(());
        }
        self.fill(now_ms);
        let since = thousand_times(self.paid - booking.behind);
        let there = self.millibytes.saturating_add(since);
        if there > 0 {
            return Ok(());
        }
        let missing = there.unsigned_abs() + 1;
        Err(now_ms + missing.div_ceil(self.rate).max(1))
    }

    /// A chunk of so many bytes has gone.
    pub(crate) fn pay(&mut self, bytes: usize) {
        if self.rate != 0 {
            let bytes = bytes as u64;
            self.paid += bytes;
            self.millibytes = self.millibytes.saturating_sub(thousand_times(bytes));
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

fn thousand_times(bytes: u64) -> i64 {
    i64::try_from(bytes.saturating_mul(1000)).unwrap_or(i64::MAX)
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
    fn what_was_booked_is_due_in_its_order_and_a_new_rate_holds_for_it() {
        let mut bucket = Bucket::default();
        bucket.set_rate(1000);
        let booked = [100, 50, 1].map(|bytes| bucket.book(bytes, 9_000));
        let due = |bucket: &mut Bucket, now_ms| booked.map(|it| bucket.is_due(it, now_ms));
        // It held 20 bytes.
        assert_eq!(due(&mut bucket, 9_000), [Ok(()), Err(9_081), Err(9_131)]);
        assert_eq!(due(&mut bucket, 9_081), [Ok(()), Ok(()), Err(9_131)]);
        assert_eq!(bucket.ready(9_081), Err(9_132));
        bucket.set_rate(10_000);
        assert_eq!(due(&mut bucket, 9_081)[2], Err(9_086));
        bucket.set_rate(0);
        assert_eq!(due(&mut bucket, 9_081), [Ok(()); 3]);
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
        assert_eq!(bucket.ready(1000), Err(2081));
        bucket.set_rate(1_000_000);
        assert_eq!(bucket.ready(1000), Err(1002));
        assert_eq!(bucket.ready(1002), Ok(()));
    }
}
