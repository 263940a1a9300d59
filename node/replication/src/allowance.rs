//! How much of snapshots a primary may send: a follower lets it, piece by piece.
//!
//! A primary's own rate bounds what it sends. Many primaries send to a node that is new, all
//! at once; only that node knows how many. So it lets each of them send a window, and more
//! when most of that has come, out of one bucket of its own.

use crate::bucket::{Booking, Bucket};

/// What may be on its way at a bounded rate, in milliseconds of it,
const WINDOW_MS: u64 = 20;
/// and at least and at most, in bytes.
const WINDOW_BYTES_MIN: i64 = 64 << 10;
const WINDOW_BYTES_MAX: i64 = 1 << 20;
/// The same without a bound: as much as a connection of 40 ms takes at 100 MiB a second.
const WINDOW_BYTES_UNBOUND: i64 = 4 << 20;
/// So large a part of the window is granted at least, lest it be a message for each piece.
const PART: i64 = 4;

/// What one stream's primary may send.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// Bytes that were granted and have not come. Below 0, a piece was longer.
    outstanding: i64,
    /// Bytes that are granted next.
    booked: Option<(Booking, i64)>,
}

impl Allowance {
    /// A piece of a snapshot has come.
    pub(crate) fn arrived(&mut self, bytes: u32) {
        self.outstanding -= i64::from(bytes);
    }

    /// How much more the primary may send now, in bytes.
    ///
    /// # Errors
    /// It is due, and the bucket wants it to wait until this time, in milliseconds.
    pub(crate) fn grant(&mut self, bucket: &mut Bucket, now_ms: u64) -> Result<u64, u64> {
        let (booking, bytes) = match self.booked {
            Some(booked) => booked,
            None => {
                let window = window_bytes(bucket.rate());
                let missing = window - self.outstanding;
                if missing < window / PART {
                    return Ok(0);
                }
                (bucket.book(missing as usize, now_ms), missing)
            }
        };
        self.booked = Some((booking, bytes));
        bucket.is_due(booking, now_ms)?;
        self.booked = None;
        self.outstanding += bytes;
        Ok(bytes as u64)
    }
}

fn window_bytes(rate: u64) -> i64 {
    match rate {
        0 => WINDOW_BYTES_UNBOUND,
        _ => i64::try_from(rate * WINDOW_MS / 1000)
            .unwrap_or(i64::MAX)
            .clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What so many primaries sent in so many milliseconds, who send all that they may.
    fn sent(bucket: &mut Bucket, primaries: usize, for_ms: u64, piece_bytes: u32) -> Vec<u64> {
        let mut streams: Vec<(Allowance, i64, u64)> = Vec::new();
        streams.resize_with(primaries, Default::default);
        for now_ms in 1_000_000..1_000_000 + for_ms {
            for (allowance, allowed, sent) in &mut streams {
                if let Ok(bytes) = allowance.grant(bucket, now_ms) {
                    *allowed += bytes as i64;
                }
                while *allowed > 0 {
                    *allowed -= i64::from(piece_bytes);
                    *sent += u64::from(piece_bytes);
                    allowance.arrived(piece_bytes);
                }
            }
        }
        streams.into_iter().map(|(_, _, sent)| sent).collect()
    }

    #[test]
    fn however_many_send_they_keep_to_one_rate_and_nobody_is_left_out() {
        for (primaries, piece_bytes) in [(1, 1000), (3, 16 << 10), (40, 64 << 10)] {
            let mut bucket = Bucket::default();
            bucket.set_rate(8 << 20);
            let sent = sent(&mut bucket, primaries, 10_000, piece_bytes);
            let (all, rate) = (sent.iter().sum::<u64>(), 8 << 20);
            let slack =
                rate / 10 + primaries as u64 * (WINDOW_BYTES_MAX as u64 + u64::from(piece_bytes));
            assert!(all >= 9 * rate && all <= 10 * rate + slack, "{all} bytes");
            let least = *sent.iter().min().unwrap();
            assert!(least >= 9 * rate / primaries as u64, "{sent:?}");
        }
    }

    #[test]
    fn without_a_bound_a_whole_window_is_always_due() {
        let mut bucket = Bucket::default();
        let mut allowance = Allowance::default();
        let most = WINDOW_BYTES_UNBOUND as u32;
        assert_eq!(allowance.grant(&mut bucket, 0), Ok(u64::from(most)));
        assert_eq!(allowance.grant(&mut bucket, 0), Ok(0));
        allowance.arrived(most / 4 - 1);
        assert_eq!(allowance.grant(&mut bucket, 0), Ok(0));
        allowance.arrived(1);
        assert_eq!(allowance.grant(&mut bucket, 0), Ok(u64::from(most) / 4));
        // A piece that was longer than what was left.
        allowance.arrived(most + 5);
        assert_eq!(allowance.grant(&mut bucket, 0), Ok(u64::from(most) + 5));
    }

    #[test]
    fn a_bucket_that_is_empty_says_when_to_ask_again() {
        let mut bucket = Bucket::default();
        bucket.set_rate(1 << 20);
        let (mut one, mut other) = (Allowance::default(), Allowance::default());
        let window = Ok(WINDOW_BYTES_MIN as u64);
        assert_eq!(one.grant(&mut bucket, 5_000), window);
        let Err(later) = other.grant(&mut bucket, 5_000) else {
            panic!("the bucket holds less than one window");
        };
        assert!(later > 5_000 && later <= 5_000 + 63, "{later}");
        assert_eq!(other.grant(&mut bucket, later), window);
    }
}
